package stream

import (
	"math"
	"sync"

	"github.com/sidetone/sidetone/audio"
)

// Levels remembers how loud voices are, so that an utterance has the right level
// from its first sample on. It holds no sound. The zero value is ready; it may be
// shared by drivers and used concurrently.
type Levels struct {
	mu     sync.Mutex
	voices map[string]*level
}

// maxVoices bounds the memory; a full one is emptied.
const maxVoices = 1000

// of returns the level of a voice.
func (l *Levels) of(name string) *level {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.voices[name]
	if !ok {
		if l.voices == nil || len(l.voices) >= maxVoices {
			l.voices = map[string]*level{}
		}
		v = &level{}
		l.voices[name] = v
	}
	return v
}

// level measures one voice in frames of 10 ms.
type level struct {
	mu      sync.Mutex
	loudest float64   // energy of the loudest frame of late
	first   []float64 // energies of the first frames, active or not: which of them are, is known later
	energy  float64   // sum over the frames of active speech
	frames  float64
}

// trust is how far a voice's level is known.
type trust uint8

const (
	unknown trust = iota
	guessed       // from so little that it may be far off
	known
)

const (
	// settled is how many frames make a level that may be trusted.
	settled = 100
	// enough is how many active frames make a first estimate.
	enough = 10
	// memory is how many active frames are remembered, with their weight halved
	// each time.
	memory = 3000
	// active is how far below the loudest frame speech is: 20 dB.
	active = 0.01
	// forget lowers the loudest frame by 1.3 dB a second.
	forget = 0.997
	// silent is the energy of a frame of -60 dBFS.
	silent = 32.768 * 32.768
	// maxGain is 20 dB: what is softer is noise rather than speech.
	maxGain = 10
)

// hear measures a frame.
func (l *level) hear(frame []int16) {
	sum := 0.0
	for _, s := range frame {
		sum += float64(s) * float64(s)
	}
	e := sum / float64(len(frame))
	l.mu.Lock()
	defer l.mu.Unlock()
	if e <= silent {
		return
	}
	l.loudest = max(e, l.loudest*forget)
	if l.frames == 0 {
		l.first = append(l.first, e)
		if len(l.first) == settled {
			l.energy, l.frames = l.sum()
			l.first = nil
		}
		return
	}
	if e < l.loudest*active {
		return
	}
	l.energy, l.frames = l.energy+e, l.frames+1
	if l.frames > memory {
		l.energy, l.frames = l.energy/2, l.frames/2
	}
}

// sum is the energy of the active ones among the first frames, and their number.
func (l *level) sum() (energy, frames float64) {
	for _, e := range l.first {
		if e >= l.loudest*active {
			energy, frames = energy+e, frames+1
		}
	}
	return energy, frames
}

// gain brings the voice to audio.SpeechLevel; trust is how far it is known.
func (l *level) gain() (gain float64, trust trust) {
	l.mu.Lock()
	defer l.mu.Unlock()
	energy, frames := l.energy, l.frames
	trust = known
	if frames == 0 {
		energy, frames = l.sum()
		trust = guessed
	}
	if frames < enough {
		trust = unknown
	}
	if frames == 0 {
		return 1, unknown
	}
	want := 32768 * math.Pow(10, audio.SpeechLevel/20)
	gain = want / math.Sqrt(energy/frames)
	return min(max(gain, 1.0/maxGain), maxGain), trust
}
