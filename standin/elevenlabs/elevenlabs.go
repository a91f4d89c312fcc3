// Package elevenlabs stands in for the voices of ElevenLabs: the WebSocket
// stream-input, written from the vendor's AsyncAPI file of 2025-08-25 and the types
// of its client (elevenlabs-js 2.73.0), and the HTTP stream, which that client speaks.
package elevenlabs

import (
	"encoding/base64"
	"encoding/json"
	"io"
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
	handle := func(pattern string, serve func(http.ResponseWriter, *standin.Request)) {
		mux.Handle(pattern, o.Control.Handler(o.Key, refuse, serve))
	}
	handle("GET /v1/text-to-speech/{voice}/stream-input", s.socket)
	handle("POST /v1/text-to-speech/{voice}/stream", s.stream)
	s.Handler = mux
	return s
}

// refuse writes the vendor's body of an error.
func refuse(w http.ResponseWriter, status int, reason string) {
	code := map[int]string{http.StatusUnauthorized: "invalid_api_key", http.StatusNotFound: "voice_not_found", http.StatusTooManyRequests: "too_many_concurrent_requests"}[status]
	if reason != "" {
		code = reason
	}
	w.Header().Set("Request-Id", "elevenlabs-request-1")
	speech.JSON(w, status, map[string]any{"detail": map[string]string{"status": code, "message": "the stand-in refuses: " + code}})
}

// format reads output_format.
func format(name string) (rate int, muLaw, ok bool) {
	kind, number, _ := strings.Cut(name, "_")
	rate, err := strconv.Atoi(number)
	return rate, kind == "ulaw", err == nil && (kind == "ulaw" && rate == 8000 || kind == "pcm")
}

// message is what a client sends; members that the vendor does not document are
// refused.
type message struct {
	Text          string          `json:"text"`
	Settings      json.RawMessage `json:"voice_settings"`
	Generation    json.RawMessage `json:"generation_config"`
	Dictionaries  json.RawMessage `json:"pronunciation_dictionary_locators"`
	Key           string          `json:"xi-api-key"`
	Authorization string          `json:"authorization"`
	Trigger       bool            `json:"try_trigger_generation"`
	Flush         bool            `json:"flush"`
}

// socket serves one utterance.
func (s *Server) socket(w http.ResponseWriter, r *standin.Request) {
	rate, muLaw, ok := format(r.URL.Query().Get("output_format"))
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid_output_format")
		return
	}
	w.Header().Set("Request-Id", "elevenlabs-request-1")
	socket, ok := speech.Upgrade(w, r)
	if !ok {
		return
	}
	defer socket.Close()
	text, ok := read(socket)
	if !ok {
		return
	}
	_ = delivery(socket, r.Fault.Kind, s.o.Utter(text, rate, muLaw)).Run(socket.Context(), r.Fault, s.o.Pace) // a client that left needs none
}

// delivery is how an utterance is sent over a socket.
func delivery(socket *speech.Socket, fault standin.Kind, sound speech.Sound) speech.Delivery {
	characters := align(sound)
	return speech.Delivery{Sound: sound, Close: socket.End, ExpireCode: 1008, ExpireReason: "input_timeout_exceeded",
		Piece: func(number int, piece []byte) error {
			reply := map[string]any{"audio": base64.StdEncoding.EncodeToString(piece), "isFinal": nil, "normalizedAlignment": nil, "alignment": nil}
			if fault != standin.Null {
				times := characters.piece(number, len(sound.Pieces))
				reply["alignment"], reply["normalizedAlignment"] = times, times
			}
			if fault == standin.Unknown {
				reply["novelty"] = map[string]any{"a": nil}
			}
			return socket.JSON(reply)
		},
		End: func() error {
			err := socket.JSON(map[string]any{"isFinal": true})
			socket.End(1000, "")
			return err
		},
		Error: func(reason string) error {
			if reason == "" {
				reason = "quota_exceeded"
			}
			err := socket.JSON(map[string]any{"error": reason, "message": "the stand-in reports " + reason, "code": 1008})
			socket.End(1008, reason)
			return err
		},
		Junk:    func() error { return socket.Text([]byte(`{"audio": 7,`)) },
		Unknown: func() error { return socket.JSON(map[string]any{"novelty": []int{1}, "audio": nil}) },
		Heard:   func(d time.Duration) bool { return socket.Await(d, func([]byte) bool { return true }) }}
}

// read takes the text, up to its end.
func read(socket *speech.Socket) (text string, ok bool) {
	var b strings.Builder
	for first := true; ; first = false {
		data, ok := socket.Next()
		if !ok {
			return "", false
		}
		var m message
		if err := speech.Strict(data, &m); err != nil {
			_ = socket.JSON(map[string]any{"error": "invalid_message", "message": err.Error(), "code": 1008})
			socket.End(1008, "invalid message")
			return "", false
		}
		switch {
		case first && m.Text != " ":
			socket.End(1008, "the first text must be a space")
			return "", false
		case first:
		case m.Text == "":
			return strings.TrimSpace(b.String()), true
		default:
			b.WriteString(m.Text)
		}
	}
}

// stream serves the HTTP interface.
func (s *Server) stream(w http.ResponseWriter, r *standin.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Note(raw)
	var body struct {
		Text string `json:"text"`
	}
	rate, muLaw, ok := format(r.URL.Query().Get("output_format"))
	if err != nil || json.Unmarshal(raw, &body) != nil || body.Text == "" || !ok {
		refuse(w, http.StatusUnprocessableEntity, "invalid_request")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Request-Id", "elevenlabs-request-1")
	speech.Body(w, r, s.o.Utter(body.Text, rate, muLaw), s.o.Pace)
}

// alignment is the vendor's table of times.
type alignment struct {
	Chars     []string `json:"chars"`
	Starts    []int    `json:"charStartTimesMs"`
	Durations []int    `json:"charDurationsMs"`
}

// characters are those of an utterance with the milliseconds at which they begin;
// the last start is the end.
type characters struct {
	chars  []string
	starts []int
}

// align spreads the characters of each word over its sound.
func align(s speech.Sound) characters {
	var c characters
	at := 0
	ms := func(sample int64) int { return int(sample * 1000 / int64(s.Rate)) }
	for i, w := range s.Words {
		end := len(s.Text)
		if i+1 < len(s.Words) {
			end = s.Words[i+1].Start
		}
		word := []rune(s.Text[w.Start:w.End])
		for j, r := range word {
			c.add(string(r), ms(w.FromSample)+(ms(w.ToSample)-ms(w.FromSample))*j/len(word))
		}
		for _, r := range s.Text[w.End:end] {
			c.add(string(r), ms(w.ToSample))
		}
		at = ms(w.ToSample)
	}
	c.starts = append(c.starts, max(at, ms(int64(s.Samples))))
	return c
}

func (c *characters) add(char string, at int) {
	c.chars, c.starts = append(c.chars, char), append(c.starts, at)
}

// piece is the alignment that goes with a piece of sound: its share of the
// characters, with times that begin at zero; nil for none.
func (c characters) piece(number, of int) *alignment {
	if number >= of {
		return nil
	}
	from, to := len(c.chars)*number/of, len(c.chars)*(number+1)/of
	if from == to {
		return nil
	}
	a := &alignment{}
	zero := c.starts[from]
	if from == 0 {
		zero = 0
	}
	for i := from; i < to; i++ {
		a.Chars = append(a.Chars, c.chars[i])
		a.Starts = append(a.Starts, c.starts[i]-zero)
		a.Durations = append(a.Durations, c.starts[i+1]-c.starts[i])
	}
	return a
}
