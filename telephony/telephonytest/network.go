package telephonytest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sidetone/sidetone/audio"
)

const (
	// gapWait is how long a leg waits for a missing packet after a later one.
	gapWait = 40 * time.Millisecond
	// giveUp is how long after its expected arrival a packet counts as lost
	// although nothing later came either.
	giveUp = 60 * time.Millisecond
)

// Network describes what happens to sound on its way from the far end to the
// leg. The zero value is a perfect line.
type Network struct {
	// Seed makes the same call lose the same packets again.
	Seed uint64
	// Loss is the share of packets lost, 0 to 1.
	Loss float64
	// Delay is the travelling time of every packet.
	Delay time.Duration
	// Jitter is the most that a packet takes longer than Delay, spread evenly.
	Jitter time.Duration
	// Reorder is the share of packets, 0 to 1, that arrive after the next one.
	Reorder float64
	// SkewPPM says how much faster than ours the far end's clock runs, in
	// millionths; negative is slower.
	SkewPPM float64
}

// slot returns how long a frame of the far end's clock lasts on ours.
func (n Network) slot() time.Duration {
	return time.Duration(float64(audio.FrameDuration) / (1 + n.SkewPPM/1e6))
}

// packet is one frame on its way.
type packet struct {
	slot   int64
	arrive time.Time
	pcm    []int16
	silent bool
}

// line carries packets through a Network and releases them in order.
type line struct {
	net    Network
	rng    *rand.Rand
	flying []packet
	// next is the slot to release, deadline when it counts as lost.
	next int64
}

func newLine(n Network) *line {
	return &line{net: n, rng: rand.New(rand.NewPCG(n.Seed, 0x51de))}
}

// push sends a packet; silent ones (nothing was said and the far end suppresses
// silence) always arrive, as the absence they stand for cannot be lost.
func (l *line) push(slot int64, now time.Time, pcm []int16, silent bool) {
	p := packet{slot: slot, arrive: now.Add(l.net.Delay), pcm: pcm, silent: silent}
	if !silent {
		if l.rng.Float64() < l.net.Loss {
			return
		}
		if l.net.Jitter > 0 {
			p.arrive = p.arrive.Add(time.Duration(l.rng.Int64N(int64(l.net.Jitter) + 1)))
		}
		if l.rng.Float64() < l.net.Reorder {
			p.arrive = p.arrive.Add(audio.FrameDuration + audio.FrameDuration/4)
		}
	}
	at, _ := slices.BinarySearchFunc(l.flying, p, func(a, b packet) int { return int(a.slot - b.slot) })
	l.flying = slices.Insert(l.flying, at, p)
}

// pop releases the frame of the next slot, sent at sent: the packet, or a
// missing one once it has been waited for long enough. Otherwise it says when to
// ask again.
func (l *line) pop(now, sent time.Time) (p packet, ok bool, again time.Time) {
	for len(l.flying) > 0 && l.flying[0].slot < l.next {
		l.flying = l.flying[1:]
	}
	again = sent.Add(l.net.Delay + giveUp)
	later := 0
	for _, f := range l.flying {
		switch {
		case f.arrive.After(now):
			again = earlier(again, f.arrive)
		case f.slot == l.next:
			l.next++
			l.flying = l.flying[1:]
			return f, true, time.Time{}
		default:
			later++
			again = earlier(again, f.arrive.Add(gapWait))
		}
	}
	if later >= 2 || !now.Before(again) {
		p = packet{slot: l.next, silent: true}
		l.next++
		return p, true, time.Time{}
	}
	return packet{}, false, again
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
