package deepgram

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// The vendor's close codes.
const (
	closeNormal   = 1000
	closeData     = 1008 // with DATA-0000
	closeInternal = 1011 // with NET-0000 and NET-0001
	closeSilent   = 1005 // no code at all
)

// listener is one client of /v1/listen.
type listener struct {
	*hearing.Listener
	line  *hearing.Line
	fault standin.Kind
	id    string
	model string
	// From where the next result is.
	start time.Duration
	// settings
	interim, vadEvents, punctuate bool
	endpointing, utteranceEnd     time.Duration
	// since the last words
	ended bool // UtteranceEnd was sent, or there was nothing
	begun bool // SpeechStarted was sent for the running utterance
	last  time.Duration
}

// listen serves /v1/listen, see
// https://developers.deepgram.com/reference/speech-to-text/listen-streaming.
func (o Options) listen(w http.ResponseWriter, r *standin.Request) {
	id := newID()
	line, ear := o.open(w, r, id, wrongListen)
	if line == nil {
		return
	}
	defer ear.Close()
	defer line.End()
	q := r.URL.Query()
	l := &listener{Listener: ear, line: line, fault: r.Fault.Kind, id: id, model: q.Get("model"), ended: true,
		interim: q.Get("interim_results") == "true", vadEvents: q.Get("vad_events") == "true",
		punctuate: q.Get("punctuate") == "true" || q.Get("smart_format") == "true", endpointing: 10 * time.Millisecond}
	switch ms, err := strconv.Atoi(q.Get("endpointing")); {
	case err == nil:
		l.endpointing = time.Duration(ms) * time.Millisecond
	case q.Get("endpointing") == "false":
		l.endpointing = 0
	}
	if ms, err := strconv.Atoi(q.Get("utterance_end_ms")); err == nil {
		l.utteranceEnd = time.Duration(ms) * time.Millisecond
	}
	line.Error = func() any {
		return object{"type": "Error", "description": "An internal error occurred.", "message": r.Fault.Reason, "variant": "INTERNAL"}
	}
	line.Nulls = []string{"words", "transcript", "alternatives", "from_finalize", "speech_final", "languages", "punctuated_word"}
	l.serve(o.IdleAfter)
}

// wrongListen says what is wrong with a query.
func wrongListen(q url.Values) string {
	if model := q.Get("model"); !strings.HasPrefix(model, "nova-") && model != "" && !strings.HasPrefix(model, "base") {
		return "No such model/language/tier combination found."
	}
	if strings.HasPrefix(q.Get("model"), "nova-3") && q.Has("keywords") {
		return "Keywords are not supported for Nova-3 models. Please use Keyterm Prompting instead."
	}
	return unknown(q, "model", "encoding", "sample_rate", "channels", "interim_results", "endpointing", "utterance_end_ms", "vad_events",
		"punctuate", "smart_format", "numerals", "keyterm", "keywords", "language", "redact", "diarize", "mip_opt_out", "tag", "no_delay", "filler_words", "version")
}

// object is a JSON object.
type object map[string]any

// serve talks with the client until it leaves.
func (l *listener) serve(idleAfter time.Duration) {
	if l.fault == standin.EarlyTurn {
		l.line.Send(l.results([]hearing.Word{{Text: "early", To: time.Second}}, true, true, false))
	}
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	alive := true
	for alive {
		select {
		case m, ok := <-l.line.Messages():
			if !ok {
				return
			}
			idle.Reset(idleAfter)
			alive = l.take(m)
		case <-idle.C:
			l.line.Shut(closeInternal, "NET-0001: Deepgram did not receive audio data or a text message within the timeout window")
		}
	}
}

// take handles a message; false ends the session.
func (l *listener) take(m hearing.Message) bool {
	switch {
	case m.Binary && len(m.Data) == 0: // the vendor takes it for the end
		l.close()
		return false
	case m.Binary:
		l.hear(m.Data)
		return true
	}
	var command struct{ Type string }
	if json.Unmarshal(m.Data, &command) != nil {
		l.line.Shut(closeData, "DATA-0000: The payload cannot be decoded as audio")
		return true
	}
	switch command.Type {
	case "KeepAlive":
	case "Finalize":
		l.finalize()
	case "CloseStream":
		l.close()
		return false
	default:
		l.line.Shut(closeData, "DATA-0000: The payload cannot be decoded as audio")
	}
	return true
}

