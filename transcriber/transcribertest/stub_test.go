package transcribertest_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func TestStubConforms(t *testing.T) {
	t.Parallel()
	transcribertest.Run(t, func(*testing.T) transcribertest.Harness {
		stub := transcribertest.NewStub()
		stub.Otherwise = "good morning"
		stub.Limit = 2
		return transcribertest.Harness{
			Driver: stub, Rate: 8000, Speech: make([]int16, 8000), Want: []string{"good", "morning"}, Limit: 2,
			Kill: func(*testing.T, transcriber.Stream) { stub.Fail(errors.New("killed")) },
		}
	})
}

func TestStubFollowsItsScript(t *testing.T) {
	t.Parallel()
	stub := transcribertest.NewStub("one", "two")
	stub.Carrier = true
	stream, err := stub.Open(t.Context(), transcriber.Config{Rate: 16000, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	events := transcribertest.Read(t, stream)
	transcribertest.Feed(t, stream, make([]int16, 320), 16000, 0)
	stream.Finalize()
	stub.Mute(true)
	stream.Finalize()
	stub.Mute(false)
	if n := stub.Emit(transcriber.Event{Kind: transcriber.Partial, Text: "tw"}); n != 1 {
		t.Errorf("the event reached %d streams", n)
	}
	stream.Finalize()
	stream.Finalize()
	want := []transcriber.Event{
		{Kind: transcriber.Final, Text: "one", Flushed: true},
		{Kind: transcriber.Partial, Text: "tw"},
		{Kind: transcriber.Final, Text: "two", Flushed: true},
		{Kind: transcriber.Final, Flushed: true},
	}
	for i := range want {
		if diff := cmp.Diff(want[i], events.Next(t)); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}
	seen := stub.Streams()[0]
	if seen.Samples() != 320 || seen.Finalizes() != 4 || seen.Closed() || seen.Config().Language != "en" || !seen.DetectsCarrier() {
		t.Errorf("stub saw %d samples, %d finalizes, config %+v", seen.Samples(), seen.Finalizes(), seen.Config())
	}
	boom := errors.New("boom")
	seen.Fail(boom)
	if err := events.End(t); !errors.Is(err, boom) {
		t.Errorf("events ended with %v", err)
	}
	stub.FailOpen(boom)
	if _, err := stub.Open(t.Context(), transcriber.Config{Rate: 8000}); !errors.Is(err, boom) {
		t.Errorf("open: %v", err)
	}
}
