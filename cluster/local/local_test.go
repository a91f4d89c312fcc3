package local_test

import (
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/cluster/local"
)

func TestDeliversInOrderToItsSubscribersOnly(t *testing.T) {
	t.Parallel()
	b := local.New()
	mine, cancel := b.Subscribe("a")
	other, _ := b.Subscribe("b")
	for i := range int64(3) {
		b.Publish(sidetone.Event{CallID: "a", Sequence: i})
	}
	for i := range int64(3) {
		if got := <-mine; got.Sequence != i {
			t.Errorf("event %d: got sequence %d", i, got.Sequence)
		}
	}
	select {
	case e := <-other:
		t.Errorf("other call's subscriber got %+v", e)
	default:
	}
	cancel()
	cancel()
	if _, open := <-mine; open {
		t.Error("channel is open after cancel")
	}
}

func TestSlowSubscriberIsClosedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	b := local.New()
	slow, _ := b.Subscribe("a")
	quick, _ := b.Subscribe("a")
	got := 0
	for i := range int64(1000) {
		b.Publish(sidetone.Event{CallID: "a", Sequence: i})
		<-quick
		got++
	}
	if got != 1000 {
		t.Errorf("quick subscriber got %d events, want 1000", got)
	}
	n := 0
	for range slow {
		n++
	}
	if n == 0 || n >= 1000 {
		t.Errorf("slow subscriber got %d events before it was closed, want some and not all", n)
	}
}
