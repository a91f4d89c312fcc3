package external

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
)

const (
	// HeaderKey has the key of a run, see
	// https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
	HeaderKey = "Idempotency-Key"
	// mostAnswer bounds what is read of an answer.
	mostAnswer = 64 << 10
	// mostComplaint is how much of the body of a failure the model is told.
	mostComplaint = 1 << 10
	// leastSecret is how long a secret is at least that is looked for in answers.
	leastSecret = 8
)

// Do runs the action once. It returns soon after ctx ends. An error is a *Failure.
func (a *Action) Do(ctx context.Context, r Run) (Answer, error) {
	args, failure := a.arguments(r.Args)
	if failure != nil {
		return Answer{}, failure
	}
	request, failure := a.request(ctx, r, args)
	if failure != nil {
		return Answer{}, failure
	}
	status, body, failure := a.send(request)
	if failure != nil {
		return Answer{}, failure
	}
	if len(a.secret) >= leastSecret { // an echo of it is nobody's to read
		body = bytes.ReplaceAll(body, []byte(a.secret.Reveal()), []byte(a.secret.String()))
	}
	if status/100 != 2 {
		return Answer{}, refused(status, body)
	}
	answer, failure := a.read(r, body)
	if failure != nil {
		failure.Status = status
		return Answer{}, failure
	}
	answer.Status = status
	return answer, nil
}

// send sends a request once, and reads the answer.
func (a *Action) send(request *http.Request) (status int, body []byte, failure *Failure) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	response, err := a.client.Do(request)
	if err != nil {
		return 0, nil, unsent(err, connected.Load(), request.Context().Err() != nil)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil && response.StatusCode/100 == 2:
		return 0, nil, &Failure{Kind: Unknown, Status: response.StatusCode, Reason: "the answer broke off: it is not known whether it was done"}
	case len(body) > mostAnswer && response.StatusCode/100 == 2:
		return 0, nil, &Failure{Kind: Unknown, Status: response.StatusCode, Reason: "the answer is longer than 64 KiB: it is not known whether it was done"}
	}
	return response.StatusCode, body, nil
}

// unsent is the failure of a request without a response. Only one that found no connection
// was surely not sent.
func unsent(err error, connected, late bool) *Failure {
	var guarded *outbound.Refused
	switch {
	case errors.As(err, &guarded):
		return &Failure{Kind: Failed, Reason: guarded.Error()}
	case !connected && late:
		return &Failure{Kind: Failed, Reason: "the server could not be reached in time"}
	case !connected:
		return &Failure{Kind: Failed, Reason: "the server could not be reached"}
	case late:
		return &Failure{Kind: Unknown, Reason: "the server did not answer in time: it is not known whether it was done"}
	}
	return &Failure{Kind: Unknown, Reason: "the connection broke: it is not known whether it was done"}
}

// refused is the failure that a status other than 2xx means.
func refused(status int, body []byte) *Failure {
	f := &Failure{Kind: Failed, Status: status}
	switch {
	case status/100 == 3:
		f.Reason = "the server answered with a redirect, which is not followed"
		return f
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Reason = "the server does not accept our credentials: do not call it again"
		return f
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		f.Kind, f.Reason = Unknown, "the server is behind another that did not reach it: it is not known whether it was done"
		return f
	case status/100 == 4:
		f.Reason = "the server refused it"
	default:
		f.Reason = "the server failed"
	}
	f.Reason += " with status " + strconv.Itoa(status)
	if text := strings.TrimSpace(printable(body[:min(len(body), mostComplaint)])); text != "" {
		f.Reason += ": " + text
	}
	return f
}

// printable is a text without what only changes how the rest is shown.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(text), ""))
}

// header sets what every request says of itself.
func (a *Action) header(h http.Header, r Run, secret sidetone.Secret) {
	for name, value := range a.config.Headers {
		h.Set(name, value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/plain;q=0.9, */*;q=0.1")
	h.Set(HeaderKey, r.Key)
	if a.config.SecretHeader != "" && secret != "" {
		h.Set(a.config.SecretHeader, secret.Reveal())
	}
}
