package socket

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

// Feed takes what a vendor says on one connection. Nothing that it is told counts
// before sound was sent on the connection, or after the connection was replaced.
// It belongs to Session.Receive. Times of words count from the connection's first
// sample.
type Feed struct {
	stream *Stream
	conn   *connection
}

// heard is the utterance that the vendor is working on.
type heard struct {
	text  string
	words []transcriber.Word
	given string // what of it was given out as final because its time was up
}

// counts reports whether what the connection says is of interest; s.mu is held.
func (f *Feed) counts() bool { return f.conn == f.stream.current && f.conn.sounded }

// Partial tells the text of the running utterance so far.
func (f *Feed) Partial(text string, words []transcriber.Word) {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.counts() {
		return
	}
	s.heard.text, s.heard.words = strings.TrimSpace(text), f.placed(words)
	if text, words := s.heard.rest(); text != "" {
		s.queue.Push(transcriber.Event{Kind: transcriber.Partial, Text: text, Words: words})
	}
}

// Final tells the stable text of the running utterance and begins the next one.
// answers is how many Finalizes it answers, at most; the oldest first.
func (f *Feed) Final(text string, words []transcriber.Word, answers int) {
	s := f.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.counts() {
		return
	}
	s.heard.text, s.heard.words = strings.TrimSpace(text), f.placed(words)
	rest, placed := s.heard.rest()
	if n := len(s.heard.words); n > 0 {
		s.forget(audio.Samples(s.heard.words[n-1].To, s.rate))
	}
	s.heard = heard{}
	for range answers {
		if len(s.flushes) == 0 || !s.flushes[0].sent {
			break
		}
		s.answer(rest, placed)
		rest, placed = "", nil
	}
	s.answerSettled()
	if rest != "" {
		s.queue.Push(transcriber.Event{Kind: transcriber.Final, Text: rest, Words: placed})
	}
}

// Say reports a sign of the vendor's that is no text.
func (f *Feed) Say(kind transcriber.Kind) {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	if f.counts() {
		f.stream.queue.Push(transcriber.Event{Kind: kind})
	}
}

// Named tells the vendor's own name of the session; "" is none.
func (f *Feed) Named(id string) {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	f.conn.id = id
	if f.conn.socket.RequestID() == "" {
		f.stream.dialect.Client.Named(f.stream.meter, id)
	}
}

// Used tells what the vendor has counted itself.
func (f *Feed) Used(u provider.Unit, n float64) { f.stream.meter.Used(u, n) }

// Asked reports whether a Finalize waits for its answer.
func (f *Feed) Asked() bool {
	f.stream.mu.Lock()
	defer f.stream.mu.Unlock()
	return len(f.stream.flushes) > 0 && f.stream.flushes[0].sent
}

// placed puts words into the stream's time; s.mu is held.
func (f *Feed) placed(words []transcriber.Word) []transcriber.Word {
	rate := f.stream.rate
	for i := range words {
		w := &words[i]
		w.From = audio.Span(f.conn.place(audio.Samples(w.From, rate)), rate)
		w.To = audio.Span(f.conn.place(audio.Samples(w.To, rate)), rate)
	}
	return words
}

// answer gives the oldest Finalize its final; s.mu is held.
func (s *Stream) answer(text string, words []transcriber.Word) {
	s.settled = s.flushes[0].at
	s.forget(s.settled)
	s.flushes = s.flushes[1:]
	s.queue.Push(transcriber.Event{Kind: transcriber.Final, Text: text, Words: words, Flushed: true})
}

// answerSettled answers the Finalizes that ask for nothing that has no final yet; s.mu
// is held.
func (s *Stream) answerSettled() {
	for len(s.flushes) > 0 && s.flushes[0].sent && s.flushes[0].at == s.settled {
		s.answer("", nil)
	}
}

// expire answers what is overdue with what is known, and returns when the next
// Finalize is due; s.mu is held.
func (s *Stream) expire(now time.Time) time.Duration {
	for len(s.flushes) > 0 {
		if wait := s.flushes[0].latest.Sub(now); wait > 0 {
			return wait
		}
		text, words := s.heard.rest()
		s.heard.given = s.heard.text
		s.answer(text, words)
	}
	return time.Hour
}

// rest is what of the utterance was not given out as final.
func (h *heard) rest() (string, []transcriber.Word) {
	if h.given == "" {
		return h.text, h.words
	}
	fields, n := strings.Fields(h.text), len(strings.Fields(h.given))
	rest, same := strings.CutPrefix(h.text, h.given)
	next, _ := utf8.DecodeRuneInString(rest)
	// Some languages write no spaces: there, the text may go on within a field.
	if !same || unicode.IsLetter(next) && len(fields) > 1 {
		rest = strings.Join(fields[min(n, len(fields)):], " ")
	}
	if strings.IndexFunc(rest, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) < 0 {
		return "", nil
	}
	if len(h.words) != len(fields) {
		return strings.TrimSpace(rest), nil
	}
	return strings.TrimSpace(rest), h.words[min(n, len(h.words)):]
}
