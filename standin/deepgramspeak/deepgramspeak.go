// Package deepgramspeak stands in for the WebSocket /v1/speak of Deepgram, written
// from the vendor's AsyncAPI file of 2026-07-22.
package deepgramspeak

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/speech"
)

// Server is the stand-in, an http.Handler.
type Server struct {
	http.Handler
	o speech.Options
}

// New returns a stand-in.
func New(o speech.Options) *Server {
	s := &Server{o: o}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/speak", o.Control.Handler(o.Key, refuse, s.serve))
	s.Handler = mux
	return s
}

const requestID = "5b6ad7e8-9c1f-4a30-8e4e-0d4b8a6f7c21"

// refuse writes the vendor's body of an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	code := map[int]string{http.StatusUnauthorized: "INVALID_AUTH", http.StatusTooManyRequests: "TOO_MANY_REQUESTS"}[status]
	if reason != "" {
		code = reason
	}
	w.Header().Set("Dg-Request-Id", requestID)
	speech.JSON(w, status, map[string]string{"err_code": code, "err_msg": "the stand-in refuses: " + code, "request_id": requestID})
}

// maxFlushes is how many the vendor takes in a minute.
const maxFlushes = 20

// session is one socket.
type session struct {
	o        speech.Options
	request  *standin.Request
	socket   *speech.Socket
	rate     int
	muLaw    bool
	text     strings.Builder
	sequence int
	flushes  []time.Time
}

func (s *Server) serve(w http.ResponseWriter, r *standin.Request) {
	q := r.URL.Query()
	rate, err := strconv.Atoi(q.Get("sample_rate"))
	muLaw := q.Get("encoding") == "mulaw"
	if err != nil || !muLaw && q.Get("encoding") != "linear16" || q.Get("model") == "" || rate < 8000 || rate > 48000 {
		refuse(w, http.StatusBadRequest, "INVALID_QUERY_PARAMETER")
		return
	}
	w.Header().Set("Dg-Request-Id", requestID)
	socket, ok := speech.Upgrade(w, r)
	if !ok {
		return
	}
	defer socket.Close()
	x := &session{o: s.o, request: r, socket: socket, rate: rate, muLaw: muLaw}
	if r.Fault.Kind != standin.NoStart {
		_ = socket.JSON(map[string]string{"type": "Metadata", "request_id": requestID, "model_name": q.Get("model"), "model_version": "1", "model_uuid": requestID})
	}
	x.serve()
}

// message is what a client sends.
type message struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func (x *session) serve() {
	for {
		data, ok := x.socket.Next()
		if !ok {
			return
		}
		if done := x.take(data); done {
			return
		}
	}
}

// take does what a message asks; done says that the session is over.
func (x *session) take(data []byte) (done bool) {
	var m message
	if err := speech.Strict(data, &m); err != nil {
		x.socket.End(1008, "DATA-0000: "+m.Type)
		return true
	}
	switch m.Type {
	case "Speak":
		if len(m.Text) > 2000 {
			x.socket.End(1008, "DATA-0001: too many characters")
			return true
		}
		x.text.WriteString(m.Text)
	case "Flush":
		return x.flush() != nil
	case "Clear":
		x.text.Reset()
		return x.confirm("Cleared") != nil
	case "Close":
		x.socket.End(1000, "")
		return true
	default:
		x.socket.End(1008, "DATA-0000: unknown message")
		return true
	}
	return false
}

// confirm answers a message.
func (x *session) confirm(kind string) error {
	x.sequence++
	return x.socket.JSON(map[string]any{"type": kind, "sequence_id": x.sequence - 1})
}

// flush speaks what was collected.
func (x *session) flush() error {
	text := strings.TrimSpace(x.text.String())
	x.text.Reset()
	x.flushes = append(x.flushes, time.Now())
	if n := len(x.flushes) - maxFlushes - 1; n >= 0 && time.Since(x.flushes[n]) < time.Minute {
		return x.socket.JSON(map[string]string{"type": "Warning", "code": "TOO_MANY_FLUSHES", "description": "too many Flush messages in 60 seconds"})
	}
	cleared := false
	d := speech.Delivery{Sound: x.o.Utter(text, x.rate, x.muLaw), Close: x.socket.End, ExpireCode: 1011, ExpireReason: "NET-0003: the session has reached its time limit",
		Piece:   func(_ int, sound []byte) error { return x.socket.Binary(sound) },
		End:     func() error { return x.confirm("Flushed") },
		Junk:    func() error { return x.socket.Text([]byte(`{"type": 7`)) },
		Unknown: func() error { return x.socket.JSON(map[string]any{"type": "Novelty", "value": nil}) },
		Error: func(reason string) error {
			if reason == "" {
				reason = "DATA-0001: too many characters"
			}
			x.socket.End(1008, reason)
			return nil
		},
		Heard: func(d time.Duration) bool {
			cleared = cleared || x.socket.Await(d, func(data []byte) bool {
				var m message
				return speech.Strict(data, &m) == nil && m.Type == "Clear"
			})
			return cleared
		}}
	if err := d.Run(x.socket.Context(), x.request.Fault, x.o.Pace); err != nil {
		return err
	}
	if cleared {
		return x.confirm("Cleared")
	}
	return x.socket.Context().Err()
}
