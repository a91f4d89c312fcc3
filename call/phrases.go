package call

import (
	"context"
	"iter"
	"sync"

	"github.com/sidetone/sidetone/synthesizer"
)

// Phrases keeps the sound of phrases that are said again and again (greetings,
// idle prompts, apologies), for all calls of a node. Safe for concurrent use.
type Phrases struct {
	mu     sync.Mutex
	sounds map[phraseKey][]synthesizer.Chunk
	bytes  int
}

// phraseKey tells sounds apart.
type phraseKey struct {
	driver synthesizer.Driver // of the server's own voices; nil for a vendor's
	// voice is who speaks for which account, settings what else makes the sound.
	voice    circuit
	settings string
	r        synthesizer.Request
}

// phraseBytes bounds the cache; a full one is emptied.
const phraseBytes = 64 << 20

// NewPhrases returns an empty cache of at most 64 MiB.
func NewPhrases() *Phrases { return &Phrases{sounds: map[phraseKey][]synthesizer.Chunk{}} }

// sound returns what is kept under a key; nil for nothing.
func (p *Phrases) sound(key phraseKey) []synthesizer.Chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sounds[key]
}

// speak yields what is kept under a key, else what the driver makes of it, which
// is then kept.
func (p *Phrases) speak(ctx context.Context, d synthesizer.Driver, key phraseKey) iter.Seq2[synthesizer.Chunk, error] {
	return func(yield func(synthesizer.Chunk, error) bool) {
		if cached := p.sound(key); cached != nil {
			for _, c := range cached {
				if !yield(c, nil) {
					return
				}
			}
			return
		}
		var all []synthesizer.Chunk
		for c, err := range d.Speak(ctx, key.r) {
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
