// Package cartesia stands in for the WebSocket /tts/websocket of Cartesia, written
// from the vendor's documentation of 2025-10 and its client 4.2.0.
package cartesia

import (
	"encoding/base64"
	"errors"
	"net/http"
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
	mux.Handle("GET /tts/websocket", o.Control.Handler(o.Key, refuse, s.serve))
	s.Handler = mux
	return s
}

// refuse writes the vendor's body of an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	code := map[int]string{http.StatusUnauthorized: "unauthorized", http.StatusPaymentRequired: "quota_exceeded", http.StatusTooManyRequests: "concurrency_limited"}[status]
	if reason != "" {
		code = reason
	}
	w.Header().Set("X-Request-Id", "cartesia-request-1")
	speech.JSON(w, status, map[string]any{"title": "refused", "message": "the stand-in refuses: " + code, "error_code": code, "status_code": status, "request_id": "cartesia-request-1"})
}

// message is what a client sends; members that the vendor does not document are
// refused.
type message struct {
	Model      string `json:"model_id"`
	Transcript string `json:"transcript"`
	Voice      struct {
		Mode string `json:"mode"`
		ID   string `json:"id"`
	} `json:"voice"`
	Language string `json:"language"`
	Output   struct {
		Container string `json:"container"`
		Encoding  string `json:"encoding"`
		Rate      int    `json:"sample_rate"`
	} `json:"output_format"`
	Context    string `json:"context_id"`
	Continue   bool   `json:"continue"`
	Cancel     bool   `json:"cancel"`
	Flush      bool   `json:"flush"`
	Delay      any    `json:"max_buffer_delay_ms"`
	Times      bool   `json:"add_timestamps"`
	Phonemes   bool   `json:"add_phoneme_timestamps"`
	Normalized bool   `json:"use_normalized_timestamps"`
	Generation any    `json:"generation_config"`
	Dictionary any    `json:"pronunciation_dict_id"`
	Duration   any    `json:"duration"`
}

// session is one socket.
type session struct {
	o       speech.Options
	request *standin.Request
	socket  *speech.Socket
	texts   map[string]*strings.Builder // of contexts that go on
}

func (s *Server) serve(w http.ResponseWriter, r *standin.Request) {
	socket, ok := speech.Upgrade(w, r)
	if !ok {
		return
	}
	defer socket.Close()
	x := &session{o: s.o, request: r, socket: socket, texts: map[string]*strings.Builder{}}
	for {
		data, ok := socket.Next()
		if !ok {
			return
		}
		var m message
		if err := speech.Strict(data, &m); err != nil {
			_ = x.fail(m.Context, http.StatusBadRequest, "invalid_request")
			continue
		}
		if x.take(m) != nil {
			return
		}
	}
}

// fail reports an error of a context.
func (x *session) fail(id string, status int, code string) error {
	return x.socket.JSON(map[string]any{"type": "error", "done": true, "context_id": id, "status_code": status, "title": "refused", "message": "the stand-in reports " + code, "error_code": code})
}

// take collects the text of a context and speaks it when that is complete.
func (x *session) take(m message) error {
	if m.Cancel {
		delete(x.texts, m.Context)
		return nil
	}
	muLaw := m.Output.Encoding == "pcm_mulaw"
	if m.Model == "" || m.Context == "" || m.Voice.Mode != "id" || m.Voice.ID == "" || m.Output.Container != "raw" ||
		!muLaw && m.Output.Encoding != "pcm_s16le" || m.Output.Rate < 8000 {
		return x.fail(m.Context, http.StatusBadRequest, "invalid_request")
	}
	text, ok := x.texts[m.Context]
	if !ok {
		text = &strings.Builder{}
		x.texts[m.Context] = text
	}
	text.WriteString(m.Transcript)
	if m.Continue {
		return nil
	}
	delete(x.texts, m.Context)
	return x.speak(m, x.o.Utter(strings.TrimSpace(text.String()), m.Output.Rate, muLaw))
}

// speak delivers one context.
func (x *session) speak(m message, sound speech.Sound) error {
	send := func(kind string, members map[string]any) error {
		members["type"], members["context_id"] = kind, m.Context
		if x.request.Fault.Kind == standin.Unknown {
			members["novelty"] = []any{nil}
		}
		return x.socket.JSON(members)
	}
	d := speech.Delivery{Sound: sound, Close: x.socket.End, ExpireCode: 1000, ExpireReason: "the connection was idle for too long",
		Piece: func(number int, piece []byte) error {
			err := send("chunk", map[string]any{"data": base64.StdEncoding.EncodeToString(piece), "step_time": 1.5, "done": false, "status_code": 206})
			if number == 0 && m.Times && err == nil {
				err = send("timestamps", map[string]any{"word_timestamps": sound.Times(), "done": false, "status_code": 206})
			}
			return err
		},
		End:     func() error { return send("done", map[string]any{"done": true, "status_code": 200}) },
		Junk:    func() error { return x.socket.Text([]byte(`{"type":"chunk","data":7`)) },
		Unknown: func() error { return send("novelty", map[string]any{"value": nil}) },
		Error: func(reason string) error {
			if reason == "" {
				reason = "quota_exceeded"
			}
			return x.fail(m.Context, http.StatusPaymentRequired, reason)
		},
		Heard: func(d time.Duration) bool {
			return x.socket.Await(d, func(data []byte) bool {
				var said message
				return speech.Strict(data, &said) == nil && said.Cancel && said.Context == m.Context
			})
		}}
	if x.request.Fault.Kind == standin.Null {
		m.Times = false
		d.Unknown = nil
		if err := send("timestamps", map[string]any{"word_timestamps": nil}); err != nil {
			return err
		}
	}
	return errors.Join(d.Run(x.socket.Context(), x.request.Fault, x.o.Pace), x.socket.Context().Err())
}
