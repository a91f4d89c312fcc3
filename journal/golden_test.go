package journal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/journaltest"
)

// TestGolden: a golden call says nothing of people, also where it was cut, and replays.
func TestGolden(t *testing.T) {
	t.Parallel()
	h, steps := sample()
	h.Private = []string{"+14155550123", "María Canary"}
	h.Config.Greeting = "Hello María, this is the clinic."
	h.Config.Actions = []conversation.Action{{Name: "look", OnSend: []string{"One moment, María."}, OnDone: []string{"María, it is 0123."},
		OnFailure: []string{"Not today, Canary."}, Waiting: []string{"Still at it, María."}, Otherwise: "Not yet, Canary.", Phrases: []string{"for Canary"}, Claims: []string{"found Canary"}}}
	h.Agent = []byte(`{"prompt":"You know Canary."}`)
	for i, s := range steps {
		switch in := s.in.(type) {
		case conversation.Voiced:
			in.Words = words(h.Config.Greeting, in.Total)
			steps[i].in = in
		case conversation.Heard:
			in.Text = "my name is maría canary, maria.canary@example.com, four one five 555 0123"
			steps[i].in = in
		case conversation.ModelText:
			in.Text = "Thank you, Ms. Can"
			steps[i].in = in
			rest := in
			rest.Text = "ary, your card is 4111 1111 1111 1111. "
			steps = append(steps[:i+1], append([]step{{s.micros + 1, rest}}, steps[i+1:]...)...)
		}
		if i > 9 {
			break
		}
	}
	text := write(t, h, steps)
	j, err := journal.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := j.Golden()
	if err != nil {
		t.Fatal(err)
	}
	got := string(golden)
	for _, private := range []string{"Mar", "mar", "anary", "ary,", "example.com", "555", "4111", "0123", "four", "five", "prompt", "openai", "test\""} {
		if strings.Contains(got, private) {
			t.Errorf("the golden call has %q:\n%s", private, got)
		}
	}
	for _, kept := range []string{"Hello Xxxéx, this is the clinic.", `"Not yet, Xxxxxx."`, "my name is xxxéx xxxxxx, xxxxx.xxxxxx@xxxxxxx.xxx, zero one zero 999 9999", `"Thank you, Ms. Xxx"`, `"xxx, your card is 9999 9999 9999 9999. "`} {
		if !strings.Contains(got, kept) {
			t.Errorf("the golden call lacks %q:\n%s", kept, got)
		}
	}
	again, err := journal.Read(golden)
	if err != nil {
		t.Fatal(err)
	}
	played, err := again.Replay()
	if err != nil || len(played) != len(steps) || again.Ending != journal.Whole {
		t.Errorf("%d steps, %v", len(played), err)
	}
}

// TestGoldenOfALongCall does what the call did.
func TestGoldenOfALongCall(t *testing.T) {
	t.Parallel()
	cfg, entries := journaltest.Call(3 * time.Minute)
	var steps []step
	for _, e := range entries {
		steps = append(steps, step{e.At.Microseconds(), e.In})
	}
	j, err := journal.Read(write(t, journal.Header{Call: "c", Config: cfg, Private: []string{"monday"}}, steps))
	if err != nil {
		t.Fatal(err)
	}
	golden, err := j.Golden()
	if err != nil || strings.Contains(string(golden), "onday") {
		t.Errorf("%v", err)
	}
}
