// Package assemblyai is a stand-in for AssemblyAI's streaming recognition, written
// from https://www.assemblyai.com/docs/api-reference/streaming-api/universal-streaming
// and the types of the vendor's own client.
package assemblyai

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
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
}

// The vendor's close codes.
const (
	closeNormal  = 1000
	closePolicy  = 1008
	closeServer  = 3005
	closeMessage = 3006
	closeSound   = 3007
	closeExpired = 3008
)

// session is how long a session may last.
const session = 3 * time.Hour

// New returns the stand-in. As the vendor does, it accepts the upgrade before it
// looks at the key, and closes the connection when that is wrong.
func New(o Options) http.Handler {
	return o.Control.Handler("", refuse, func(w http.ResponseWriter, r *standin.Request) {
		if r.URL.Path != "/v3/ws" {
			refuse(w, http.StatusNotFound, "")
			return
		}
		o.serve(w, r)
	})
}

// object is a JSON object.
type object map[string]any

func refuse(w http.ResponseWriter, status int, reason string) {
	if reason == "" {
		reason = http.StatusText(status)
	}
	standin.WriteJSON(w, status, object{"error": reason})
}

// client is one client.
type client struct {
	*hearing.Listener
	line  *hearing.Line
	fault standin.Kind
	rate  int
	width int // bytes of a sample

	order                  int
	format                 bool
	minSilence, maxSilence time.Duration
	began                  time.Time
	speaking               bool
	opened                 time.Duration // when the newest words came
}

func (o Options) serve(w http.ResponseWriter, r *standin.Request) {
	q := r.URL.Query()
	rate, err := strconv.Atoi(q.Get("sample_rate"))
	if err != nil {
		rate = 16000
	}
	coding, width := "linear16", 2
	if q.Get("encoding") == "pcm_mulaw" {
		coding, width = "mulaw", 1
	}
	ear, err := hearing.NewListener(o.Ears, coding, rate, r.Fault.Kind)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	defer ear.Close()
	line, err := hearing.Accept(w, r)
	if err != nil {
		return
	}
	defer line.End()
	c := &client{Listener: ear, line: line, fault: r.Fault.Kind, rate: rate, width: width, began: time.Now(),
		format: q.Get("format_turns") == "true", minSilence: silence(q.Get("min_turn_silence"), 400), maxSilence: silence(q.Get("max_turn_silence"), 1280)}
	line.Error, line.ErrorCode = func() any {
		return object{"type": "Error", "error_code": closeServer, "error": "Internal server error"}
	}, closeServer
	line.Nulls = []string{"words", "transcript", "utterance", "language_code", "language_confidence", "end_of_turn_confidence"}
	switch reason := wrong(q); {
	case o.Key != "" && r.Credential() != o.Key:
		c.refuse(closePolicy, "Unauthorized Connection: Missing/Invalid API key")
	case reason != "":
		c.refuse(closeMessage, reason)
	default:
		c.talk()
	}
}

// refuse reports an error in band and closes.
func (c *client) refuse(code int, reason string) {
	c.line.Send(object{"type": "Error", "error_code": code, "error": reason})
	c.line.Shut(code, reason)
}

func silence(text string, otherwise int) time.Duration {
	ms, err := strconv.Atoi(text)
	if err != nil {
		ms = otherwise
	}
	return time.Duration(ms) * time.Millisecond
}

// wrong says what is wrong with a query.
func wrong(q url.Values) string {
	models := []string{"universal-streaming-english", "universal-streaming-multilingual", "whisper-rt", "u3-rt-pro", "universal-3-5-pro", "universal-3-6-pro"}
	if !slices.Contains(models, q.Get("speech_model")) {
		return "speech_model is required; allowed are universal-streaming-english, universal-streaming-multilingual, whisper-rt, u3-rt-pro"
	}
	known := []string{"sample_rate", "encoding", "speech_model", "format_turns", "end_of_turn_confidence_threshold", "min_turn_silence", "max_turn_silence",
		"vad_threshold", "keyterms_prompt", "prompt", "language_detection", "inactivity_timeout", "token"}
	for name := range q {
		if !slices.Contains(known, name) {
			return "unknown query parameter " + name
		}
	}
	var terms []string
	if text := q.Get("keyterms_prompt"); text != "" && json.Unmarshal([]byte(text), &terms) != nil {
		return "keyterms_prompt must be a JSON list of texts"
	}
	return ""
}

