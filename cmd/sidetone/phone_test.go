package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/softphone"
)

// A phone with a key finds its call by the carrier's id and shows what the agent
// said beside what the phone heard of it.
func TestPhoneShowsTheAgentsWords(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/calls/c9/events":
			stream(`{"type":"agent","offset_ms":2900,"text":"Good","data":{"interrupted":true,"said":"Good day."}}`,
				`{"type":"caller","offset_ms":3100,"text":"hello"}`, `{"type":"ended","offset_ms":4000}`)(w, r)
		case r.URL.Query().Get("filters") != `{"telephony_id":"abc@127.0.0.1"}`:
			t.Errorf("asks %s", r.URL)
		case asked == 0: // its row is not there yet
			asked++
			_, _ = io.WriteString(w, `{"items":[]}`)
		default:
			_, _ = io.WriteString(w, `{"items":[{"id":"c9"}]}`)
		}
	}))
	defer server.Close()
	out, errs := talk(t, phoneCommand{URL: server.URL, Key: "sk_x"})
	want := `   0.00s  answered  G722
   2.90s  agent     Good [interrupted; not heard: day.]
   3.20s  heard     "could", as this phone's recogniser understood it
   3.20s  heard     "could", as this phone's recogniser understood it
`
	if out != want || errs != "" {
		t.Errorf("%s (-want +got)\n%s", errs, cmp.Diff(want, out))
	}
}

// talk lets a phone of the command be answered and hear something.
func talk(t *testing.T, c phoneCommand) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{ctx: t.Context(), out: &o, err: &e}
	phone, end := c.withWords(a, softphone.Phone{Notify: c.printer(a)})
	phone.Notify(softphone.Event{Kind: "answered", Text: "G722", ID: "abc@127.0.0.1"})
	end()
	for range 2 {
		phone.Notify(softphone.Event{Kind: "heard", Text: "could", At: 3200 * time.Millisecond})
	}
	return o.String(), e.String()
}

func TestPhoneWithoutWords(t *testing.T) {
	t.Parallel()
	if out, errs := talk(t, phoneCommand{}); strings.Count(errs, "SIDETONE_API_KEY") != 1 || strings.Contains(out, "agent") {
		t.Errorf("without a key: %q, %q; want one line that says how to see the agent's words", out, errs)
	}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	if out, errs := talk(t, phoneCommand{URL: refusing.URL, Key: "sk_wrong"}); !strings.Contains(errs, "words are not shown") || !strings.Contains(out, "heard") {
		t.Errorf("with a wrong key: %q, %q; want the call to go on", out, errs)
	}
}

// The earlier name of the command works, and is completed.
func TestPhoneIsAlsoCalledCall(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"phone", "call"} {
		if code, _, errs := command(name, "--deaf", "--say", "@now x", "+14155550100"); code != 1 || !strings.Contains(errs, "@DURATION") {
			t.Errorf("sidetone %s: exit %d, %q", name, code, errs)
		}
		if code, out, _ := command("complete", "--", name, "--lis"); code != 0 || out != "--listen\n" {
			t.Errorf("sidetone %s: completes %q", name, out)
		}
	}
}
