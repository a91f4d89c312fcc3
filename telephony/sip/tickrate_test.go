package sip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// A stream that moves may be 5 s ahead by its own clock, which with G.722 may be twice
// as fast as defined.
func TestStreamThatMovesByItsOwnClock(t *testing.T) {
	t.Parallel()
	const slow, fast = 160, 320 // ticks a packet
	for name, test := range map[string]struct {
		streams []int   // ticks a packet of the streams that the owner sends
		ahead   float64 // seconds of the clock of the last of them
		taken   bool
	}{
		"8 kHz after 4 s":                      {[]int{slow}, 4, true},
		"8 kHz just before the limit":          {[]int{slow}, 4.98, true},
		"8 kHz beyond the limit":               {[]int{slow}, 5.1, false},
		"16 kHz after 2.4 s":                   {[]int{fast}, 2.4, true},
		"16 kHz after 4 s":                     {[]int{fast}, 4, true},
		"16 kHz just before the limit":         {[]int{fast}, 4.98, true},
		"16 kHz beyond the limit":              {[]int{fast}, 5.1, false},
		"16 kHz after a stream at 8":           {[]int{slow, fast}, 4, true},
		"8 kHz after a stream at 16":           {[]int{fast, slow}, 4, true},
		"8 kHz after one at 16, beyond":        {[]int{fast, slow}, 5.1, false},
		"8 kHz after one at 16, twice as much": {[]int{fast, slow}, 8, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, turn := silentMedia(t, func(st *stream) {
				st.codec, st.pt, st.formats = codecG722, 9, [3]format{{9, codecG722, true}}
			})
			r := newReceiver(&leg{media: m, gone: make(chan struct{})}, func(telephony.Event) bool { return true })
			r.control()
			var h rtpHeader
			var step int
			for i, ticks := range test.streams {
				step = ticks
				h = rtpHeader{pt: 9, ssrc: uint32(i + 1), seq: 100, timestamp: 5000}
				turn(60 * time.Millisecond)
				for range 10 {
					r.packet(m.now(), m.st.remote, append(appendRTP(nil, h), make([]byte, 160)...))
					h.seq++
					h.timestamp += uint32(ticks)
					turn(20 * time.Millisecond)
				}
			}
			refused := m.refused.Load()
			turn(4 * time.Second)
			h.seq += 2
			h.timestamp += uint32(test.ahead*50) * uint32(step)
			r.packet(m.now(), netip.MustParseAddrPort("192.0.2.1:5000"), append(appendRTP(nil, h), make([]byte, 160)...))
			if taken := m.refused.Load() == refused; taken != test.taken {
				t.Errorf("taken: %v, want %v", taken, test.taken)
			}
		})
	}
}
