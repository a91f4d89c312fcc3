package external

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// request makes the request in the shape that the server knows.
func (a *Action) request(ctx context.Context, r Run, args json.RawMessage) (*http.Request, *Failure) {
	address := a.config.URL
	var body []byte
	var failure *Failure
	var err error
	told := webhook.ToolCall{ID: r.ID, Name: r.Name, Description: a.config.Description, Schema: a.shown, Args: args, URL: a.config.URL}
	switch a.config.Wire {
	case sidetone.WireVapi:
		body, err = webhook.VapiToolCall(r.Report, told)
	case sidetone.WireRetell:
		body, err = webhook.RetellToolCall(r.Report, told)
	case sidetone.WireElevenLabs:
		address, body, failure = filled(a.config.URL, a.config.Method, args)
	default:
		body, err = json.Marshal(map[string]any{"call_id": r.Report.Call.ID, "payload": args})
	}
	if err != nil {
		failure = &Failure{Kind: Failed, Reason: "the request could not be written"}
	}
	if failure != nil {
		return nil, failure
	}
	request, err := http.NewRequestWithContext(ctx, a.config.Method, address, nil)
	if err != nil {
		return nil, &Failure{Kind: Misused, Reason: "the arguments make no address"}
	}
	// With a body and without GetBody the client sends it once: else, and with this key, it
	// would send a request again by itself when a connection that was used before breaks. What
	// has no body gets an empty one, of which nothing is sent.
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a.header(request.Header, r, a.secret)
	return request, a.sign(request, r, body)
}

// sign proves who sends the request, where the shape has a way to.
func (a *Action) sign(request *http.Request, r Run, body []byte) *Failure {
	switch {
	case a.secret == "":
	case a.config.Wire == sidetone.WireContract:
		if err := webhook.SignAction(request.Header, r.Key, a.now(), body, a.secret); err != nil {
			return &Failure{Kind: Failed, Reason: "the request cannot be signed"}
		}
	case a.config.Wire == sidetone.WireRetell:
		webhook.SignRetell(request.Header, a.now(), body, a.secret)
	}
	return nil
}

// filled is an address whose {name} are filled with arguments, and the body of the others;
// what has no body gets them as its query. See
// https://elevenlabs.io/docs/agents-platform/customization/tools/server-tools (read 2026-11-30).
func filled(address, method string, args json.RawMessage) (string, []byte, *Failure) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(args, &members); err != nil {
		return "", nil, &Failure{Kind: Misused, Reason: "the arguments are not a JSON object"}
	}
	path, query, hasQuery := strings.Cut(address, "?")
	path, failure := fill(path, members, func(text string) (string, bool) {
		return url.PathEscape(text), text != "" && text != "." && text != ".."
	})
	if failure != nil {
		return "", nil, failure
	}
	query, failure = fill(query, members, func(text string) (string, bool) { return url.QueryEscape(text), true })
	if failure != nil {
		return "", nil, failure
	}
	for name := range members {
		if strings.Contains(address, "{"+name+"}") {
			delete(members, name)
		}
	}
	if method == http.MethodGet || method == http.MethodDelete {
		more := url.Values{}
		for name, value := range members {
			more.Set(name, plain(value))
		}
		if len(more) > 0 && query != "" {
			query += "&"
		}
		query += more.Encode()
		if query != "" || hasQuery {
			path += "?" + query
		}
		return path, nil, nil
	}
	if hasQuery {
		path += "?" + query
	}
	body, err := json.Marshal(members)
	if err != nil {
		return "", nil, &Failure{Kind: Misused, Reason: "the arguments are not a JSON object"}
	}
	return path, body, nil
}

// fill puts arguments in the places of their names in a text.
func fill(text string, members map[string]json.RawMessage, escape func(string) (string, bool)) (string, *Failure) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			out.WriteString(text)
			return out.String(), nil
		}
		value, given := members[name]
		escaped, ok := escape(plain(value))
		if !given || !ok {
			return "", &Failure{Kind: Misused, Reason: "the argument " + name + " is needed for the address"}
		}
		out.WriteString(before + escaped)
		text = after
	}
}

// plain is the text of a JSON value: of a string what it says.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// read makes the result of the body of a 2xx.
func (a *Action) read(r Run, body []byte) (Answer, *Failure) {
	switch a.config.Wire {
	case sidetone.WireVapi:
		result, failure, ok := webhook.VapiResult(body, r.ID)
		switch {
		case !ok:
			return Answer{}, &Failure{Kind: Unknown, Reason: "the answer has no result for this call: it is not known whether it was done"}
		case failure != "":
			return Answer{}, &Failure{Kind: Failed, Reason: "the server says: " + cut(failure)}
		}
		return answerOf(result), nil
	case sidetone.WireRetell, sidetone.WireElevenLabs:
		return answerOf(body), nil
	}
	var answer struct {
		Result  json.RawMessage `json:"result"`
		Message string          `json:"agent_message"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer.Result, &members) != nil || members == nil {
		return Answer{}, &Failure{Kind: Unknown, Reason: "the answer is not {result: object}: it is not known whether it was done"}
	}
	out := answerOf(answer.Result)
	out.Say = printable([]byte(answer.Message))
	return out, nil
}

// answerOf is the answer that a body of any kind is.
func answerOf(body []byte) Answer {
	body = bytes.TrimSpace(body)
	var text string
	var compact bytes.Buffer
	switch {
	case json.Unmarshal(body, &text) == nil && len(body) > 0:
		return Answer{Text: text, JSON: body}
	case json.Compact(&compact, body) == nil:
		return Answer{Text: compact.String(), JSON: compact.Bytes()}
	}
	text = printable(body)
	if text == "" {
		text = "done"
	}
	quoted, _ := json.Marshal(text) // a text is always JSON
	return Answer{Text: text, JSON: quoted}
}

func cut(text string) string { return printable([]byte(text[:min(len(text), mostComplaint)])) }