// talk serves the client until it leaves.
func (c *client) talk() {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	if c.fault != standin.NoStart {
		c.line.Send(object{"type": "Begin", "id": hex.EncodeToString(id[:]), "expires_at": c.began.Add(session).Unix()})
	}
	if c.fault == standin.EarlyTurn {
		c.line.Send(c.turn([]hearing.Word{{Text: "early", To: time.Second}}, true, false))
		c.order++
	}
	for m := range c.line.Messages() {
		if !c.take(m) {
			return
		}
	}
}

// take handles a message; false ends the session.
func (c *client) take(m hearing.Message) bool {
	if m.Binary {
		c.hear(m.Data)
		return true
	}
	var command struct{ Type string }
	_ = json.Unmarshal(m.Data, &command) // what cannot be read has no type
	switch command.Type {
	case "ForceEndpoint":
		c.Finish()
		if len(c.Words) > 0 {
			c.end()
		}
	case "UpdateConfiguration", "KeepAlive":
	case "Terminate":
		c.terminate()
		return false
	default:
		c.refuse(closeMessage, "Invalid Message: unknown type")
	}
	return true
}

// hear takes sound.
func (c *client) hear(raw []byte) {
	switch length := time.Duration(len(raw)/c.width) * time.Second / time.Duration(c.rate); {
	case length < 50*time.Millisecond || length > time.Second:
		c.refuse(closeSound, "Input Duration Error: "+length.String()+". Expected between 50 and 1000 ms")
		return
	case c.fault == standin.Expire && c.Position() > time.Second:
		c.line.Shut(closeExpired, "Session Expired: maximum session duration exceeded")
		return
	}
	c.Hear(raw, c.step)
}

// step tells what is new.
func (c *client) step(words bool) {
	if !c.speaking && len(c.Words) > 0 {
		c.speaking = true
		c.line.Send(object{"type": "SpeechStarted", "timestamp": c.Words[0].From.Milliseconds(), "confidence": 0.9})
	}
	if words {
		c.opened = c.Position()
		c.line.Send(c.turn(c.Words, false, false))
	}
	if len(c.Words) > 0 && (c.Silence() >= c.minSilence || c.Position()-c.opened >= c.maxSilence) {
		c.end()
	}
}

// end ends the turn; with format_turns its text comes twice, as older servers do.
func (c *client) end() {
	_, words := c.Take()
	c.line.Send(c.turn(words, true, false))
	if c.format {
		c.line.Send(c.turn(words, true, true))
	}
	c.order++
	c.speaking = false
}

func (c *client) terminate() {
	c.Finish()
	if len(c.Words) > 0 {
		c.end()
	}
	if c.fault == standin.LateAudio {
		c.line.Send(c.turn([]hearing.Word{{Text: "late", To: time.Second}}, true, false))
	}
	c.line.Send(object{"type": "Termination", "audio_duration_seconds": int(c.Position().Seconds()), "session_duration_seconds": int(time.Since(c.began).Seconds())})
	c.line.Shut(closeNormal, "")
}

// turn is a message of type Turn. The newest word of a running turn is not final,
// so that the transcript leaves it out.
func (c *client) turn(words []hearing.Word, end, formatted bool) object {
	list, text := []object{}, ""
	for i, w := range words {
		final := end || i < len(words)-1
		if final && text != "" {
			text += " "
		}
		if final {
			text += w.Text
		}
		list = append(list, object{"text": w.Text, "start": w.From.Milliseconds(), "end": w.To.Milliseconds(), "confidence": 0.99, "word_is_final": final})
	}
	confidence := 0.01
	utterance := ""
	if end {
		confidence, utterance = 0.9, text
	}
	return object{"type": "Turn", "turn_order": c.order, "turn_is_formatted": formatted, "end_of_turn": end, "transcript": text, "utterance": utterance,
		"end_of_turn_confidence": confidence, "words": list}
}
