package e2e

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
)

// trouble is what a line does to packets.
type trouble struct {
	loss, reorder, double float64       // how many of them
	jitter                time.Duration // the longest delay; without reorder they stay in order
}

// weather applies trouble to one direction. Its zero value does nothing. Its methods may
// be called concurrently.
type weather struct {
	trouble
	mu   sync.Mutex
	last time.Time // when the last packet leaves
}

// carry sends b, once, twice, late or never.
func (w *weather) carry(b []byte, conn *net.UDPConn, to netip.AddrPort) {
	if w.trouble == (trouble{}) {
		_, _ = conn.WriteToUDPAddrPort(b, to) // UDP may lose it
		return
	}
	if rand.Float64() < w.loss {
		return
	}
	copies := 1
	if rand.Float64() < w.double {
		copies = 2
	}
	b = bytes.Clone(b)
	time.AfterFunc(w.delay(), func() {
		for range copies {
			_, _ = conn.WriteToUDPAddrPort(b, to) // the call may be over
		}
	})
}

// delay chooses how long a packet takes.
func (w *weather) delay() time.Duration {
	if rand.Float64() < w.reorder {
		return 30 * time.Millisecond // the next one overtakes it
	}
	if w.jitter == 0 {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	leaves := time.Now().Add(rand.N(w.jitter))
	if earliest := w.last.Add(time.Millisecond); leaves.Before(earliest) {
		leaves = earliest
	}
	w.last = leaves
	return time.Until(leaves)
}

// On a bad line no call is dropped, and the recording stays aligned: each piece of what
// SIPp said is where it belongs, however many were lost before it, and what the caller
// was sent stays beside it.
func TestBadLines(t *testing.T) {
	t.Parallel()
	listen(t)
	paced := timing.Start(t)
	ctx := within(t, 120*time.Second)
	s := start(t)
	made, err := s.api.Agents().Create(ctx, client.Agent{Name: "Echo", Prompt: &client.Prompt{Content: "Be brief."}, Provider: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	said, file := speechFile(t)
	tests := map[string]func(*testing.T){}
	for _, test := range []struct {
		name string
		trouble
	}{
		{"nothing", trouble{}}, {"loss of 1 %", trouble{loss: 0.01}}, {"loss of 5 %", trouble{loss: 0.05}}, {"loss of 10 %", trouble{loss: 0.1}},
		{"loss of 20 %", trouble{loss: 0.2}}, {"jitter of 60 ms", trouble{jitter: 60 * time.Millisecond}}, {"reordering", trouble{reorder: 0.1}},
		{"duplicates", trouble{double: 0.2}}, {"all of it", trouble{loss: 0.05, reorder: 0.05, double: 0.05, jitter: 60 * time.Millisecond}},
	} {
		tests[test.name] = func(t *testing.T) {
			number := s.placeID(t, made.ID)
			r := interceptIn(t, s.sip, "udp", test.trouble)
			sipp(t, ctx, "plain.xml", r.sip, number, "u1", "@TYPE@", "0", "@NAME@", "PCMU", "@FILE@", file, "@LONG@", "8500")
			c := s.calledAt(t, ctx, number)
			if c.EndReason != "hangup" {
				t.Fatalf("stored: %+v", c)
			}
			spoilt := 0
			if test.loss >= 0.1 {
				spoilt = 2
			}
			caller, agent := s.recording(t, ctx, c.ID)
			checkAligned(t, paced, "the caller", said, caller, 40*time.Millisecond, spoilt)
			checkAligned(t, paced, "the echo", said, agent, 200*time.Millisecond, spoilt)
			if q := c.LineQuality; q == nil || q.Near == nil {
				t.Errorf("line quality %+v", q)
			} else if got := q.Near.LossPercent; got < test.loss*50-1 || got > test.loss*170+1 {
				paced.Errorf("a loss of %.1f %% was measured", got)
			}
		}
	}
	together(t, tests)
}

// calledAt waits for the end of the only call to a number.
func (s *server) calledAt(t *testing.T, ctx context.Context, number string) (c client.Call) {
	t.Helper()
	await(t, ctx, "the end of the call to "+number, func() bool {
		page, err := s.api.Calls().List(ctx, client.Query{Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(page.Items, func(c client.Call) bool { return c.ToNumber == number && c.Over() })
		if i < 0 {
			return false
		}
		c, err = s.api.Calls().Get(ctx, page.Items[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return c
}

// speechFile is speech of 8 s, and a file that has it in PCMU.
func speechFile(t *testing.T) (sound, string) {
	t.Helper()
	dir := t.TempDir()
	writeWAV(t, filepath.Join(dir, "wide.wav"), spoken(t, greeting))
	run(t, within(t, 30*time.Second), dir, "sox", "-D", "wide.wav", "-r", "8000", "said.wav", "trim", "0", "8")
	s := readWAVFile(t, filepath.Join(dir, "said.wav"))
	file := filepath.Join(dir, "said.ulaw")
	writeText(t, file, string(audio.EncodeULaw(nil, s.pcm)))
	return s, file
}

// checkAligned finds the loudest piece of each second of said in heard, and expects them
// all to be shifted alike, by no more than apart from the middle one, but for those that losses
// may spoil. Pieces are short, because clocks are followed by a millisecond now and then,
// where it is quiet.
func checkAligned(t *testing.T, paced *timing.Meter, who string, said, heard sound, apart time.Duration, spoilt int) {
	t.Helper()
	if said.rate != heard.rate {
		t.Fatalf("%s: recorded at %d Hz", who, heard.rate)
	}
	x, y := said.envelope(), heard.envelope()
	whole, best := 0, 0.0 // where all of it fits best
	for shift := -25; shift+len(x) <= len(y); shift++ {
		if c := correlation(x[25:], y, 25+shift); c > best {
			whole, best = shift, c
		}
	}
	far := said.rate / 4
	var shifts []time.Duration
	for second := 1; (second+1)*said.rate <= len(said.pcm); second++ {
		begin := second*said.rate + loudest(said.pcm[second*said.rate:(second+1)*said.rate], said.rate*3/10)
		at, alike := fit(said.pcm[begin:begin+said.rate*3/10], heard.pcm, begin+whole*heard.rate/50, far)
		if alike < 0.3 {
			at = -far // not found
		}
		shifts = append(shifts, time.Duration(at-begin)*time.Second/time.Duration(said.rate))
	}
	sorted := slices.Sorted(slices.Values(shifts))
	middle := sorted[len(sorted)/2]
	t.Logf("%s: shifts %v", who, shifts)
	odd := 0
	for _, shift := range shifts {
		if shift < middle-apart || shift > middle+apart {
			odd++
		}
	}
	if odd > spoilt {
		paced.Errorf("%s: the pieces are shifted by %v", who, shifts)
	}
}

// loudest is where the loudest n samples begin, in steps of n/4.
func loudest(pcm []int16, n int) (at int) {
	best := 0.0
	for from := 0; from+n <= len(pcm); from += n / 4 {
		var power float64
		for _, v := range pcm[from : from+n] {
			power += float64(v) * float64(v)
		}
		if power > best {
			at, best = from, power
		}
	}
	return at
}

// fit finds where a piece of sound fits best into all, at most far from near, and how
// well, from 0 to 1.
func fit(piece, all []int16, near, far int) (at int, alike float64) {
	var own float64
	for _, v := range piece {
		own += float64(v) * float64(v)
	}
	for from := max(0, near-far); from <= near+far && from+len(piece) <= len(all); from++ {
		var both, other float64
		for i, v := range piece {
			w := float64(all[from+i])
			both += float64(v) * w
			other += w * w
		}
		if c := both / math.Sqrt(own*other+1); c > alike {
			at, alike = from, c
		}
	}
	return at, alike
}
