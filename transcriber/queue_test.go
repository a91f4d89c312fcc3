package transcriber_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/transcriber"
)

func TestQueueDeliversInOrderThenTheError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var q transcriber.Queue
	for _, text := range []string{"a", "b", "c"} {
		if !q.Push(transcriber.Event{Kind: transcriber.Final, Text: text}) {
			t.Fatalf("push of %q refused before the end", text)
		}
	}
	q.End(boom)
	q.End(errors.New("second end"))
	if q.Push(transcriber.Event{}) {
		t.Error("push after the end was accepted")
	}

	var got []string
	for e, err := range q.Events() {
		if err != nil || e.Text == "b" {
			got = append(got, e.Text)
			break // resumed below
		}
		got = append(got, e.Text)
	}
	var last error
	for e, err := range q.Events() {
		if err != nil {
			last = err
			continue
		}
		got = append(got, e.Text)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !errors.Is(last, boom) {
		t.Errorf("last error = %v, want %v", last, boom)
	}
	for range q.Events() {
		t.Error("a drained queue yielded again")
	}
}

func TestQueueWakesAWaitingReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q transcriber.Queue
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range q.Events() {
				got = append(got, e.Text)
			}
		}()
		synctest.Wait()
		q.Push(transcriber.Event{Text: "one"})
		synctest.Wait()
		q.Push(transcriber.Event{Text: "two"})
		q.End(nil)
		<-done
		if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
