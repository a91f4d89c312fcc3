package anthropic

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
	"github.com/sidetone/sidetone/provider"
)

// event has what matters of all events, see
// https://platform.claude.com/docs/en/build-with-claude/streaming. Any member may be
// absent or null; events and blocks of other types are skipped.
type event struct {
	Type    string `json:"type"`
	Message struct {
		ID    string `json:"id"`
		Usage usage  `json:"usage"`
	} `json:"message"`
	Index        int `json:"index"`
	ContentBlock struct {
		Type  string          `json:"type"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Text  string          `json:"text"`
		Input json.RawMessage `json:"input"`
	} `json:"content_block"`
	Delta struct {
		Type        string `json:"type"`
		Text        string `json:"text"`
		PartialJSON string `json:"partial_json"`
		StopReason  string `json:"stop_reason"`
		StopDetails struct {
			Explanation string `json:"explanation"`
		} `json:"stop_details"`
	} `json:"delta"`
	Usage usage `json:"usage"`
	Error struct {
		Type string `json:"type"`
	} `json:"error"`
}

// usage counts tokens; a member that is absent changes nothing.
type usage struct {
	In         *int `json:"input_tokens"`
	CacheRead  *int `json:"cache_read_input_tokens"`
	CacheWrite *int `json:"cache_creation_input_tokens"`
	Out        *int `json:"output_tokens"`
}

// parser reads one answer.
type parser struct {
	client *provider.Client
	out    *answer.Out

	began   bool
	calls   map[int]*llm.ToolCall // of open blocks
	refusal string                // why the vendor refused
	in      int
	read    int
	written int
}

func newParser(c *provider.Client, out *answer.Out) *parser {
	return &parser{client: c, out: out, calls: map[int]*llm.ToolCall{}}
}

// Event reads one event. An answer may begin with message_start more than once:
// recorded streams do.
func (p *parser) Event(raw provider.Event) (ended bool, err error) {
	var e event
	if err := json.Unmarshal(raw.Data, &e); err != nil {
		return false, p.client.Fail(provider.Broken, "an event of the answer is not what it should be: %v", err)
	}
	e.Type = cmp.Or(e.Type, raw.Name)
	switch e.Type {
	case "error":
		return false, p.client.Refusal(statusOf(e.Error.Type), nil, raw.Data)
	case "message_start":
		p.began = true
		p.out.RequestID = cmp.Or(p.out.RequestID, e.Message.ID)
		p.count(e.Message.Usage)
		return false, nil
	case "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop":
		if !p.began {
			return false, p.client.Fail(provider.Broken, "the answer begins without message_start")
		}
		return p.part(e)
	}
	return false, nil
}

// part reads an event of an answer that has begun.
func (p *parser) part(e event) (ended bool, err error) {
	switch e.Type {
	case "content_block_start":
		p.open(e)
	case "content_block_delta":
		p.add(e)
	case "content_block_stop":
		return false, p.close(e.Index)
	case "message_delta":
		p.count(e.Usage)
		p.out.Reason = cmp.Or(e.Delta.StopReason, p.out.Reason)
		p.refusal = cmp.Or(e.Delta.StopDetails.Explanation, p.refusal)
	case "message_stop":
		return true, p.finish()
	}
	return false, nil
}

func (p *parser) open(e event) {
	switch b := e.ContentBlock; b.Type {
	case "text":
		p.out.Text(b.Text)
	case "tool_use":
		p.calls[e.Index] = &llm.ToolCall{ID: b.ID, Name: b.Name}
		if input := string(b.Input); input != "" && input != "{}" && input != "null" {
			p.calls[e.Index].Args = b.Input
		}
	}
}

func (p *parser) add(e event) {
	switch e.Delta.Type {
	case "text_delta":
		p.out.Text(e.Delta.Text)
	case "input_json_delta":
		if c := p.calls[e.Index]; c != nil {
			c.Args = append(c.Args, e.Delta.PartialJSON...)
		}
	}
}

// close hands a call over that is whole.
func (p *parser) close(index int) error {
	c := p.calls[index]
	if c == nil {
		return nil
	}
	delete(p.calls, index)
	if c.Name == "" {
		return p.client.Fail(provider.Broken, "a call of a tool has no name")
	}
	p.out.Call(*c)
	return nil
}

// count takes the newest figures. What was read from the cache and written to it
// counts as input.
func (p *parser) count(u usage) {
	for _, c := range []struct {
		from *int
		to   *int
	}{{u.In, &p.in}, {u.CacheRead, &p.read}, {u.CacheWrite, &p.written}, {u.Out, &p.out.Usage.Out}} {
		if c.from != nil {
			*c.to = max(0, *c.from)
		}
	}
	p.out.Usage.In, p.out.Usage.Cached = p.in+p.read+p.written, p.read
}

// End is called when message_stop did not come.
func (p *parser) End() error {
	return p.client.Fail(provider.Broken, "the answer broke off before message_stop")
}

func (p *parser) finish() error {
	switch p.out.Reason {
	case "refusal":
		return p.client.Fail(provider.Rejected, "the vendor refused to answer: %s", p.refusal)
	case "max_tokens", "model_context_window_exceeded":
		p.out.Cut = true
	}
	return nil
}

// statusOf is the status that an error has outside a stream, see
// https://platform.claude.com/docs/en/api/errors.
func statusOf(kind string) int {
	switch kind {
	case "invalid_request_error":
		return http.StatusBadRequest
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "timeout_error":
		return http.StatusGatewayTimeout
	case "overloaded_error":
		return statusOverloaded
	}
	return http.StatusInternalServerError
}

// statusOverloaded is the vendor's own.
const statusOverloaded = 529
