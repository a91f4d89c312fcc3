package call

import (
	"log/slog"
	"runtime"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// What a session holds when its call begins, its leg not counted: an echo has no
// parts of a conversation.
func TestMemoryOfASession(t *testing.T) { //nolint:paralleltest // it reads how much memory the process has in use
	talk := Plan{Models: []Model{{Driver: llmtest.NewStub()}}, Voices: []Voice{{Driver: &synthesizertest.Stub{}}}}
	for name, test := range map[string]struct {
		plan Plan
		most uint64 // bytes
	}{"echo": {Plan{Echo: true}, 36 << 10}, "conversation": {talk, 30 << 10}} {
		x := &Exchange{c: Config{Clock: testClock(), Log: slog.New(slog.DiscardHandler)}}
		const n = 200
		sessions := make([]*Session, n)
		legs := make([]*telephonytest.MemoryLeg, 0, n)
		for range n {
			leg, _ := telephonytest.NewMemoryLeg(telephonytest.MemoryConfig{})
			legs = append(legs, leg)
		}
		before := inUse()
		for i := range sessions {
			s, err := x.newSession(sidetone.Call{ID: "call", EnvironmentID: "env"}, legs[i], test.plan)
			if err != nil {
				t.Fatal(err)
			}
			sessions[i] = s
		}
		got := (inUse() - before) / n
		t.Logf("%s: %d bytes", name, got)
		if got > test.most {
			t.Errorf("a session of kind %s holds %d bytes, at most %d are wanted", name, got, test.most)
		}
		runtime.KeepAlive(sessions)
		runtime.KeepAlive(legs)
	}
}

// inUse is how many bytes the heap holds after a collection.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
