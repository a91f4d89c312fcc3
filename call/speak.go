package call

import (
	"context"
	"iter"
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
	plan     Plan
	language string
	player   *Player
	phrases  *Phrases
	post     func(any)
	log      *slog.Logger // nil: nothing is logged

	mu      sync.Mutex
	pending []conversation.Say
	under   map[uint64]context.CancelFunc // the syntheses under way, by utterance
	done    chan struct{}                 // of the synthesis under way; nil when there is none
	ready   chan struct{}
}

func newMouth(p Plan, language string, player *Player, phrases *Phrases, post func(any)) *mouth {
	return &mouth{plan: p, language: language, player: player, phrases: phrases, post: post,
		under: map[uint64]context.CancelFunc{}, ready: make(chan struct{}, 1)}
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

// utter speaks one utterance and reports its failure.
func (m *mouth) utter(speaking context.Context, s conversation.Say) {
	if err := m.speak(speaking, s); err != nil && speaking.Err() == nil {
		m.player.drop(s.Utt)
		m.post(conversation.VoiceFailed{Utt: s.Utt, Reason: public(err)})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.under[s.Utt]()
	delete(m.under, s.Utt)
}

// rehearse fills the phrase cache with texts, so that they can be said even if
// the voice fails later. What the caller waits for goes first.
func (m *mouth) rehearse(ctx context.Context, texts []string) {
	if m.phrases == nil {
		return
	}
	for _, text := range texts {
		m.idle(ctx)
		for _, err := range m.chunks(ctx, conversation.Say{Text: text, Cached: true}) {
			if err != nil {
				return // the conversation will find out by itself
			}
		}
	}
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

// speak synthesises one utterance into the player.
func (m *mouth) speak(ctx context.Context, s conversation.Say) (err error) {
	defer caught(m.log, "voice", &err)
	var total int64
	for c, err := range m.chunks(ctx, s) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil || !m.player.add(s.Utt, c.PCM, false, ends(c.Words)...) {
			return nil
		}
		total += int64(len(c.PCM))
		m.post(conversation.Voiced{Utt: s.Utt, Words: m.words(c.Words), Total: audio.Span(total, m.player.rate)})
	}
	if ctx.Err() != nil {
		return nil
	}
	if total == 0 {
		return synthesizer.ErrSilent
	}
	m.player.add(s.Utt, nil, true)
	m.post(conversation.Voiced{Utt: s.Utt, Total: audio.Span(total, m.player.rate), Done: true})
	return nil
}

// ends returns the samples at which words end.
func ends(words []synthesizer.Word) []int64 {
	out := make([]int64, len(words))
	for i, w := range words {
		out[i] = w.ToSample
	}
	return out
}

// chunks yields the sound of s, from the phrase cache when it may.
func (m *mouth) chunks(ctx context.Context, s conversation.Say) iter.Seq2[synthesizer.Chunk, error] {
	r := synthesizer.Request{Text: s.Text, Voice: m.plan.voice().Name, Language: m.language, Rate: m.player.rate}
	if s.Cached && m.phrases != nil {
		return m.phrases.speak(ctx, m.plan.voice().Driver, r)
	}
	return m.plan.voice().Driver.Speak(ctx, r)
}

func (m *mouth) words(in []synthesizer.Word) []conversation.Word {
	out := make([]conversation.Word, len(in))
	for i, w := range in {
		out[i] = conversation.Word{Start: w.Start, End: w.End,
			From: audio.Span(w.FromSample, m.player.rate), To: audio.Span(w.ToSample, m.player.rate)}
	}
	return out
}

// Phrases keeps the sound of phrases that are said again and again (greetings,
// idle prompts, apologies), for all calls of a node. Safe for concurrent use.
type Phrases struct {
	mu     sync.Mutex
	sounds map[phraseKey][]synthesizer.Chunk
	bytes  int
}

type phraseKey struct {
	driver synthesizer.Driver
	r      synthesizer.Request
}

// phraseBytes bounds the cache; a full one is emptied.
const phraseBytes = 64 << 20

// NewPhrases returns an empty cache of at most 64 MiB.
func NewPhrases() *Phrases { return &Phrases{sounds: map[phraseKey][]synthesizer.Chunk{}} }

func (p *Phrases) speak(ctx context.Context, d synthesizer.Driver, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		key := phraseKey{d, r}
		p.mu.Lock()
		cached, ok := p.sounds[key]
		p.mu.Unlock()
		if ok {
			for _, c := range cached {
				if !yield(c, nil) {
					return
				}
			}
			return
		}
		var all []synthesizer.Chunk
		for c, err := range d.Speak(ctx, r) {
			if !yield(c, err) || err != nil {
				return
			}
			all = append(all, c)
		}
		if ctx.Err() == nil {
			p.store(key, all)
		}
	}
}

func (p *Phrases) store(key phraseKey, all []synthesizer.Chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.sounds[key]; ok {
		return // made twice at the same time
	}
	for _, c := range all {
		p.bytes += 2 * len(c.PCM)
	}
	if p.bytes > phraseBytes {
		clear(p.sounds)
		p.bytes = 0
	}
	p.sounds[key] = all
}
