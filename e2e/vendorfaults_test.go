package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// mishap is one kind of failure of one part of a call.
type mishap struct {
	part  string
	fault standin.Fault
	// alone says that the agent has nobody who takes over but the server's own, which
	// knows English only; abroad says that it speaks Spanish.
	alone, abroad bool
}

func (m mishap) name() string {
	name := fmt.Sprintf("%s %s", m.part, m.fault.Kind)
	if m.fault.Status != 0 {
		name += fmt.Sprint(" ", m.fault.Status)
	}
	if m.alone {
		name += " alone"
	}
	if m.abroad {
		name += " abroad"
	}
	return name
}

// vendor is who fails.
func (m mishap) vendor() string {
	return map[string]string{recogniserPart: "deepgram", modelPart: "openai", voicePart: "elevenlabs"}[m.part]
}

// mishaps are those that are tried: all with SIDETONE_TEST_LONG, else a few.
func mishaps() (out []mishap) {
	few := []string{"recogniser mute", "recogniser reset", "model status 401", "model mute alone", "voice status 429", "voice status 401 alone", "voice status 401 alone abroad", "voice mute alone abroad",
		"model slow", "model pictographs", "model unoffered"}
	for _, alone := range []bool{false, true} {
		for _, part := range []string{recogniserPart, modelPart, voicePart} {
			for _, f := range []standin.Fault{
				{Kind: standin.Status, Status: http.StatusUnauthorized}, {Kind: standin.Status, Status: http.StatusTooManyRequests},
				{Kind: standin.Reset, After: 2}, {Kind: standin.Mute}, {Kind: standin.Slow, Delay: 5 * time.Millisecond},
				{Kind: standin.Pictographs}, {Kind: standin.Unoffered},
			} {
				if f.Kind == standin.Slow && part != modelPart {
					f.Delay = 20 * time.Millisecond // for each byte of a request, or each message
				}
				if f.Kind == standin.Unoffered && part != modelPart || f.Kind == standin.Pictographs && part == voicePart {
					continue
				}
				for _, abroad := range []bool{false, true} {
					m := mishap{part, f, alone, abroad}
					if long := os.Getenv("SIDETONE_TEST_LONG") != "" && (!abroad || alone && part == voicePart); long || slices.Contains(few, m.name()) {
						out = append(out, m)
					}
				}
			}
		}
	}
	return out
}

// unlucky is the agent of which one vendor fails.
func (m mishap) unlucky() string {
	listener, speaker, model := `{"type":"transcriber_deepgram","fallback":{"type":"transcriber_assembly_ai"}}`,
		`{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM","fallback":{"type":"voice_cartesia","voice_id":"a0e99841-438c-4a64-b679-ae501e7d6091"}}`,
		`,"llm_fallback":{"provider":"anthropic","model_name":"claude-haiku-4-5"}`
	if m.alone {
		listener, speaker, model = `{"type":"transcriber_deepgram"}`, `{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM"}`, ""
	}
	if m.abroad {
		model += `,"language":"es"`
	}
	return fmt.Sprintf(`{"prompt":{"content":"Be kind."},"initial_message":"Hello there.","provider":"openai","model":"gpt-4.1-mini","transcriber":%s,"voice":%s%s}`, listener, speaker, model)
}

// TestVendorsFail lets each part of a call fail in each way: the caller hears
// something in time, the record names vendor and cause, the account that was not
// accepted is marked, and nothing is left.
func TestVendorsFail(t *testing.T) {
	t.Parallel()
	listen(t)
	all := mishaps()
	var silences atomic.Int64
	sideBySide(t, 3, all, mishap.name, func(t *testing.T, m mishap) { silences.Add(m.strike(t)) })
	fmt.Printf("silences over %s in %d injected faults of vendors: %d\n", owed, len(all), silences.Load())
}

// The longest silences: what is owed to a caller comes within four seconds after
// the wait for the end of its turn, which is at most 1.5 s.
const (
	owed    = 4 * time.Second
	longest = owed + 1500*time.Millisecond
)

