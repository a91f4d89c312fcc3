package google

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

// chunk is a piece of an answer, see
// https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse. Any
// member may be absent or null.
type chunk struct {
	Candidates []struct {
		Index   int `json:"index"`
		Content struct {
			Parts []answerPart `json:"parts"`
		} `json:"content"`
		FinishReason string `json:"finishReason"`
	} `json:"candidates"`
	PromptFeedback struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage *struct {
		Prompt     int `json:"promptTokenCount"`
		Cached     int `json:"cachedContentTokenCount"`
		Candidates int `json:"candidatesTokenCount"`
		Thoughts   int `json:"thoughtsTokenCount"`
	} `json:"usageMetadata"`
	ResponseID string `json:"responseId"`
	Error      *struct {
		Code int `json:"code"`
	} `json:"error"`
}

type answerPart struct {
	Text         string `json:"text"`
	Thought      bool   `json:"thought"`
	Signature    string `json:"thoughtSignature"`
	FunctionCall *struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
		// WillContinue and PartialArgs belong to calls in pieces, which nobody asked
		// for.
		WillContinue bool            `json:"willContinue"`
		PartialArgs  json.RawMessage `json:"partialArgs"`
	} `json:"functionCall"`
}

// parser reads one answer.
type parser struct {
	client   *provider.Client
	out      *answer.Out
	remember func(id string, o origin)
}

// Event reads one chunk. The vendor has no mark of the end.
func (p *parser) Event(e provider.Event) (ended bool, err error) {
	var c chunk
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return false, p.client.Fail(provider.Broken, "a chunk of the answer is not what it should be: %v", err)
	}
	if c.Error != nil {
		status := c.Error.Code
		if status < 400 || status > 599 {
			status = http.StatusInternalServerError
		}
		return false, p.client.Refusal(status, nil, e.Data)
	}
	p.out.RequestID = cmp.Or(p.out.RequestID, c.ResponseID)
	if reason := c.PromptFeedback.BlockReason; reason != "" {
		return false, p.client.Fail(provider.Rejected, "the vendor blocked the conversation: %s", reason)
	}
	if u := c.Usage; u != nil {
		p.out.Usage = llm.Usage{In: max(0, u.Prompt), Cached: max(0, u.Cached), Out: max(0, u.Candidates) + max(0, u.Thoughts)}
	}
	for _, candidate := range c.Candidates {
		if candidate.Index != 0 {
			continue
		}
		for _, part := range candidate.Content.Parts {
			if err := p.take(part); err != nil {
				return false, err
			}
		}
		p.out.Reason = cmp.Or(candidate.FinishReason, p.out.Reason)
	}
	return false, nil
}

// take adds a part that is no thought.
func (p *parser) take(part answerPart) error {
	if part.Thought {
		return nil
	}
	p.out.Text(part.Text)
	f := part.FunctionCall
	switch {
	case f == nil:
		return nil
	case f.WillContinue || len(f.PartialArgs) > 0 && string(f.PartialArgs) != "null":
		return p.client.Fail(provider.Broken, "a call of a tool came in pieces")
	case f.Name == "":
		return p.client.Fail(provider.Broken, "a call of a tool has no name")
	}
	args := f.Args
	if string(args) == "null" {
		args = nil
	}
	id := answer.NewCallID() // the vendor may leave its own out, or give it twice in a conversation
	p.remember(id, origin{id: f.ID, signature: part.Signature})
	p.out.Call(llm.ToolCall{ID: id, Name: f.Name, Args: args})
	return nil
}

// End judges the answer by the reason for its end, see
// https://ai.google.dev/api/generate-content#FinishReason.
func (p *parser) End() error {
	switch p.out.Reason {
	case "":
		return p.client.Fail(provider.Broken, "the answer broke off before its end")
	case "STOP":
	case "MAX_TOKENS":
		p.out.Cut = true
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR":
		return p.client.Fail(provider.Rejected, "the vendor's filter ended the answer: %s", p.out.Reason)
	default:
		return p.client.Fail(provider.Broken, "the vendor ended the answer: %s", p.out.Reason)
	}
	return nil
}
