package audio

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// reorderScript drives a Reorder with readable steps and reports what comes
// out: "3" is the sound of packet 3, "x" a lost piece, "_" suppressed silence.
type reorderScript struct {
	*Reorder
	out  strings.Builder
	ends int64
	t    *testing.T
}

func newReorderScript(t *testing.T) *reorderScript {
	return &reorderScript{Reorder: NewReorder(8000), t: t}
}

// packet pushes packet number n of a stream of 20 ms packets.
func (s *reorderScript) packet(now time.Duration, n int) {
	s.push(now, uint16(65530+n), uint32(0xFFFFFF00+n*160), n)
}

func (s *reorderScript) push(now time.Duration, seq uint16, ts uint32, n int) {
	payload := make([]byte, 160)
	binary.LittleEndian.PutUint32(payload, uint32(n))
	s.Push(now, Packet{Seq: seq, Timestamp: ts, Payload: payload, Ticks: 160})
	s.pull(now)
}

func (s *reorderScript) pull(now time.Duration) {
	s.t.Helper()
	for {
		got, ok := s.Next(now)
		if !ok {
			return
		}
		if got.Position < s.ends {
			s.t.Errorf("position %d after %d", got.Position, s.ends)
		}
		if got.Position > s.ends {
			fmt.Fprintf(&s.out, "+%d ", got.Position-s.ends)
		}
		s.ends = got.Position + int64(got.Ticks)
		switch {
		case got.Missing && got.Silence:
			s.out.WriteString("_ ")
		case got.Missing:
			s.out.WriteString("x ")
		default:
			fmt.Fprintf(&s.out, "%d ", binary.LittleEndian.Uint32(got.Payload))
		}
	}
}

func (s *reorderScript) expect(want string) {
	s.t.Helper()
	if got := strings.TrimSpace(s.out.String()); got != want {
		s.t.Errorf("released %q, want %q", got, want)
	}
	s.out.Reset()
}

const tick = 20 * time.Millisecond

func TestReorderInSequenceIsReleasedAtOnce(t *testing.T) {
	t.Parallel()
	s := newReorderScript(t)
	for n := range 12 { // across the wrap of sequence number and timestamp
		s.packet(time.Duration(n)*tick, n)
		s.expect(fmt.Sprint(n))
	}
	if s.ends != 12*160 {
		t.Errorf("media ends at %d, want %d", s.ends, 12*160)
	}
	if _, waits := s.Deadline(); waits {
		t.Error("a deadline without a gap")
	}
}

func TestReorderGaps(t *testing.T) {
	t.Parallel()
	t.Run("two later packets end the wait", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.packet(0, 0)
		s.packet(2*tick, 2)
		s.expect("0")
		s.packet(2*tick+time.Millisecond, 3)
		s.expect("x 2 3")
		if got := s.Stats(); got.Lost != 1 {
			t.Errorf("lost %d, want 1", got.Lost)
		}
	})
	t.Run("40 ms end the wait", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.packet(0, 0)
		s.packet(60*time.Millisecond, 3)
		if at, ok := s.Deadline(); !ok || at != 100*time.Millisecond {
			t.Errorf("deadline %v %v, want 100ms", at, ok)
		}
		s.pull(99 * time.Millisecond)
		s.expect("0")
		s.pull(100 * time.Millisecond)
		s.expect("x x 3")
	})
	t.Run("a swap loses nothing", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		for _, n := range []int{0, 2, 1, 3, 5, 4, 6} {
			s.packet(0, n)
		}
		s.expect("0 1 2 3 4 5 6")
		if got := s.Stats(); got.Reordered != 2 || got.Lost != 0 {
			t.Errorf("stats %+v", got)
		}
	})
	t.Run("duplicates are dropped", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		for _, n := range []int{0, 0, 1, 3, 3, 2, 2, 0} {
			s.packet(0, n)
		}
		s.expect("0 1 2 3")
		if got := s.Stats(); got.Duplicate != 4 {
			t.Errorf("duplicates %d, want 4", got.Duplicate)
		}
	})
	t.Run("two gaps", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		for _, n := range []int{0, 2, 4} {
			s.packet(0, n)
		}
		s.expect("0 x 2")
		s.packet(time.Millisecond, 5)
		s.expect("x 4 5")
	})
	t.Run("a long loss fills half a second, then jumps", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.packet(0, 0)
		s.packet(1000*time.Millisecond, 50)
		s.packet(1020*time.Millisecond, 51)
		s.expect("0 " + strings.Repeat("x ", 25) + "+3840 50 51")
	})
}

