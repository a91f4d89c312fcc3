package call

import (
	"context"
	"iter"
	"log/slog"
	"sync"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/synthesizer"
)

// mouth turns a call's Says into sound, one after the other. say, cancel and
// close may be called while run works.
type mouth struct {
	plan     Plan
	language string
	player   *Player
	phrases  *Phrases
	post     func(any)
	log      *slog.Logger // nil: nothing is logged

	mu      sync.Mutex
	pending []conversation.Say
	cancel  context.CancelFunc
	done    chan struct{} // of the synthesis under way; nil when there is none
	ready   chan struct{}
}

func newMouth(p Plan, language string, player *Player, phrases *Phrases, post func(any)) *mouth {
	return &mouth{plan: p, language: language, player: player, phrases: phrases, post: post, ready: make(chan struct{}, 1)}
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

// hush drops what is queued and ends the synthesis under way.
func (m *mouth) hush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
	if m.cancel != nil {
		m.cancel()
	}
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
		if err := m.speak(speaking, s); err != nil && speaking.Err() == nil {
			m.player.drop(s.Utt)
			m.post(conversation.VoiceFailed{Utt: s.Utt, Reason: err.Error()})
		}
		m.finish()
	}
}

// rehearse fills the phrase cache with lines, so that they can be said even if
// the voice fails later. What the caller waits for goes first.
func (m *mouth) rehearse(ctx context.Context, lines []string) {
	if m.phrases == nil {
		return
	}
	for _, text := range lines {
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
	speaking, m.cancel = context.WithCancel(ctx)
	m.done = make(chan struct{})
	return s, speaking, true
}

func (m *mouth) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancel()
	m.cancel = nil
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
	r := synthesizer.Request{Text: s.Text, Voice: m.plan.VoiceName, Language: m.language, Rate: m.player.rate}
	if s.Cached && m.phrases != nil {
		return m.phrases.speak(ctx, m.plan.Voice, r)
	}
	return m.plan.Voice.Speak(ctx, r)
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
			p.keep(key, all)
		}
	}
}

func (p *Phrases) keep(key phraseKey, all []synthesizer.Chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range all {
		p.bytes += 2 * len(c.PCM)
	}
	if p.bytes > phraseBytes {
		clear(p.sounds)
		p.bytes = 0
	}
	p.sounds[key] = all
}
