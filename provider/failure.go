package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// Kind says what a failure means for the next request.
type Kind uint8

// The kinds of failures.
const (
	// Unreachable: no connection, or it broke off.
	Unreachable Kind = iota + 1
	// Late: the vendor did not answer in time.
	Late
	// Unauthorised: the vendor does not accept the credential, or not for this.
	Unauthorised
	// Exhausted: the credential's balance or quota is used up.
	Exhausted
	// Missing: the vendor has no such model, voice or address.
	Missing
	// Limited: too many requests; RetryAfter may say for how long.
	Limited
	// Rejected: the vendor does not accept what was asked.
	Rejected
	// Broken: the vendor failed, or its answer does not follow its protocol.
	Broken
	// Empty: the vendor reported success and delivered nothing.
	Empty
)

// String returns the kind as a noun phrase.
func (k Kind) String() string {
	names := []string{"failure", "no connection", "no answer in time", "credential refused", "quota used up",
		"not found", "too many requests", "request refused", "failure of the vendor", "empty answer"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Failure is an error of a vendor. It holds no secret.
type Failure struct {
	// Vendor names who failed, such as "openai".
	Vendor string
	Kind   Kind
	// Status is the HTTP status or the close code of a WebSocket; 0 for neither.
	Status int
	// Message is what the vendor says itself, at most 500 characters: the beginning and
	// the end of what is longer.
	Message string
	// RequestID is the vendor's own name of the request; "" when it gave none.
	RequestID string
	// RetryAfter is for how long the vendor wants no further request; 0 when it
	// does not say.
	RetryAfter time.Duration
	// Err is what lies behind it; may be nil.
	Err error
}

// Error says who failed, how, and what the vendor says of it.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Vendor, f.Kind)
	if f.Status != 0 {
		fmt.Fprintf(&b, " (%d)", f.Status)
	}
	switch {
	case f.Message != "":
		b.WriteString(": " + f.Message)
	case f.Err != nil:
		b.WriteString(": " + f.Err.Error())
	}
	if f.RequestID != "" {
		b.WriteString(" [request " + f.RequestID + "]")
	}
	return b.String()
}

// Unwrap returns what lies behind the failure.
func (f *Failure) Unwrap() error { return f.Err }

// Credential reports whether the credential is the cause: another request with
// it fails in the same way.
func (f *Failure) Credential() bool { return f.Kind == Unauthorised || f.Kind == Exhausted }

// KindOf returns the kind of a failure; Broken for any other error.
func KindOf(err error) Kind {
	if f := (*Failure)(nil); errors.As(err, &f) {
		return f.Kind
	}
	return Broken
}

// messageLimit is how many characters of a vendor's own words are kept.
const messageLimit = 500

// kindOf translates an HTTP status and the vendor's code of the error.
func kindOf(status int, code string) Kind {
	code = strings.ToLower(code)
	switch {
	case status == http.StatusPaymentRequired, strings.Contains(code, "quota"), strings.Contains(code, "billing"),
		strings.Contains(code, "payment_required"):
		return Exhausted
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Unauthorised
	case status == http.StatusNotFound:
		return Missing
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return Late
	case status == http.StatusTooManyRequests, status == statusOverloaded:
		return Limited
	case status >= 400 && status < 500:
		return Rejected
	}
	return Broken
}

// statusOverloaded is Anthropic's status of an overloaded service, see
// https://platform.claude.com/docs/en/api/errors.
const statusOverloaded = 529

// requestIDs are the headers in which vendors name a request.
func requestIDs() []string {
	return []string{"X-Request-Id", "X-Requestid", "Request-Id", "Dg-Request-Id", "Apim-Request-Id", "X-Goog-Request-Id"}
}

// RequestID returns the vendor's own name of an answered request, without secrets; ""
// for none.
func (c *Client) RequestID(h http.Header) string {
	for _, name := range requestIDs() {
		if id := h.Get(name); id != "" {
			return c.Name(id)
		}
	}
	return ""
}

// Words returns what an error body says in the shapes that vendors use, and the
// vendor's code of the error; an unknown shape is returned as it is.
func Words(body []byte) (message, code string) {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return strings.TrimSpace(string(body)), ""
	}
	for _, inner := range []string{"error", "detail"} {
		var nested map[string]json.RawMessage
		if json.Unmarshal(m[inner], &nested) == nil && nested != nil {
			m = nested
			break
		}
	}
	message = first(m, "message", "err_msg", "error", "detail", "title", "description", "reason")
	if message == "" {
		message = strings.TrimSpace(string(body))
	}
	return message, first(m, "code", "status", "err_code", "error_code", "type")
}

// first returns the first member that is a text.
func first(m map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		var s string
		if json.Unmarshal(m[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// clip shortens a text to n characters: a vendor names what matters first or last, as a
// refused address comes before the setting that allows it. What is no text is left out.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if r := []rune(s); len(r) > n {
		s = string(r[:n/2]) + "…" + string(r[len(r)-(n-1-n/2):])
	}
	return s
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseFloat(value, 64); err == nil && n > 0 {
		return time.Duration(min(n, 3600) * float64(time.Second))
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(0, t.Sub(now)), time.Hour)
	}
	return 0
}

// reach is the failure of a connection.
func (c *Client) reach(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	kind := Unreachable
	if timeout := interface{ Timeout() bool }(nil); errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		kind = Late
	}
	if errors.Is(err, errTooLong) {
		kind = Broken
	}
	return &Failure{Vendor: c.Vendor, Kind: kind, Message: c.shown(err.Error(), messageLimit), Err: hidden{err, c.Secrets}}
}

// hidden is an error whose text shows no secret; addresses of requests may hold
// one.
type hidden struct {
	error
	secrets []sidetone.Secret
}

// Error returns the text with stars.
func (h hidden) Error() string { return hide(h.error.Error(), h.secrets) }

// Format writes that text for every verb.
func (h hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(h.Error())) }

// Unwrap returns the error, for errors.Is.
func (h hidden) Unwrap() error { return h.error }

// Refusal is the failure that a vendor reported with a status and a body, which
// may also have come inside a stream that began well.
func (c *Client) Refusal(status int, header http.Header, body []byte) *Failure {
	message, code := Words(body)
	f := &Failure{Vendor: c.Vendor, Kind: kindOf(status, code), Status: status, Message: c.shown(message, messageLimit)}
	if header != nil {
		f.RequestID = c.RequestID(header)
		f.RetryAfter = retryAfter(header.Get("Retry-After"), time.Now())
	}
	if f.RetryAfter == 0 {
		f.RetryAfter = retryDelay(body)
	}
	return f
}

// retryDelay reads how long Google wants no further request: the RetryInfo among
// the details of an error, see https://google.aip.dev/193. It is at most an hour.
func retryDelay(body []byte) time.Duration {
	var m struct {
		Error struct {
			Details []struct {
				RetryDelay string `json:"retryDelay"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &m) != nil {
		return 0
	}
	for _, d := range m.Error.Details {
		if delay, err := time.ParseDuration(d.RetryDelay); err == nil {
			return min(max(0, delay), time.Hour)
		}
	}
	return 0
}

// Fail is a failure that the driver found itself.
func (c *Client) Fail(kind Kind, format string, args ...any) *Failure {
	return &Failure{Vendor: c.Vendor, Kind: kind, Message: c.shown(fmt.Sprintf(format, args...), messageLimit)}
}