func TestReorderAdaptsToMeasuredReordering(t *testing.T) {
	t.Parallel()
	s := newReorderScript(t)
	s.packet(0, 0)
	s.packet(1*tick, 2)
	s.packet(2*tick, 3) // gives 1 up
	s.packet(3*tick, 4)
	s.packet(3*tick+5*time.Millisecond, 1) // 45 ms after its successor
	s.expect("0 x 2 3 4")
	if got := s.Stats(); got.Late != 1 {
		t.Errorf("late %d, want 1", got.Late)
	}
	if got := s.Wait(); got != 56250*time.Microsecond {
		t.Errorf("wait %v, want a quarter more than 45 ms", got)
	}
	for _, n := range []int{6, 7, 8, 5, 9} { // the same displacement again
		s.packet(5*tick, n)
	}
	s.expect("5 6 7 8 9")
	// Ten seconds later a gap costs two packets again.
	late := 6*tick + reorderMemory
	s.packet(late, 10)
	s.packet(late, 12)
	s.packet(late, 13)
	s.expect("10 x 12 13")
	if got := s.Wait(); got != reorderWait {
		t.Errorf("wait %v after ten quiet seconds", got)
	}
}

func TestReorderWaitIsBounded(t *testing.T) {
	t.Parallel()
	s := newReorderScript(t)
	s.packet(0, 0)
	for n := 2; n < 10; n++ {
		s.packet(time.Duration(n)*tick, n)
	}
	s.packet(10*tick, 1)
	if got := s.Wait(); got != reorderMaxWait {
		t.Errorf("wait %v, want %v", got, reorderMaxWait)
	}
	s.out.Reset()
	for n := 11; n < 17; n++ { // 10 never comes
		s.packet(10*tick, n)
	}
	s.expect("x 11 12 13 14 15 16")
}

func TestReorderSilenceSuppression(t *testing.T) {
	t.Parallel()
	s := newReorderScript(t)
	s.push(0, 1, 1000, 1)
	s.push(100*time.Millisecond, 2, 1000+5*160, 2)
	s.expect("1 _ _ _ _ 2")
	// Loss and silence together: as many lost pieces as packets were lost.
	s.push(400*time.Millisecond, 4, 1000+20*160, 4)
	s.push(420*time.Millisecond, 5, 1000+21*160, 5)
	s.expect("x" + strings.Repeat(" _", 13) + " 4 5")
	// Ten seconds: half a second is filled, the position keeps the time.
	s.push(10420*time.Millisecond, 6, 1000+521*160, 6)
	s.expect(strings.Repeat("_ ", 25) + fmt.Sprintf("+%d 6", (499-25)*160))
	if got := s.Stats().Lost; got != 1 {
		t.Errorf("lost %d, want 1", got)
	}
}

func TestReorderPacketsWithoutSound(t *testing.T) {
	t.Parallel()
	s := newReorderScript(t)
	s.push(0, 1, 1000, 1)
	for i := range 3 { // an event of 60 ms: its timestamp stands still
		s.Push(time.Duration(i+1)*tick, Packet{Seq: uint16(2 + i), Timestamp: 1160})
		s.pull(time.Duration(i+1) * tick)
	}
	s.push(4*tick, 5, 1000+4*160, 5)
	s.expect("1 _ _ _ 5")
	if got := s.Stats(); got.Lost != 0 || got.Restarts != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestReorderNewTimeBase(t *testing.T) {
	t.Parallel()
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.push(0, 1, 1000, 1)
		s.Reset()
		s.push(80*time.Millisecond, 50000, 77, 2)
		s.push(100*time.Millisecond, 50001, 237, 3)
		s.expect("1 _ _ _ 2 3")
	})
	t.Run("a leap must be confirmed", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.push(0, 1, 1000, 1)
		s.push(20*time.Millisecond, 30000, 9, 2) // a stray packet
		s.push(20*time.Millisecond, 2, 1160, 3)
		s.expect("1 3")
		s.push(40*time.Millisecond, 30000, 9, 4)
		s.push(60*time.Millisecond, 30001, 169, 5)
		s.push(80*time.Millisecond, 30002, 329, 6)
		s.expect("_ 5 6")
	})
	t.Run("numbers that go back a little", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		for i := range 50 {
			s.push(time.Duration(i)*tick, uint16(100+i), uint32(1000+160*i), 1+i%9)
		}
		s.out.Reset()
		for i := range 4 { // 60 ms after the last one the stream is heard again
			s.push(time.Duration(50+i)*tick, uint16(120+i), uint32(1000+160*(20+i)), 1+i)
		}
		s.expect("_ _ 3 4")
	})
	t.Run("late packets in a burst are no new beginning", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.push(0, 1, 1000, 1)
		s.push(80*time.Millisecond, 5, 1000+4*160, 5)
		s.push(100*time.Millisecond, 6, 1000+5*160, 6)
		for i := range 3 {
			s.push(101*time.Millisecond, uint16(2+i), uint32(1000+160*(1+i)), 2+i)
		}
		s.push(120*time.Millisecond, 7, 1000+6*160, 7)
		if got := s.Stats(); got.Restarts != 0 || got.Late != 3 {
			t.Errorf("stats %+v", got)
		}
	})
	t.Run("numbers and timestamps that jump, with no time between", func(t *testing.T) {
		t.Parallel()
		for _, numbers := range []uint16{2, 7, 20, 200} {
			for _, stamp := range []uint32{0xffff0000, 1<<31 + 1000, 100000} {
				s := newReorderScript(t)
				s.push(0, 1, 1000, 1)
				s.push(20*time.Millisecond, 2, 1160, 2)
				for i := range 4 {
					s.push(time.Duration(40+20*i)*time.Millisecond, 2+numbers+uint16(i), stamp+160*uint32(i), 3+i)
				}
				s.expect("1 2 3 4 5 6")
			}
		}
	})
	t.Run("packets lost where timestamps begin anew", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.push(0, 1, 1000, 1)
		for i := range 3 {
			s.push(time.Duration(80+20*i)*time.Millisecond, uint16(5+i), uint32(77+160*i), 5+i)
		}
		s.expect("1 x x x 5 6 7")
	})
	t.Run("timestamps that jump without reason", func(t *testing.T) {
		t.Parallel()
		s := newReorderScript(t)
		s.push(0, 1, 1000, 1)
		s.push(20*time.Millisecond, 2, 1000+8000*60, 2)
		s.push(43*time.Millisecond, 3, 500, 3)
		s.push(63*time.Millisecond, 4, 660, 4)
		s.expect("1 2 3 4")
	})
}