// strike lets a call go wrong and returns how many silences were too long.
func (m mishap) strike(t *testing.T) (silences int64) {
	paced := timing.Start(t)
	ctx := within(t, 90*time.Second)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stacks := filepath.Join(t.TempDir(), "goroutines")
	vendor := m.vendor()
	env := append(p.env(), inProcess+"="+stacks, "SIDETONE_OUTBOUND_ALLOW=127.0.0.1")
	s := startProgram(t, self, env...)
	account := s.connect(t, vendor, vendorKey, p.url[vendor])
	number := s.placeJSON(t, m.unlucky())
	before, _ := s.goroutines(t, ctx, stacks)
	p.control[vendor+" "+m.part].Inject(m.fault)

	v := s.ringAs(t, ctx, number, m.caller())
	silences = v.silences(paced)
	m.judge(t, paced, v)
	found, err := s.api.AccountConnections().Get(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if m.fault.Status == http.StatusUnauthorized {
		want = "failed"
	}
	if found.State != want {
		t.Errorf("the state of the account is %q, want %q", found.State, want)
	}
	if t.Failed() {
		v.log(t)
	}
	p.idle(t)
	s.nothingLeft(t, ctx, stacks, before)
	return silences
}

// caller asks for the price: again when nobody may have understood it, and without
// hanging up when the agent may have to.
func (m mishap) caller() softphone.Phone {
	phone := softphone.Phone{Lines: []softphone.Line{toneLine("please tell me the price", 0)}, Wait: 8 * time.Second, Patience: 900 * time.Millisecond, Length: 40 * time.Second}
	if m.part == recogniserPart && slices.Contains([]standin.Kind{standin.Mute, standin.Slow, standin.Pictographs}, m.fault.Kind) {
		phone.Lines = append(phone.Lines, toneLine("what is the price of it", 0), toneLine("tell me the price please", 0), toneLine("what price is it today", 0))
	}
	phone.Stay = m.alone && m.part != voicePart
	return phone
}

// connect stores an environment's own account at a vendor.
func (s *server) connect(t *testing.T, vendor, key, base string) (id string) {
	t.Helper()
	var made struct{ ID string }
	kind := "account_connection_" + vendor
	body := fmt.Sprintf(`{"type":%q,"default":true,"credentials":{"%s_api_key":%q},"config":{"base_url":%q}}`, kind, vendor, key, base)
	if err := s.api.Do(t.Context(), http.MethodPost, "/v1/account_connections/create", url.Values{}, json.RawMessage(body), &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// silences counts how often the caller heard nothing for too long.
func (v visit) silences(paced *timing.Meter) (n int64) {
	first := time.Duration(0)
	v.heard.frames(func(i int, _ []int16, level float64) {
		if at := time.Duration(i+1) * 20 * time.Millisecond; level > -50 && first == 0 {
			first = at
		}
	})
	if first == 0 || first > owed {
		n++
		paced.Errorf("the caller heard the first sound after %s", first)
	}
	for _, gap := range v.result.Gaps {
		if gap > longest {
			n++
			paced.Errorf("the caller waited %s for an answer", gap)
		}
	}
	if len(v.result.Gaps) < v.result.Said {
		n++
		paced.Errorf("the caller spoke %d times and got %d answers", v.result.Said, len(v.result.Gaps))
	}
	return n
}

// judge checks who took over and what is stored of the call.
func (m mishap) judge(t *testing.T, paced *timing.Meter, v visit) {
	t.Helper()
	heard := toneWords(v.heard)
	if answered := slices.Contains(heard, "dollars"); !answered && !m.alone {
		paced.Errorf("nobody took over: the caller heard %q", heard)
	}
	if m.part == recogniserPart && m.fault.Kind == standin.Slow {
		return // its words still come in time: there is nothing to name
	}
	named := false
	for _, e := range v.events {
		named = named || e.Type == "error" && e.Data["vendor"] == m.vendor() && e.Data["kind"] != nil && strings.HasPrefix(e.Text, m.part+": ")
	}
	if !named {
		t.Error("no event names vendor and cause")
	}
	if !slices.ContainsFunc(v.call.Errors, func(e string) bool { return strings.Contains(e, m.vendor()) }) {
		t.Errorf("the errors of the call do not name the vendor: %q", v.call.Errors)
	}
}

// nothingLeft waits until the server has no more goroutines than before.
func (s *server) nothingLeft(t *testing.T, ctx context.Context, path string, before int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); ; <-tick.C {
		n, stacks := s.goroutines(t, ctx, path)
		if n <= before+idleConnections {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines before the call, %d after it:\n%s", before, n, tail(stacks, 6000))
			return
		}
	}
}

// idleConnections is how many goroutines keep connections for the next request: two
// for each, to at most three vendors, and of the client of this test.
const idleConnections = 10