// hear takes sound.
func (l *listener) hear(raw []byte) {
	if l.fault == standin.Expire && l.Position() > time.Second {
		l.line.Shut(closeInternal, "NET-0000: Deepgram did not provide a response message within the timeout window")
		return
	}
	l.Hear(raw, l.step)
}

// step tells what is new.
func (l *listener) step(words bool) {
	if l.vadEvents && !l.begun && l.Silence() == 0 {
		l.begun = true
		for range 2 { // it may come twice
			l.line.Send(object{"type": "SpeechStarted", "channel": []int{0, 1}, "timestamp": duration(l.Position())})
		}
	}
	if words {
		l.ended, l.last = false, l.Words[len(l.Words)-1].To
		if l.interim {
			l.line.Send(l.results(l.Words, false, false, false))
		}
	}
	if l.endpointing > 0 && l.Silence() >= l.endpointing && len(l.Words) > 0 && l.Position()-l.last >= l.endpointing {
		_, words := l.Take()
		l.line.Send(l.results(words, true, true, false))
		l.start, l.begun = l.Position(), false
	}
	if l.utteranceEnd > 0 && !l.ended && l.Position()-l.last >= l.utteranceEnd {
		l.ended = true
		l.line.Send(object{"type": "UtteranceEnd", "channel": []int{0, 1}, "last_word_end": duration(l.last)})
	}
}

// leastFinalized is how much sound must be buffered for a Finalize to be answered.
const leastFinalized = 100 * time.Millisecond

// finalize answers a Finalize, unless little is buffered; see
// https://developers.deepgram.com/docs/finalize.
func (l *listener) finalize() {
	l.Finish()
	if len(l.Words) == 0 && l.Position()-l.start < leastFinalized {
		return
	}
	_, words := l.Take()
	l.line.Send(l.results(words, true, true, true))
	l.start, l.begun = l.Position(), false
}

// close ends the session as CloseStream asks for, see
// https://developers.deepgram.com/docs/close-stream.
func (l *listener) close() {
	l.Finish()
	_, words := l.Take()
	l.line.Send(l.results(words, true, true, false))
	l.line.Send(object{"type": "Metadata", "transaction_key": "deprecated", "request_id": l.id,
		"sha256": strings.Repeat("0", 64), "created": "2026-11-28T12:00:00.000Z", "duration": duration(l.Position()), "channels": 1})
	if l.fault == standin.LateAudio {
		l.line.Send(l.results([]hearing.Word{{Text: "late", To: time.Second}}, true, true, false))
	}
	l.line.Shut(closeNormal, "")
}

// results is a message of type Results.
func (l *listener) results(words []hearing.Word, final, speechFinal, fromFinalize bool) object {
	list, texts := []object{}, []string{}
	for _, w := range words {
		word := object{"word": w.Text, "start": duration(w.From), "end": duration(w.To), "confidence": 0.99}
		if l.punctuate {
			word["punctuated_word"] = w.Text
		}
		list, texts = append(list, word), append(texts, w.Text)
	}
	length := l.Position() - l.start
	out := object{"type": "Results", "channel_index": []int{0, 1}, "duration": duration(length), "start": duration(l.start),
		"is_final": final, "speech_final": speechFinal, "from_finalize": fromFinalize,
		"channel": object{"alternatives": []object{{"transcript": strings.Join(texts, " "), "confidence": 0.99, "words": list}}},
		"metadata": object{"request_id": l.id, "model_uuid": "00000000-0000-4000-8000-000000000000",
			"model_info": object{"name": fmt.Sprintf("%s-stand-in", l.model), "version": "2026-01-01.0", "arch": l.model}}}
	return out
}