// Random loss, duplication and displacement: everything released is in order,
// nothing twice, and what is neither lost nor late comes out.
func TestReorderRandomStreams(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := NewReorder(8000)
		type arrival struct {
			at time.Duration
			n  int
		}
		var arrivals []arrival
		for n := range 400 {
			if random.IntN(20) == 0 && n > 0 {
				continue
			}
			at := time.Duration(n)*tick + time.Duration(random.IntN(50))*time.Millisecond
			if n == 0 {
				at = 0
			}
			arrivals = append(arrivals, arrival{at, n})
			if random.IntN(30) == 0 {
				arrivals = append(arrivals, arrival{at + 3*time.Millisecond, n})
			}
		}
		seen := make(map[int64]bool)
		end, released := int64(0), uint64(0)
		pull := func(now time.Duration) {
			for {
				got, ok := r.Next(now)
				if !ok {
					return
				}
				if got.Position != end {
					t.Fatalf("seed %d: position %d, want %d", seed, got.Position, end)
				}
				end = got.Position + int64(got.Ticks)
				if got.Missing {
					continue
				}
				released++
				if seen[got.Position] {
					t.Fatalf("seed %d: position %d twice", seed, got.Position)
				}
				seen[got.Position] = true
				if n := int64(binary.LittleEndian.Uint32(got.Payload)); n*160 != got.Position {
					t.Fatalf("seed %d: packet %d at position %d", seed, n, got.Position)
				}
			}
		}
		for now := time.Duration(0); now < 9*time.Second; now += time.Millisecond {
			for _, a := range arrivals {
				if a.at == now {
					payload := binary.LittleEndian.AppendUint32(nil, uint32(a.n))
					r.Push(now, Packet{Seq: uint16(a.n), Timestamp: uint32(a.n * 160), Payload: payload, Ticks: 160})
				}
			}
			pull(now)
		}
		stats := r.Stats()
		if released+stats.Late+stats.Duplicate != stats.Received || stats.Dropped != 0 {
			t.Fatalf("seed %d: released %d, %+v", seed, released, stats)
		}
		if stats.Late > stats.Received/50 {
			t.Errorf("seed %d: %d of %d packets late", seed, stats.Late, stats.Received)
		}
	}
}

// Not parallel: testing.AllocsPerRun demands it.
func TestReorderDoesNotAllocate(t *testing.T) {
	r := NewReorder(8000)
	payload := make([]byte, 160)
	n := 0
	step := func() {
		if n%7 != 3 {
			r.Push(time.Duration(n)*tick, Packet{Seq: uint16(n), Timestamp: uint32(n * 160), Payload: payload, Ticks: 160})
		}
		for {
			if _, ok := r.Next(time.Duration(n) * tick); !ok {
				break
			}
		}
		n++
	}
	for range 100 {
		step()
	}
	if got := testing.AllocsPerRun(500, step); got != 0 {
		t.Errorf("%v allocations for a packet, want none", got)
	}
}

func FuzzReorder(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 1, 0, 3, 0, 2, 0, 2, 0, 3, 0})
	f.Add([]byte{255, 255, 0, 0, 0, 0, 1, 0, 100, 30, 2, 0, 101, 30, 3, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := NewReorder(8000)
		end := int64(0)
		for now := time.Duration(0); len(script) >= 4; script = script[4:] {
			seq := binary.LittleEndian.Uint16(script)
			p := Packet{Seq: seq, Timestamp: uint32(script[2]) << 24 >> (script[3] % 25), Ticks: 160}
			if script[3] < 250 {
				p.Payload = script[:1]
			}
			r.Push(now, p)
			for i := 0; ; i++ {
				got, ok := r.Next(now)
				if !ok {
					break
				}
				if got.Position < end || got.Ticks == 0 || i > 1000 {
					t.Fatalf("release %d: %+v after %d", i, got, end)
				}
				end = got.Position + int64(got.Ticks)
			}
			now += time.Duration(script[3]) * time.Millisecond
		}
	})
}
