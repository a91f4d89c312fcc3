// Package rime stands in for the WebSocket /ws3 of Rime, written from
// https://docs.rime.ai/api-reference/arcana/websockets-json as it was on 2026-11-28.
// No client of the vendor's has tried it.
package rime

import (
	"encoding/base64"
	"errors"
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
	mux.Handle("GET /ws3", o.Control.Handler(o.Key, refuse, s.serve))
	s.Handler = mux
	return s
}

// refuse writes the body of an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("X-Request-Id", "rime-request-1")
	speech.JSON(w, status, map[string]string{"type": "error", "message": strings.TrimSpace("the stand-in refuses " + reason)})
}

// message is what a client sends.
type message struct {
	Text      string `json:"text"`
	Context   string `json:"contextId"`
	Operation string `json:"operation"`
}

// session is one socket.
type session struct {
	o       speech.Options
	request *standin.Request
	socket  *speech.Socket
	rate    int
	muLaw   bool
	text    strings.Builder
	id      string
}

func (s *Server) serve(w http.ResponseWriter, r *standin.Request) {
	q := r.URL.Query()
	rate, err := strconv.Atoi(q.Get("samplingRate"))
	muLaw := q.Get("audioFormat") == "mulaw"
	if err != nil || !muLaw && q.Get("audioFormat") != "pcm" || q.Get("speaker") == "" || q.Get("modelId") == "" {
		refuse(w, http.StatusBadRequest, "the parameters")
		return
	}
	socket, ok := speech.Upgrade(w, r)
	if !ok {
		return
	}
	defer socket.Close()
	x := &session{o: s.o, request: r, socket: socket, rate: rate, muLaw: muLaw}
	for {
		data, ok := socket.Next()
		if !ok || x.take(data) != nil {
			return
		}
	}
}

func (x *session) take(data []byte) error {
	var m message
	if err := speech.Strict(data, &m); err != nil {
		return x.fail("invalid message")
	}
	if m.Text != "" {
		x.text.WriteString(m.Text)
		x.id = m.Context
	}
	switch m.Operation {
	case "":
		return nil
	case "clear":
		x.text.Reset()
		return nil
	case "flush", "eos":
		text := strings.TrimSpace(x.text.String())
		x.text.Reset()
		err := x.speak(x.o.Utter(text, x.rate, x.muLaw))
		if m.Operation == "eos" && err == nil {
			x.socket.End(1000, "")
		}
		return err
	default:
		return x.fail("unknown operation")
	}
}

func (x *session) fail(reason string) error {
	return x.socket.JSON(map[string]any{"type": "error", "message": reason})
}

// speak delivers what was collected.
func (x *session) speak(sound speech.Sound) error {
	id := x.id
	send := func(kind string, members map[string]any) error {
		members["type"], members["contextId"] = kind, id
		if x.request.Fault.Kind == standin.Unknown {
			members["novelty"] = []any{nil}
		}
		return x.socket.JSON(members)
	}
	d := speech.Delivery{Sound: sound, Close: x.socket.End, ExpireCode: 1000, ExpireReason: "idle",
		Piece: func(number int, piece []byte) error {
			err := send("chunk", map[string]any{"data": base64.StdEncoding.EncodeToString(piece)})
			if number == 0 && err == nil && x.request.Fault.Kind != standin.Null {
				err = send("timestamps", map[string]any{"word_timestamps": sound.Times()})
			}
			return err
		},
		End:     func() error { return send("done", map[string]any{"done": true}) },
		Junk:    func() error { return x.socket.Text([]byte(`{"type":"chunk","data":7`)) },
		Unknown: func() error { return send("novelty", map[string]any{"value": nil}) },
		Error: func(reason string) error {
			if reason == "" {
				reason = "quota exceeded"
			}
			return x.fail(reason)
		},
		Heard: func(d time.Duration) bool {
			return x.socket.Await(d, func(data []byte) bool {
				var m message
				return speech.Strict(data, &m) == nil && m.Operation == "clear"
			})
		}}
	if x.request.Fault.Kind == standin.Null {
		if err := send("timestamps", map[string]any{"word_timestamps": nil}); err != nil {
			return err
		}
	}
	return errors.Join(d.Run(x.socket.Context(), x.request.Fault, x.o.Pace), x.socket.Context().Err())
}
