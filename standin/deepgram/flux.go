package deepgram

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// fluxClient is one client of /v2/listen.
type fluxClient struct {
	*hearing.Listener
	line     *hearing.Line
	fault    standin.Kind
	id       string
	multi    bool
	unforced bool
	language []string

	sequence, index int
	start, last     time.Duration // of the turn and of its newest words
	open, eager     bool
	threshold       float64
	eagerThreshold  float64 // 0: off
	timeout         time.Duration
}

// flux serves /v2/listen, see
// https://developers.deepgram.com/reference/speech-to-text/listen-flux.
func (o Options) flux(w http.ResponseWriter, r *standin.Request) {
	id := newID()
	line, ear := o.open(w, r, id, wrongFlux)
	if line == nil {
		return
	}
	defer ear.Close()
	defer line.End()
	q := r.URL.Query()
	c := &fluxClient{Listener: ear, line: line, fault: r.Fault.Kind, id: id, multi: q.Get("model") == "flux-general-multi",
		unforced: o.Unforced, language: q["language_hint"], threshold: 0.7, timeout: 5 * time.Second}
	c.configure(q.Get("eot_threshold"), q.Get("eager_eot_threshold"), q.Get("eot_timeout_ms"))
	line.Error = func() any {
		return object{"type": "Error", "sequence_id": c.next(), "code": "INTERNAL_SERVER_ERROR", "description": "An internal error occurred."}
	}
	line.Nulls = []string{"words", "transcript", "languages", "trigger", "start", "end"}
	if c.fault != standin.NoStart {
		line.Send(object{"type": "Connected", "request_id": id, "sequence_id": c.next()})
	}
	if c.fault == standin.EarlyTurn {
		line.Send(c.info("StartOfTurn", []hearing.Word{{Text: "early", To: time.Second}}))
		line.Send(c.info("EndOfTurn", []hearing.Word{{Text: "early", To: time.Second}}))
	}
	for m := range line.Messages() {
		if !c.take(m) {
			return
		}
	}
}

// wrongFlux says what is wrong with a query.
func wrongFlux(q url.Values) string {
	switch model := q.Get("model"); {
	case model != "flux-general-en" && model != "flux-general-multi":
		return "model must be flux-general-en or flux-general-multi"
	case q.Has("language_hint") && model != "flux-general-multi":
		return "language_hint is only valid with flux-general-multi"
	}
	for _, term := range q["keyterm"] {
		if strings.ContainsAny(term, ":;,") {
			return "keyterm accepts plain terms only"
		}
	}
	if reason := thresholds(q.Get("eot_threshold"), q.Get("eager_eot_threshold"), q.Get("eot_timeout_ms")); reason != "" {
		return reason
	}
	return unknown(q, "model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms", "keyterm",
		"language_hint", "profanity_filter", "numerals", "redact", "mip_opt_out", "tag")
}

// thresholds says what is wrong with settings of turns; "" leaves one out.
func thresholds(end, eager, timeout string) string {
	e, err := strconv.ParseFloat(end, 64)
	if end != "" && (err != nil || e < 0.5 || e > 1) {
		return "eot_threshold must be between 0.5 and 1.0"
	}
	if end == "" {
		e = 0.7
	}
	g, err := strconv.ParseFloat(eager, 64)
	if eager != "" && (err != nil || g < 0.3 || g > 0.9 || g > e) {
		return "eager_eot_threshold must be between 0.3 and 0.9, and not above eot_threshold"
	}
	ms, err := strconv.Atoi(timeout)
	if timeout != "" && (err != nil || ms < 500 || ms > 60000) {
		return "eot_timeout_ms must be between 500 and 60000"
	}
	return ""
}

func (c *fluxClient) configure(end, eager, timeout string) {
	if v, err := strconv.ParseFloat(end, 64); err == nil {
		c.threshold = v
	}
	if v, err := strconv.ParseFloat(eager, 64); err == nil {
		c.eagerThreshold = v
	}
	if v, err := strconv.Atoi(timeout); err == nil {
		c.timeout = time.Duration(v) * time.Millisecond
	}
}

// next numbers a message.
func (c *fluxClient) next() int {
	c.sequence++
	return c.sequence - 1
}

