package call

import (
	"sync"

	"github.com/sidetone/sidetone/audio"
)

// monitorMost is how many frames of sound wait for a detector that hears
// nothing; what comes after them counts as silence.
const monitorMost = 8

// monitor tells a call's detector, which lives on the reader's goroutine, what
// the player sent. It allocates nothing per frame once its buffers have grown.
type monitor struct {
	mu    sync.Mutex
	parts []sentPart
	pcm   []int16 // of the parts with sound, one after the other

	// The reader's, exchanged with those above.
	taken    []sentPart
	takenPCM []int16
}

// sentPart is a stretch of sound or silence.
type sentPart struct {
	samples int
	sound   bool
}

// add notes one frame that was sent.
func (m *monitor) add(frame []int16, sound bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sound = sound && len(m.pcm) < monitorMost*len(frame)
	if sound {
		m.pcm = append(m.pcm, frame...)
	}
	if k := len(m.parts) - 1; k >= 0 && m.parts[k].sound == sound {
		m.parts[k].samples += len(frame)
		return
	}
	m.parts = append(m.parts, sentPart{len(frame), sound})
}

// tell hands on what was added since the last call.
func (m *monitor) tell(v *audio.VAD) {
	m.mu.Lock()
	m.parts, m.taken = m.taken[:0], m.parts
	m.pcm, m.takenPCM = m.takenPCM[:0], m.pcm
	m.mu.Unlock()
	pcm := m.takenPCM
	for _, p := range m.taken {
		if !p.sound {
			v.SentSilence(p.samples)
			continue
		}
		v.Sent(pcm[:p.samples])
		pcm = pcm[p.samples:]
	}
}

// heldBack is how much of a caller's sound is kept while only our own is heard:
// the beginning of a word, which the detector needs to tell the two apart.
const heldBack = 12

// sieve keeps our own sound from the recogniser: it hears silence instead, and
// what was held back as soon as the caller turns out to speak. It belongs to
// the reader.
type sieve struct {
	withheld []int16 // newest sound that was replaced by silence
	silence  []int16
}

// pass gives f to write, or silence when it holds nothing but our own sound.
func (s *sieve) pass(f audio.Frame, own, speech bool, write func(audio.Frame)) {
	if own && !speech {
		if over := len(s.withheld) - (heldBack-1)*len(f.PCM); over > 0 {
			s.withheld = s.withheld[:copy(s.withheld, s.withheld[over:])]
		}
		s.withheld = append(s.withheld, f.PCM...)
		if len(s.silence) < len(f.PCM) {
			s.silence = make([]int16, len(f.PCM))
		}
		f.PCM = s.silence[:len(f.PCM)]
	} else if len(s.withheld) > 0 {
		if speech {
			write(audio.Frame{PCM: s.withheld, Rate: f.Rate, Offset: f.Offset - int64(len(s.withheld))})
		}
		s.withheld = s.withheld[:0]
	}
	write(f)
}
