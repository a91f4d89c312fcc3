package sip

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// heap is the memory in use after a collection, stacks included.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// 200 calls in leave everything where it was, and cost little while they live.
// It runs alone, because it counts for the whole process.
func TestTwoHundredCalls(t *testing.T) {
	d := newDriver(t, nil)
	serve(t, d, accept)
	files, before := descriptors(t), heap()
	const calls = 200
	var took []time.Duration
	var uas []*rawUA
	for range calls {
		u := newRawUA(t, d, "udp")
		start := time.Now()
		u.send(u.request("INVITE", 1, basicSDP(4000)))
		ok := u.status("INVITE", 200)
		took = append(took, time.Since(start))
		_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
		u.ack(1, "")
		uas = append(uas, u)
	}
	if d.Calls() != calls {
		t.Fatalf("%d calls are alive", d.Calls())
	}
	each := (heap() - before) / calls
	slices.Sort(took)
	t.Logf("INVITE to 200: p50 %s, p99 %s; %d bytes a call (the test's own socket included)",
		took[calls/2], took[calls*99/100], each)
	if each > 100<<10 {
		t.Errorf("%d bytes a call", each)
	}
	if took[calls/2] > 200*time.Millisecond { // what it takes on a quiet machine is a benchmark
		t.Errorf("INVITE to 200 takes %s", took[calls/2])
	}
	for _, u := range uas {
		u.send(u.request("BYE", 2, ""))
		u.status("BYE", 200)
		u.conn.Close()
	}
	eventually(t, "the calls to end", func() bool { return d.Calls() == 0 })
	eventually(t, "the descriptors to close", func() bool { return descriptors(t) <= files })
}

func TestTwoHundredCallsOut(t *testing.T) {
	far := newDriver(t, nil)
	serve(t, far, accept)
	near := newDriver(t, func(c *Config) { c.Trunks = []Trunk{{Name: "far", Host: far.Addr().String()}} })
	files := descriptors(t)
	var all sync.WaitGroup
	turn := make(chan struct{}, 16)
	for range 200 {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			leg, err := near.Dial(ctx, telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "far"}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := leg.Hangup(ctx, telephony.CauseNormal); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	eventually(t, "the calls to end", func() bool { return near.Calls() == 0 && far.Calls() == 0 })
	eventually(t, "the descriptors to close", func() bool { return descriptors(t) <= files })
}

// serveFrames counts received frames without looking at them.
func serveFrames(t *testing.T, d *Driver, frames *atomic.Int64) {
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		if leg.Accept(ctx) != nil {
			return
		}
		for ev := range leg.Events(ctx) {
			if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
				frames.Add(1)
			}
		}
	})
}
