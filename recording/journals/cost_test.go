package journals

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal/journaltest"
)

// minutes is the length of the measured call.
const minutes = 5

// TestSize prints how many bytes a call-minute takes, and how many inputs it has, when
// what waits is written every half second.
func TestSize(t *testing.T) {
	t.Parallel()
	cfg, entries := journaltest.Call(minutes * time.Minute)
	s := newShelf(t, nil)
	h := header("a")
	h.Config = cfg
	j, m, p := s.Begin("env", h), conversation.New(cfg), new(packer)
	chunks, texts, flushed := 0, 0, time.Duration(0)
	for _, e := range entries {
		if e.At-flushed >= flushEvery {
			flushed = e.At
			if j.waits() {
				chunks++
				texts += len(j.pending)
				j.flush(p)
			}
		}
		j.Input(e.At, e.In)
		j.Outputs(m.Step(e.At, e.In))
		if cap(j.pending) > keptPending {
			t.Fatalf("%d bytes wait", cap(j.pending))
		}
	}
	j.End(minutes * time.Minute)
	s.Close()
	got := s.read(t, "a")
	perMinute := float64(s.Stored()) / minutes
	t.Logf("%.0f bytes a call-minute in %.0f chunks of %.0f bytes of text; %.0f inputs", perMinute, float64(chunks)/minutes, float64(texts)/float64(chunks), float64(len(got.Steps))/minutes)
	if perMinute > 4<<10 {
		t.Errorf("%.0f bytes a call-minute", perMinute)
	}
}

// TestMemory: a live call holds at most 24 KiB for its journal.
func TestMemory(t *testing.T) { //nolint:paralleltest // it counts the memory of the process
	const calls = 100
	cfg, entries := journaltest.Call(time.Minute)
	s := newShelf(t, nil)
	m, p := conversation.New(cfg), new(packer)
	outs := make([][]conversation.Output, len(entries))
	for i, e := range entries {
		outs[i] = append(outs[i], m.Step(e.At, e.In)...)
	}
	before := heap()
	all := make([]*Journal, calls)
	for n := range all {
		h := header(time.Duration(n).String())
		h.Config = cfg
		all[n] = s.Begin("env", h)
		for i, e := range entries {
			if i%100 == 0 { // rarely: the buffer grows
				all[n].flush(p)
			}
			all[n].Input(e.At, e.In)
			all[n].Outputs(outs[i])
		}
	}
	each := (heap() - before) / calls
	t.Logf("%d bytes a call", each)
	if each > 24<<10 {
		t.Errorf("%d bytes a call", each)
	}
	runtime.KeepAlive(all)
	s.Close()
}

// heap is the memory that is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCallMinute is what a minute of a call costs: writing its lines, and
// compressing, sealing and writing chunks every half second. The machine is not counted.
func BenchmarkCallMinute(b *testing.B) {
	cfg, entries := journaltest.Call(minutes * time.Minute)
	m := conversation.New(cfg)
	outs := make([][]conversation.Output, len(entries))
	for i, e := range entries {
		outs[i] = append(outs[i], m.Step(e.At, e.In)...)
	}
	s := newShelf(b, nil)
	defer s.Close()
	p := new(packer)
	h := header("")
	h.Config = cfg
	id, used := 0, cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		id++
		h.Call = time.Duration(id).String()
		j, flushed := s.Begin("env", h), time.Duration(0)
		for i, e := range entries {
			if e.At-flushed >= flushEvery && j.waits() {
				flushed = e.At
				j.flush(p)
			}
			j.Input(e.At, e.In)
			j.Outputs(outs[i])
		}
		j.over = true
		j.flush(p)
	}
	report(b, used, len(entries))
}

// report shows the processor time since used, which a busy machine does not change much.
func report(b *testing.B, used time.Duration, inputs int) {
	used = cpu(b) - used
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N)/minutes, "cpu-µs/call-minute")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/float64(inputs), "cpu-ns/input")
}

// cpu is the processor time of this process.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLines is the part of it that the call itself does.
func BenchmarkLines(b *testing.B) {
	cfg, entries := journaltest.Call(minutes * time.Minute)
	m := conversation.New(cfg)
	outs := make([][]conversation.Output, len(entries))
	for i, e := range entries {
		outs[i] = append(outs[i], m.Step(e.At, e.In)...)
	}
	s := newShelf(b, nil)
	defer s.Close()
	used := cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		j := &Journal{book: s.Book}
		for i, e := range entries {
			j.Input(e.At, e.In)
			j.Outputs(outs[i])
			j.pending = j.pending[:0]
		}
	}
	report(b, used, len(entries))
}
