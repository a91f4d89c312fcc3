package google

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/standin"
)

// request has the members of a request that the stand-in knows; it refuses others,
// as Google does.
type request struct {
	Contents          []content `json:"contents"`
	SystemInstruction *content  `json:"systemInstruction"`
	Tools             []struct {
		FunctionDeclarations []struct {
			Name                 string          `json:"name"`
			Description          string          `json:"description"`
			Parameters           json.RawMessage `json:"parameters"`
			ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	ToolConfig       json.RawMessage `json:"toolConfig"`
	SafetySettings   json.RawMessage `json:"safetySettings"`
	GenerationConfig *struct {
		Temperature     *float64        `json:"temperature"`
		TopP            *float64        `json:"topP"`
		TopK            *float64        `json:"topK"`
		MaxOutputTokens int             `json:"maxOutputTokens"`
		ThinkingConfig  json.RawMessage `json:"thinkingConfig"`
	} `json:"generationConfig"`
}

type content struct {
	Role  string `json:"role"`
	Parts []part `json:"parts"`
}

type part struct {
	Text         string `json:"text"`
	Thought      bool   `json:"thought"`
	FunctionCall *struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	} `json:"functionCall"`
	FunctionResponse *struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Response map[string]any `json:"response"`
	} `json:"functionResponse"`
	ThoughtSignature string `json:"thoughtSignature"`
}

// signatures are those that the stand-in gave out.
type signatures struct {
	mu    sync.Mutex
	given map[string]bool
}

func (s *signatures) give() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given == nil {
		s.given = map[string]bool{}
	}
	signature := rand.Text()
	s.given[signature] = true
	return signature
}

// accepts reports whether a signature is one of ours, or the vendor's word for
// calls that its model did not make.
func (s *signatures) accepts(signature string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[signature] || signature == "skip_thought_signature_validator"
}

// parse reads a request and holds it against the vendor's rules.
func parse(raw []byte, signed *signatures) (request, error) {
	var r request
	if err := standin.Strict(raw, &r); err != nil {
		return r, fmt.Errorf("invalid JSON payload received: %w", err)
	}
	if len(r.Contents) == 0 {
		return r, errors.New("GenerateContentRequest.contents: contents is not specified")
	}
	if g := r.GenerationConfig; g != nil && g.Temperature != nil && (*g.Temperature < 0 || *g.Temperature > 2) {
		return r, errors.New("temperature must be in the range [0.0, 2.0]")
	}
	for _, t := range r.Tools {
		for _, f := range t.FunctionDeclarations {
			if f.Name == "" || len(f.Parameters) > 0 && len(f.ParametersJSONSchema) > 0 {
				return r, errors.New("tools[0].function_declarations: invalid name, or parameters in two forms")
			}
		}
	}
	open := 0
	for i, c := range r.Contents {
		calls, responses, err := c.check(signed)
		switch {
		case err != nil:
			return r, fmt.Errorf("contents[%d]: %w", i, err)
		case responses != open:
			return r, errors.New("please ensure that the number of function response parts is equal to the number of function call parts of the function call turn")
		}
		open = calls
	}
	if last := r.Contents[len(r.Contents)-1]; last.Role == "model" {
		return r, errors.New("please ensure that multiturn requests end with a user role or a function response")
	}
	return r, nil
}

// check counts the calls and the results of a turn.
func (c content) check(signed *signatures) (calls, responses int, err error) {
	if c.Role != "user" && c.Role != "model" {
		return 0, 0, errors.New("please use a valid role: user, model")
	}
	if len(c.Parts) == 0 {
		return 0, 0, errors.New("parts must not be empty")
	}
	for _, p := range c.Parts {
		switch {
		case p.FunctionCall != nil && c.Role == "model":
			if calls++; calls == 1 && !signed.accepts(p.ThoughtSignature) {
				return 0, 0, fmt.Errorf("function call %q is missing a thought_signature", p.FunctionCall.Name)
			}
			var args map[string]any
			if p.FunctionCall.Name == "" || json.Unmarshal(p.FunctionCall.Args, &args) != nil {
				return 0, 0, errors.New("function_call: invalid name or args")
			}
		case p.FunctionResponse != nil && c.Role == "user":
			if responses++; p.FunctionResponse.Name == "" || p.FunctionResponse.Response == nil {
				return 0, 0, errors.New("function_response.name: Name cannot be empty")
			}
		case p.FunctionCall == nil && p.FunctionResponse == nil && p.Text != "":
		default:
			return 0, 0, errors.New("required oneof field 'data' must have one initialized field")
		}
	}
	return calls, responses, nil
}

// request is what the model is asked. Calls without ids are told apart by their
// order.
func (r request) request(model string) llm.Request {
	out := llm.Request{Model: model}
	if r.SystemInstruction != nil {
		text := ""
		for _, p := range r.SystemInstruction.Parts {
			text += p.Text
		}
		out.Messages = append(out.Messages, llm.Message{Role: llm.System, Text: text})
	}
	made, answered := 0, 0
	for _, c := range r.Contents {
		for _, p := range c.Parts {
			m := llm.Message{Role: llm.User, Text: p.Text}
			if c.Role == "model" {
				m.Role = llm.Assistant
			}
			switch {
			case p.FunctionCall != nil:
				made++
				m.Calls = []llm.ToolCall{{ID: fmt.Sprint("made_", made), Name: p.FunctionCall.Name, Args: p.FunctionCall.Args}}
			case p.FunctionResponse != nil:
				answered++
				m.Role, m.CallID, m.Text = llm.ToolRole, fmt.Sprint("made_", answered), resultOf(p.FunctionResponse.Response)
			}
			out.Messages = append(out.Messages, m)
		}
	}
	for _, t := range r.Tools {
		for _, f := range t.FunctionDeclarations {
			schema := f.ParametersJSONSchema
			if len(schema) == 0 {
				schema = f.Parameters
			}
			out.Tools = append(out.Tools, llm.Tool{Name: f.Name, Description: f.Description, Schema: schema})
		}
	}
	return out
}

// resultOf is the text of a result.
func resultOf(response map[string]any) string {
	if reason, failed := response["error"]; failed {
		return llm.FailedResult + fmt.Sprint(reason)
	}
	for _, name := range []string{"result", "output"} {
		if v, ok := response[name]; ok {
			return strings.TrimSpace(fmt.Sprint(v))
		}
	}
	return fmt.Sprint(response)
}
