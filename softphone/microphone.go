package softphone

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// microphone reads frames ahead, on a goroutine of its own: a read that hangs
// must hold up neither the line nor the end of the call.
type microphone struct {
	in     io.Reader
	frames chan []int16 // closed at the end of the sound
	spare  chan []int16 // frames to fill again
	quit   chan struct{}
	reads  sync.WaitGroup
}

// aheadFrames is how much is read ahead: 40 ms.
const aheadFrames = 2

func openMicrophone(in io.Reader, samples int) *microphone {
	m := &microphone{in: in, frames: make(chan []int16, aheadFrames), spare: make(chan []int16, aheadFrames+1), quit: make(chan struct{})}
	for range cap(m.spare) {
		m.spare <- make([]int16, samples)
	}
	m.reads.Go(func() { m.read(2 * samples) })
	return m
}

func (m *microphone) read(size int) {
	defer close(m.frames)
	raw := make([]byte, size)
	for {
		if _, err := io.ReadFull(m.in, raw); err != nil {
			return
		}
		var frame []int16
		select {
		case frame = <-m.spare:
		case <-m.quit:
			return
		}
		for i := range frame {
			frame[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		select {
		case m.frames <- frame:
		case <-m.quit:
			return
		}
	}
}

// next fills frame, with silence when nothing was read in its time; false at the
// end of the sound or of the call.
func (m *microphone) next(frame []int16, done, over <-chan struct{}) bool {
	late := time.NewTimer(audio.FrameDuration)
	defer late.Stop()
	select {
	case f, ok := <-m.frames:
		if ok {
			copy(frame, f)
			m.spare <- f
		}
		return ok
	case <-late.C:
		clear(frame)
		return true
	case <-done:
		return false
	case <-over:
		return false
	}
}

// close ends the reading, and the microphone when no other call needs it. One
// that stays open, or cannot be closed, and does not return from its last read
// is left to itself.
func (m *microphone) close(last bool) {
	close(m.quit)
	if c, ok := m.in.(io.Closer); ok && last {
		_ = c.Close() // ends the read under way
		m.reads.Wait()
	}
}
