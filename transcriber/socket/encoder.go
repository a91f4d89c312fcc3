package socket

import (
	"encoding/binary"

	"github.com/sidetone/sidetone/audio"
)

// Encoder makes binary messages of sound in the leg's own coding: mu-law at
// 8000 Hz, else 16-bit PCM with the low byte first. It belongs to one goroutine.
type Encoder struct {
	mulaw  bool
	buffer []byte
}

// NewEncoder returns an Encoder for samples at rate.
func NewEncoder(rate int) *Encoder { return &Encoder{mulaw: rate == 8000} }

// Sound implements Session.
func (e *Encoder) Sound(pcm []int16) (message []byte, isBinary bool) {
	e.buffer = e.buffer[:0]
	if e.mulaw {
		e.buffer = audio.EncodeULaw(e.buffer, pcm)
		return e.buffer, true
	}
	for _, sample := range pcm {
		e.buffer = binary.LittleEndian.AppendUint16(e.buffer, uint16(sample))
	}
	return e.buffer, true
}
