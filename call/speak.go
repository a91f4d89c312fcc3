package call

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/synthesizer"
)

// mouth turns a call's Says into sound, one after the other, but for those that
// bridge the wait for another. Its methods may be called while run works.
type mouth struct {
	voices     []Voice
	candidates *candidates
	clock      Clock
	language   string
	player     *Player
	phrases    *Phrases
	// prepared are the phrases that the agent must be able to say at once.
	prepared []string
	post     func(any)
	log      *slog.Logger // nil: nothing is logged

	mu      sync.Mutex
	current int     // the voice that was heard last
	pace    []tempo // of each voice
	pending []conversation.Say
	under   map[uint64]context.CancelFunc // the syntheses under way, by utterance
	done    chan struct{}                 // of the synthesis under way; nil when there is none
	ready   chan struct{}
}

// say queues an utterance.
func (m *mouth) say(s conversation.Say) {
	m.player.begin(s.Utt)
	m.mu.Lock()
	m.pending = append(m.pending, s)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// hush drops what is queued and ends the syntheses under way.
func (m *mouth) hush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
	for _, cancel := range m.under {
		cancel()
	}
}

// unsay drops one utterance, and ends its synthesis.
func (m *mouth) unsay(utt uint64) {
	m.player.drop(utt)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = slices.DeleteFunc(m.pending, func(s conversation.Say) bool { return s.Utt == utt })
	if cancel, ok := m.under[utt]; ok {
		cancel()
	}
}

// interject inserts an utterance before one that has no sound yet, and returns
// what speaks it beside run until ctx ends; nil when the other has sound.
func (m *mouth) interject(ctx context.Context, s conversation.Say) func() {
	if !m.player.insert(s.Utt, s.Ahead) {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	speaking := m.start(ctx, s.Utt)
	return func() { m.utter(speaking, s) }
}

// run speaks until ctx ends.
func (m *mouth) run(ctx context.Context) {
	for {
		s, speaking, ok := m.take(ctx)
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-m.ready:
			}
			continue
		}
		m.utter(speaking, s)
		m.rest()
	}
}

// utter speaks one utterance; its failure is reported.
func (m *mouth) utter(speaking context.Context, s conversation.Say) {
	m.speak(speaking, s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.under[s.Utt]()
	delete(m.under, s.Utt)
}

// rehearse fills the phrase cache with what is prepared, so that it can be said even
// if the voice fails later. What the caller waits for goes first.
func (m *mouth) rehearse(ctx context.Context) {
	if m.phrases == nil {
		return
	}
	for _, text := range m.prepared {
		if m.idle(ctx); !m.rehearsed(ctx, text) {
			return
		}
	}
}

// rehearsed keeps the sound of a phrase by the voice of the call; false when that does
// not serve. It is a request like any other: a vendor that is to be left alone is not
// asked, and what comes of it counts.
func (m *mouth) rehearsed(ctx context.Context, text string) bool {
	m.mu.Lock()
	i := m.current
	m.mu.Unlock()
	key, c := m.key(i, text), m.candidates
	switch {
	case m.phrases.sound(key) != nil:
		return true
	case c.vendor(i) && c.breakers.blocks(c.circuits[i]) != nil:
		return false
	}
	began := m.clock.Now()
	c.asks(i)
	for _, err := range m.phrases.speak(c.metered(ctx, i), m.voices[i].Driver, key) {
		if err == nil {
			continue
		}
		if ctx.Err() == nil {
			c.failed(i, err, -1, nil)
		}
		return false
	}
	if ctx.Err() != nil {
		return false
	}
	c.worked(i, began)
	return true
}

// idle waits for the end of the synthesis that is under way.
func (m *mouth) idle(ctx context.Context) {
	m.mu.Lock()
	done := m.done
	m.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (m *mouth) take(ctx context.Context) (s conversation.Say, speaking context.Context, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.pending) == 0 || ctx.Err() != nil {
		return s, nil, false
	}
	s, m.pending = m.pending[0], m.pending[1:]
	m.done = make(chan struct{})
	return s, m.start(ctx, s.Utt), true
}

// start begins a synthesis. The caller holds mu.
func (m *mouth) start(ctx context.Context, utt uint64) context.Context {
	speaking, cancel := context.WithCancel(ctx)
	m.under[utt] = cancel
	return speaking
}

// rest says that run's synthesis is over.
func (m *mouth) rest() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.done)
	m.done = nil
}

// request asks voice i for a text.
func (m *mouth) request(i int, text string) synthesizer.Request {
	r := synthesizer.Request{Text: text, Voice: m.voices[i].Name, Language: m.language, Rate: m.player.rate}
	if m.voices[i].PhrasesOnly {
		r.Language = "" // phrases are in its own
	}
	return r
}

// understudy is the voice that says a phrase when no other one can; -1 when the text
// is not prepared, or there is none.
func (m *mouth) understudy(s conversation.Say) int {
	if i := len(m.voices) - 1; m.voices[i].PhrasesOnly && s.Cached && slices.Contains(m.prepared, s.Text) {
		return i
	}
	return -1
}

// key is what the sound of a text by voice i is kept under. The drivers of vendors
// live no longer than their call.
func (m *mouth) key(i int, text string) phraseKey {
	k := phraseKey{r: m.request(i, text)}
	if !m.candidates.vendor(i) {
		k.driver = m.voices[i].Driver
		return k
	}
	k.voice, k.settings = m.candidates.circuits[i], m.voices[i].Settings
	return k
}

func (m *mouth) words(in []synthesizer.Word) []conversation.Word {
	out := make([]conversation.Word, len(in))
	for i, w := range in {
		out[i] = conversation.Word{Start: w.Start, End: w.End,
			From: audio.Span(w.FromSample, m.player.rate), To: audio.Span(w.ToSample, m.player.rate)}
	}
	return out
}

// ends returns the samples at which words end.
func ends(words []synthesizer.Word) []int64 {
	out := make([]int64, len(words))
	for i, w := range words {
		out[i] = w.ToSample
	}
	return out
}
