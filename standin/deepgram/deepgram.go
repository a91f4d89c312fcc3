// Package deepgram is a stand-in for Deepgram's recognition of live speech: nova on
// /v1/listen and Flux on /v2/listen, written from
// https://developers.deepgram.com/reference/speech-to-text and the vendor's
// AsyncAPI document.
package deepgram

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// Options say what the stand-in does.
type Options struct {
	// Control holds faults and ledger.
	Control *standin.Control
	// Key is the only key that is accepted; "" accepts any.
	Key string
	// Ears hear the clients.
	Ears hearing.Ears
	// Unforced makes Flux a deployment that does not know ForceEndTurn.
	Unforced bool
	// IdleAfter is after how long without a message a connection is closed; 0
	// means the vendor's 10 s.
	IdleAfter time.Duration
}

// New returns the stand-in.
func New(o Options) http.Handler {
	if o.IdleAfter == 0 {
		o.IdleAfter = 10 * time.Second
	}
	return o.Control.Handler(o.Key, refuse, func(w http.ResponseWriter, r *standin.Request) {
		switch r.URL.Path {
		case "/v1/listen":
			o.listen(w, r)
		case "/v2/listen":
			o.flux(w, r)
		default:
			refuse(w, http.StatusNotFound, "")
		}
	})
}

// refusal is the body of an error, see https://developers.deepgram.com/docs/errors.
type refusal struct {
	Code      string `json:"err_code"`
	Message   string `json:"err_msg"`
	RequestID string `json:"request_id"`
}

// refuse answers a request, or an upgrade, with an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	code, message := "INTERNAL_SERVER_ERROR", "An internal error occurred."
	switch status {
	case http.StatusBadRequest:
		code, message = "INVALID_QUERY_PARAMETER", "Failed to deserialize query parameters."
	case http.StatusUnauthorized:
		code, message = "INVALID_AUTH", "Invalid credentials."
	case http.StatusPaymentRequired:
		code, message = "ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request and does not have an overage agreement."
	case http.StatusForbidden:
		code, message = "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions to perform the requested operation."
	case http.StatusNotFound:
		code, message = "PROJECT_NOT_FOUND", "A project with the specified id was not found."
	case http.StatusTooManyRequests:
		code, message = "TOO_MANY_REQUESTS", "Too many requests. Please try again later"
	}
	if reason != "" {
		message = reason
	}
	id := newID()
	w.Header().Set("Dg-Error", message)
	w.Header().Set("Dg-Request-Id", id)
	standin.WriteJSON(w, status, refusal{code, message, id})
}

// newID is a request id: a UUID of version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// open checks the query that says what the sound is, and answers the upgrade; nil
// when it refused.
func (o Options) open(w http.ResponseWriter, r *standin.Request, id string, wrong func(url.Values) string) (*hearing.Line, *hearing.Listener) {
	q := r.URL.Query()
	rate, err := strconv.Atoi(q.Get("sample_rate"))
	if err != nil || rate < 8000 {
		refuse(w, http.StatusBadRequest, "sample_rate is required with raw audio")
		return nil, nil
	}
	if reason := wrong(q); reason != "" {
		refuse(w, http.StatusBadRequest, reason)
		return nil, nil
	}
	ear, err := hearing.NewListener(o.Ears, q.Get("encoding"), rate, r.Fault.Kind)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return nil, nil
	}
	w.Header().Set("Dg-Request-Id", id)
	line, err := hearing.Accept(w, r)
	if err != nil {
		ear.Close()
		return nil, nil
	}
	return line, ear
}

// unknown returns a sentence about the first parameter that is not in known.
func unknown(q url.Values, known ...string) string {
	for name := range q {
		if !slices.Contains(known, name) {
			return "unknown query parameter " + name
		}
	}
	return ""
}

// duration is in seconds, as the vendor writes it.
func duration(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
