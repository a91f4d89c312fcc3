package google

import (
	"encoding/json"
	"strings"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/answer"
)

// body is a request. What stays the same from turn to turn stands first and the
// contents last, so that each request begins with the bytes of the one before, see
// https://ai.google.dev/gemini-api/docs/caching.
type body struct {
	GenerationConfig  generationConfig `json:"generationConfig"`
	Tools             []tools          `json:"tools,omitempty"`
	SystemInstruction *content         `json:"systemInstruction,omitempty"`
	Contents          []content        `json:"contents"`
}

type generationConfig struct {
	Temperature     float64 `json:"temperature"`
	MaxOutputTokens int     `json:"maxOutputTokens,omitempty"`
}

type tools struct {
	FunctionDeclarations []declaration `json:"functionDeclarations"`
}

type declaration struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parametersJsonSchema"`
}

type content struct {
	Role  string `json:"role,omitempty"`
	Parts []part `json:"parts"`
}

// part is a text, a call of a tool or its result.
type part struct {
	Text             string            `json:"text,omitempty"`
	FunctionCall     *functionCall     `json:"functionCall,omitempty"`
	FunctionResponse *functionResponse `json:"functionResponse,omitempty"`
	ThoughtSignature string            `json:"thoughtSignature,omitempty"`
}

type functionCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

type functionResponse struct {
	ID       string            `json:"id,omitempty"`
	Name     string            `json:"name"`
	Response map[string]string `json:"response"`
}

// foreignSignature stands for the thoughts behind a call that another vendor's
// model made, see https://ai.google.dev/gemini-api/docs/thought-signatures.
const foreignSignature = "skip_thought_signature_validator"

// body renders a request.
func (d *Driver) body(r llm.Request) body {
	b := body{GenerationConfig: generationConfig{r.Temperature, r.MaxTokens}}
	if len(r.Tools) > 0 {
		b.Tools = []tools{{}}
	}
	for _, t := range r.Tools {
		b.Tools[0].FunctionDeclarations = append(b.Tools[0].FunctionDeclarations, declaration{t.Name, t.Description, answer.Schema(t)})
	}
	system, turns := answer.Turns(r.Messages)
	if strings.TrimSpace(system) != "" {
		b.SystemInstruction = &content{Parts: []part{{Text: system}}}
	}
	names := map[string]string{} // of calls, by their ids
	for _, t := range turns {
		b.Contents = append(b.Contents, d.turn(t, names))
	}
	return b
}

// turn renders what one side says and does, each message a part of its own.
func (d *Driver) turn(t answer.Turn, names map[string]string) content {
	out := content{Role: "user"}
	if t.Assistant {
		out.Role = "model"
	}
	for _, m := range t.Messages {
		if m.Role == llm.ToolRole {
			out.Parts = append(out.Parts, d.response(m, names[m.CallID]))
			continue
		}
		if strings.TrimSpace(m.Text) != "" {
			out.Parts = append(out.Parts, part{Text: m.Text})
		}
		for i, c := range m.Calls {
			names[c.ID] = c.Name
			origin, ours := d.originOf(c.ID)
			if !ours && i == 0 {
				origin.signature = foreignSignature
			}
			out.Parts = append(out.Parts, part{ThoughtSignature: origin.signature,
				FunctionCall: &functionCall{origin.id, c.Name, answer.Object(c.Args)}})
		}
	}
	return out
}

// response renders the result of a call.
func (d *Driver) response(m llm.Message, name string) part {
	origin, _ := d.originOf(m.CallID) // another model's call has no id of Google's
	key, text := "result", m.Text
	if reason, failed := strings.CutPrefix(m.Text, llm.FailedResult); failed {
		key, text = "error", reason
	}
	return part{FunctionResponse: &functionResponse{origin.id, name, map[string]string{key: text}}}
}