// take handles a message; false ends the session.
func (c *fluxClient) take(m hearing.Message) bool {
	if m.Binary {
		c.hear(m.Data)
		return true
	}
	var command struct {
		Type       string
		Thresholds map[string]json.Number `json:"thresholds"`
		Keyterms   []string               `json:"keyterms"`
		Hints      []string               `json:"language_hints"`
	}
	_ = json.Unmarshal(m.Data, &command) // what cannot be read has no type
	switch {
	case command.Type == "CloseStream":
		c.close()
		return false
	case command.Type == "ForceEndTurn" && !c.unforced:
		c.Finish()
		if c.open || len(c.Words) > 0 {
			c.begin()
			c.end("manual")
		}
	case command.Type == "Configure":
		t := command.Thresholds
		c.reconfigure(t["eot_threshold"].String(), t["eager_eot_threshold"].String(), t["eot_timeout_ms"].String(), command.Keyterms)
	default:
		c.line.Send(object{"type": "Error", "sequence_id": c.next(), "code": "UNPARSABLE_CLIENT_MESSAGE", "description": "The message cannot be parsed."})
		c.line.Shut(closeData, "")
	}
	return true
}

// reconfigure answers a Configure, see https://developers.deepgram.com/docs/flux/configure.
func (c *fluxClient) reconfigure(end, eager, timeout string, terms []string) {
	if thresholds(end, eager, timeout) != "" {
		c.line.Send(object{"type": "ConfigureFailure", "request_id": c.id, "sequence_id": c.next()})
		return
	}
	c.configure(end, eager, timeout)
	if terms == nil {
		terms = []string{}
	}
	c.line.Send(object{"type": "ConfigureSuccess", "request_id": c.id, "sequence_id": c.next(), "keyterms": terms,
		"thresholds": object{"eot_threshold": c.threshold, "eot_timeout_ms": c.timeout.Milliseconds()}})
}

// surely is the silence after which the stand-in is sure that a turn is over.
const surely = 700 * time.Millisecond

// confidence is how sure the stand-in is that the turn is over: it grows with the
// silence.
func (c *fluxClient) confidence() float64 {
	return min(0.99, c.Silence().Seconds()/surely.Seconds())
}

// hear takes sound, see https://developers.deepgram.com/docs/flux/state.
func (c *fluxClient) hear(raw []byte) {
	if c.fault == standin.Expire && c.Position() > time.Second {
		c.line.Shut(closeSilent, "")
		return
	}
	c.Hear(raw, c.step)
}

// step tells what is new.
func (c *fluxClient) step(words bool) {
	if words {
		if c.eager {
			c.eager = false
			c.line.Send(c.info("TurnResumed", c.Words))
		}
		c.last = c.Position()
		if !c.begin() {
			c.line.Send(c.info("Update", c.Words))
		}
	}
	switch {
	case !c.open:
	case c.confidence() >= c.threshold:
		c.end("model")
	case c.Silence() >= c.timeout:
		c.end("timeout")
	case c.eagerThreshold > 0 && !c.eager && c.confidence() >= c.eagerThreshold:
		c.eager = true
		c.line.Send(c.info("EagerEndOfTurn", c.Words))
	}
}

// begin opens a turn and reports whether there was none.
func (c *fluxClient) begin() bool {
	if c.open {
		return false
	}
	c.open = true
	c.line.Send(c.info("StartOfTurn", c.Words))
	return true
}

// end ends the turn.
func (c *fluxClient) end(trigger string) {
	_, words := c.Take()
	info := c.info("EndOfTurn", words)
	info["trigger"] = trigger
	c.line.Send(info)
	c.open, c.eager = false, false
	c.index++
	c.start = c.Position()
}

// close ends the session: the vendor closes without a code.
func (c *fluxClient) close() {
	c.Finish()
	if len(c.Words) > 0 {
		c.begin()
		c.line.Send(c.info("Update", c.Words))
	}
	if c.fault == standin.LateAudio {
		c.line.Send(c.info("Update", []hearing.Word{{Text: "late", To: time.Second}}))
	}
	c.line.Shut(closeSilent, "")
}

// info is a message of type TurnInfo.
func (c *fluxClient) info(event string, words []hearing.Word) object {
	list, texts := []object{}, []string{}
	for _, w := range words {
		list = append(list, object{"word": w.Text, "confidence": 0.99, "start": duration(w.From), "end": duration(w.To)})
		texts = append(texts, w.Text)
	}
	out := object{"type": "TurnInfo", "request_id": c.id, "sequence_id": c.next(), "event": event, "turn_index": c.index,
		"audio_window_start": duration(c.start), "audio_window_end": duration(c.Position()),
		"transcript": strings.Join(texts, " "), "words": list, "end_of_turn_confidence": c.confidence()}
	if c.multi {
		out["languages"] = []string{"en"}
		if len(c.language) > 0 {
			out["languages_hinted"] = c.language
		}
	}
	return out
}
