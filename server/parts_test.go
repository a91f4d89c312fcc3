package server

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/transcriber"
)

func TestDataDirectoryHasOneHolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "data")
	lock, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", info, err)
	}
	_, err = lockData(dir)
	if want := fmt.Sprintf("process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second lock: got %v, want the directory and %q", err, want)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockData(dir)
	if err != nil {
		t.Fatalf("lock of a directory that is free again: %v", err)
	}
	_ = again.Close()
}

func TestLockFailsWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	file := write(t, "in the way")
	if _, err := lockData(filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), "make data directory") {
		t.Errorf("directory below a file: got %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := lockData(dir); err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("lock is a directory: got %v", err)
	}
}

func TestReadyFileIsPrivateAndWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ready.json")
	for _, want := range []Ready{{HTTP: "http://127.0.0.1:1", SIP: "127.0.0.1:2", APIKey: "key"}, {HTTP: "http://127.0.0.1:3", SIP: "127.0.0.1:4"}} {
		if err := writeReady(path, want); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got Ready
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("ready file %s: got %+v, want %+v (%v)", text, got, want, err)
		}
		if strings.Contains(string(text), "api_key") != (want.APIKey != "") {
			t.Errorf("ready file %s", text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode: %v, %v", info.Mode(), err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
	if err := writeReady(filepath.Join(dir, "missing", "ready.json"), Ready{}); err == nil || !strings.Contains(err.Error(), "ready file") {
		t.Errorf("missing directory: got %v", err)
	}
}

// plan is what of a call.Plan can be compared.
type plan struct {
	ears, voice, model string
	carrier, echo      bool
	waits              bool
}

func TestPlanChoosesDrivers(t *testing.T) {
	t.Parallel()
	tty := Defaults()
	tty.Speech.Voice = "tty"
	scripted := func(p plan) plan { p.model = "scripted"; return p }
	speech := scripted(plan{ears: "pocketsphinx", voice: "flite", waits: true})
	baudot := scripted(plan{ears: "tty", voice: "tty", carrier: true})
	cases := []struct {
		name            string
		config          Config
		provider, voice string
		rate            int
		want            plan
	}{
		{"default wideband", Defaults(), "", "", 16000, speech},
		{"default narrowband", Defaults(), "scripted", "", 8000, speech},
		{"flite wideband", tty, "scripted", "voice_flite", 16000, speech},
		{"flite narrowband", tty, "", "voice_flite", 8000, speech},
		{"default tty", tty, "", "", 8000, baudot},
		{"tty narrowband", Defaults(), "", "voice_tty", 8000, baudot},
		{"tty wideband", Defaults(), "", "voice_tty", 16000, baudot},
		{"echo", Defaults(), "echo", "voice_tty", 8000, plan{echo: true}},
		{"bench", Defaults(), "bench", "", 16000, plan{ears: "bench", voice: "bench", model: "bench"}},
	}
	for _, c := range cases {
		p := testProviders(c.config)
		got, err := p.Plan(t.Context(), planned(sidetone.Agent{Provider: c.provider, Model: "m", VoiceID: c.voice}, sidetone.Voice{Type: c.voice}), c.rate)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		name := func(d any) string {
			if isPlaybook(d) {
				return "scripted"
			}
			switch d {
			case nil:
				return ""
			case any(p.sphinx):
				return "pocketsphinx"
			case any(p.tty), any(p.baudot):
				return "tty"
			case any(p.flite):
				return "flite"
			case any(benchEars{}), any(benchVoice{}), any(benchModel{}):
				return "bench"
			}
			return fmt.Sprintf("%T", d)
		}
		is := plan{name(listens(got).Driver), name(speaks(got).Driver), name(thinks(got).Driver), listens(got).Carrier, got.Echo, listens(got).FinalWait > 0}
		if is != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, is, c.want)
		}
	}
}

// Agents that test the line are for this machine, unless the operator says more.
func TestTestAgentsTakeCallsOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	cases := []struct {
		http, sip string
		allowed   bool // by the operator
		want      bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:5060", false, true},
		{"localhost:0", "[::1]:5060", false, true},
		{"0.0.0.0:8080", "127.0.0.1:5060", false, false},
		{"127.0.0.1:8080", ":5060", false, false},
		{"127.0.0.1:8080", "192.0.2.1:5060", false, false},
		{"example.org:80", "127.0.0.1:5060", false, false},
		{":8080", ":5060", true, true},
	}
	for _, c := range cases {
		config := Defaults()
		config.HTTP.Addr, config.SIP.Addr, config.Calls.TestAgents = c.http, c.sip, c.allowed
		p := testProviders(config)
		for _, provider := range []string{"echo", "bench"} {
			_, err := p.Plan(t.Context(), planned(sidetone.Agent{Provider: provider}, sidetone.Voice{}), 8000)
			var refused *telephony.Refusal
			if (err == nil) != c.want || err != nil && (!errors.As(err, &refused) || !strings.Contains(refused.Reason, "calls.test_agents")) {
				t.Errorf("%s with HTTP on %s and SIP on %s: got %v", provider, c.http, c.sip, err)
			}
		}
	}
}

func TestPlanRefusesWhatIsNotConfigured(t *testing.T) {
	t.Parallel()
	strict := Defaults()
	strict.Speech.Substitute = false
	text := Defaults()
	text.Speech.Voice = "tty"
	bare := func(a sidetone.Agent) sidetone.Call {
		return sidetone.Call{Snapshot: sidetone.Snapshot{Agent: a, Prompt: sidetone.Prompt{Content: "Be kind."}}}
	}
	broken := bare(sidetone.Agent{})
	broken.Snapshot.Prompt.Content = "\ufeffNice.\nplaybook: x\nblah"
	azure, named := sidetone.Voice{Type: "voice_azure"}, []byte(`{"transcriber":{"type":"transcriber_x"}}`)
	for want, c := range map[string]struct {
		config Config
		call   sidetone.Call
	}{
		`provider "oracle" is not configured`:                                   {Defaults(), bare(sidetone.Agent{Provider: "oracle"})},
		`model "mine" is not configured`:                                        {Defaults(), bare(sidetone.Agent{Model: "mine"})},
		"the playbook in its prompt cannot be read: line 3, column 1: expected": {Defaults(), broken},
		"its prompt has no playbook":                                            {Defaults(), bare(sidetone.Agent{})},
		`no other voice for language "es"`:                                      {Defaults(), planned(sidetone.Agent{VoiceID: "v", Language: "es"}, azure)},
		`voice "voice_flite" does not serve language "es"`:                      {Defaults(), planned(sidetone.Agent{Language: "es"}, sidetone.Voice{})},
		"speech.substitute is off":                                              {strict, planned(sidetone.Agent{VoiceID: "v"}, azure)},
		"own voice is for text telephones":                                      {text, planned(sidetone.Agent{VoiceID: "v"}, azure)},
		`"transcriber_x" is not configured here, and speech.substitute is off`:  {strict, planned(sidetone.Agent{Extra: named}, sidetone.Voice{})},
	} {
		_, err := testProviders(c.config).Plan(t.Context(), c.call, 16000)
		var refused *telephony.Refusal
		if !errors.As(err, &refused) || refused.Cause != telephony.CauseUnavailable || !strings.Contains(refused.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	none := Defaults()
	none.Calls.Offline = 0
	for _, rate := range []int{8000, 16000} {
		if _, err := testProviders(none).Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), rate); !errors.Is(err, transcriber.ErrBusy) {
			t.Errorf("no free recogniser at %d Hz: got %v, want ErrBusy", rate, err)
		}
	}
}

func TestPlanReplacesWhatCannotServe(t *testing.T) {
	t.Parallel()
	p := testProviders(Defaults())
	got, err := p.Plan(t.Context(), planned(sidetone.Agent{VoiceID: "v", Language: "en-GB"}, sidetone.Voice{Type: "voice_azure", Config: []byte(`{"voice_id":"ava"}`)}), 16000)
	if err != nil || speaks(got).Driver != p.flite || speaks(got).Name != "" || listens(got).Driver != p.sphinx {
		t.Errorf("voice_azure: got %+v, %v", got, err)
	}
	if want := []string{`voice "voice_azure" is not configured here: voice_flite speaks instead`}; !slices.Equal(got.Notices, want) {
		t.Errorf("got %q", got.Notices)
	}
	got.Release()
	got, err = p.Plan(t.Context(), planned(sidetone.Agent{Provider: "openai"}, sidetone.Voice{}), 16000)
	if err != nil || !isPlaybook(thinks(got).Driver) || !slices.Equal(got.Notices, []string{`provider "openai" is not configured here: the playbook answers`}) {
		t.Errorf("a playbook of a vendor's agent: got %+v, %v", got, err)
	}
	got.Release()
	deepgram := planned(sidetone.Agent{Extra: []byte(`{"transcriber":{"type":"transcriber_deepgram"}}`)}, sidetone.Voice{})
	for _, rate := range []int{8000, 16000} {
		got, err = p.Plan(t.Context(), deepgram, rate)
		if err != nil || listens(got).Driver != p.sphinx || !slices.Equal(got.Notices, []string{`recogniser "transcriber_deepgram" is not configured here: pocketsphinx listens instead`}) {
			t.Errorf("another recogniser at %d Hz: got %+v, %v", rate, got, err)
		}
		got.Release()
	}
	spanish, err := p.Plan(t.Context(), planned(sidetone.Agent{VoiceID: "v", Language: "es"}, sidetone.Voice{Type: "voice_tty"}), 8000)
	if err != nil || len(spanish.Notices) > 0 {
		t.Errorf("a text telephone writes Spanish: got %+v, %v", spanish, err)
	}
}

// TestCallsSayWhatDoesNotAct: parts of a call that are only stored stand in its
// plan.
func TestCallsSayWhatDoesNotAct(t *testing.T) {
	t.Parallel()
	c := planned(sidetone.Agent{Model: "gpt-4o", RunDoNotCall: true, Temperature: 0.5}, sidetone.Voice{Type: "voice_flite"})
	c.Snapshot.Webhook = &sidetone.Webhook{ID: "w", URL: "https://secret.example"}
	c.Snapshot.Actions = []sidetone.Action{{Type: "action_warm_transfer"}, {Type: "action_warm_transfer"}, {Type: "action_end_conversation"}}
	c.OnNoHuman, c.RunDoNotCall = "hangup", true
	got, err := testProviders(Defaults()).Plan(t.Context(), c, 8000)
	if err != nil {
		t.Fatal(err)
	}
	var properties []string
	for _, n := range got.Notices {
		property, sentence, _ := strings.Cut(n, ": ")
		if properties = append(properties, property); strings.Contains(sentence, "secret") || sentence == "" {
			t.Errorf("got %q", n)
		}
	}
	slices.Sort(properties)
	want := []string{"agent.actions[]", "agent.actions[]", "agent.llm_temperature", "agent.model", "agent.run_do_not_call_detection", "on_no_human_answer"}
	if diff := cmp.Diff(want, properties); diff != "" {
		t.Error(diff)
	}
	plain := planned(sidetone.NewAgent("a", "e", "p", time.Time{}), sidetone.Voice{Type: "voice_flite"})
	plain.OnNoHuman = "continue"
	if got, err := testProviders(Defaults()).Plan(t.Context(), plain, 16000); err != nil || len(got.Notices) > 0 {
		t.Errorf("an agent that acts as a whole: %q, %v", got.Notices, err)
	}
}

// testProviders has the drivers of the server itself.
// TestTestCallsSayWhatDoesNotAct: so do agents that test the line. The model of a
// bench agent acts.
func TestTestCallsSayWhatDoesNotAct(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string][]string{
		"echo":  {"agent.model", "agent.run_do_not_call_detection"},
		"bench": {"agent.run_do_not_call_detection"},
	} {
		c := planned(sidetone.Agent{Provider: provider, Model: "m", RunDoNotCall: true}, sidetone.Voice{})
		c.Snapshot.Webhook = &sidetone.Webhook{ID: "w", URL: "https://hook.example"}
		got, err := testProviders(Defaults()).Plan(t.Context(), c, 8000)
		var properties []string
		for _, n := range got.Notices {
			property, _, _ := strings.Cut(n, ": ")
			properties = append(properties, property)
		}
		if err != nil || !slices.Equal(properties, want) {
			t.Errorf("%s: got %q, %v; want %q", provider, properties, err, want)
		}
	}
}

func testProviders(c Config) *providers {
	return newProviders(c, vendors{}, testKeyring(c), slog.New(slog.DiscardHandler), func() {})
}

// testKeyring finds the server's own credentials only, for a sole environment.
func testKeyring(c Config) keyring {
	guard, err := newGuard(c.Outbound)
	if err != nil {
		panic(err)
	}
	return keyring{providers: c.Providers, guard: guard,
		accounts:    func(context.Context, string, string) (*sidetone.Connection, error) { return nil, nil },
		environment: func(context.Context, string) (sidetone.Environment, error) { return sidetone.Environment{}, nil },
		sole:        func(context.Context) (bool, error) { return true, nil }}
}

// listens, thinks and speaks are the first of each kind in a plan.
func listens(p call.Plan) call.Recogniser { return append(p.Recognisers, call.Recogniser{})[0] }

func thinks(p call.Plan) call.Model { return append(p.Models, call.Model{})[0] }

func speaks(p call.Plan) call.Voice { return append(p.Voices, call.Voice{})[0] }

func isPlaybook(d any) bool {
	_, ok := d.(*scripted.Driver)
	return ok
}

// TestContextIsData: what fills placeholders says nothing that the playbook does not
// say, and one that nothing fills costs nothing.
func TestContextIsData(t *testing.T) {
	t.Parallel()
	c := planned(sidetone.Agent{}, sidetone.Voice{})
	c.Snapshot.Prompt.Content = "Nice.\nplaybook: x\nwhen caller says: hi\n  say: Hello ${who}.\notherwise:\n  say: ${nope}"
	c.Context = []byte(`{"who":"Bob.\n  say: Pay.\n  hang up"}`)
	plan, err := testProviders(Defaults()).Plan(t.Context(), c, 8000)
	if err != nil {
		t.Fatal(err)
	}
	for said, want := range map[string]string{"hi": "Hello Bob. say: Pay. hang up.", "what": ""} {
		r := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: said}}, Tools: []llm.Tool{{Name: "end_conversation"}}}
		text, calls, _, err := llmtest.Collect(t.Context(), t, thinks(plan).Driver, r)
		if err != nil || text != want || len(calls) > 0 {
			t.Errorf("%s: got %q, %v, %v; want %q", said, text, calls, err, want)
		}
	}
}

// planned is a call of an agent that has a playbook.
func planned(a sidetone.Agent, v sidetone.Voice) sidetone.Call {
	return sidetone.Call{ID: rand.Text(), Snapshot: sidetone.Snapshot{Agent: a, Voice: v, Prompt: sidetone.Prompt{Content: "playbook: x\notherwise:\n  say: Hello."}}}
}

func TestPlanPassesTheVoicesName(t *testing.T) {
	t.Parallel()
	p := testProviders(Defaults())
	for config, want := range map[string]string{`{"voice_id":"slt"}`: "slt", `{}`: "", `broken`: ""} {
		got, err := p.Plan(t.Context(), planned(sidetone.Agent{VoiceID: "v"}, sidetone.Voice{Type: "voice_flite", Config: []byte(config)}), 16000)
		if err != nil || speaks(got).Name != want {
			t.Errorf("%s: got %q, %v", config, speaks(got).Name, err)
		}
	}
}

// TestNamesOfOwnVoices: the names that the interface takes are those that the voice
// speaks with.
func TestNamesOfOwnVoices(t *testing.T) {
	t.Parallel()
	_, names := support.NewTable().Possible("voice", "voice", "")
	if diff := cmp.Diff(flite.New(flite.Options{}).Voices(), names); diff != "" {
		t.Error(diff)
	}
	for _, name := range names {
		got, err := testProviders(Defaults()).Plan(t.Context(), planned(sidetone.Agent{VoiceID: "v"}, sidetone.Voice{Type: "voice_flite", Config: []byte(`{"voice":"` + name + `"}`)}), 16000)
		if err != nil || speaks(got).Name != name {
			t.Errorf("%s: got %q, %v", name, speaks(got).Name, err)
		}
	}
}

// TestOwnRecognisersListen: an agent may name the server's own recognisers.
func TestOwnRecognisersListen(t *testing.T) {
	t.Parallel()
	p := testProviders(Defaults())
	plan := func(kind, voice, language string, rate int) (call.Plan, error) {
		extra := []byte(`{"transcriber":{"type":"` + kind + `"}}`)
		return p.Plan(t.Context(), planned(sidetone.Agent{VoiceID: "v", Language: language, Extra: extra}, sidetone.Voice{Type: voice}), rate)
	}
	for name, c := range map[string]struct {
		kind, voice string
		rate        int
		ears        transcriber.Driver
		carrier     bool
		notice      string
	}{
		"speech":                          {"pocketsphinx", "voice_flite", 16000, p.sphinx, false, ""},
		"speech on a line of 8 kHz":       {"pocketsphinx", "voice_flite", 8000, p.sphinx, false, ""},
		"a text telephone":                {"tty", "voice_flite", 8000, p.tty, true, ""},
		"a text telephone, both ways":     {"tty", "voice_tty", 8000, p.tty, true, ""},
		"speech beside a typed voice":     {"pocketsphinx", "voice_tty", 16000, p.tty, true, `recogniser "pocketsphinx" is for speech: a voice for text telephones listens with "tty"`},
		"a vendor's beside a typed voice": {"transcriber_deepgram", "voice_tty", 16000, p.tty, true, `recogniser "transcriber_deepgram" is for speech: a voice for text telephones listens with "tty"`},
	} {
		got, err := plan(c.kind, c.voice, "en", c.rate)
		if notices := strings.Join(got.Notices, "\n"); err != nil || listens(got).Driver != c.ears || listens(got).Carrier != c.carrier ||
			!strings.HasPrefix(notices, c.notice) || (c.notice == "") != (notices == "") {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := plan("tty", "voice_tty", "es", 8000); err != nil {
		t.Errorf("a text telephone in Spanish: %v", err)
	}
	var refused *telephony.Refusal
	spanish := planned(sidetone.Agent{Language: "es", Extra: []byte(`{"transcriber":{"type":"pocketsphinx"}}`)}, sidetone.Voice{})
	if err := p.listen(t.Context(), spanish, settings{}, &call.Plan{}, &closers{}, 16000); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "English only") {
		t.Errorf("speech in Spanish: %v", err)
	}
}

func TestBenchSpeaksAtOnceAndHearsAtOnce(t *testing.T) {
	t.Parallel()
	p := benchPlan("")
	var text string
	for d, err := range thinks(p).Driver.Generate(t.Context(), llm.Request{Model: "2"}) {
		if err != nil {
			t.Fatal(err)
		}
		text += d.Text
	}
	if text != "tone tone." {
		t.Errorf("the model said %q", text)
	}
	var words []synthesizer.Word
	samples := 0
	for c, err := range speaks(p).Driver.Speak(t.Context(), synthesizer.Request{Text: text, Rate: 8000}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(words) == 0 && (c.PCM[0] < 7000 || c.PCM[0] > 8001) {
			t.Errorf("the first sample is %d, want it audible", c.PCM[0])
		}
		samples += len(c.PCM)
		words = append(words, c.Words...)
	}
	want := []synthesizer.Word{{Start: 0, End: 4, FromSample: 0, ToSample: 1600}, {Start: 5, End: 10, FromSample: 1600, ToSample: 3200}}
	if diff := cmp.Diff(want, words); diff != "" || samples != 3200 {
		t.Errorf("%d samples, words (-want +got):\n%s", samples, diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := listens(p).Driver.Open(ctx, transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		stream.Finalize() // more than anybody reads: dropped, never waited for
	}
	heard := 0
	for e, err := range stream.Events() {
		if err != nil || e.Kind != transcriber.Final || !e.Flushed {
			t.Errorf("event %+v, %v", e, err)
		}
		if heard++; heard == 3 {
			cancel()
		}
		if heard == 8 {
			break
		}
	}
	cancel()
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	_ = stream.Close()
	for range stream.Events() {
		break // at most what was queued before the end
	}
}

// named finds a finding.
func named(t *testing.T, all []Finding, name string) Finding {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no finding %q among %+v", name, all)
	return Finding{}
}

func testConfig(t *testing.T) Config {
	t.Helper()
	c := Defaults()
	c.Data = filepath.Join(t.TempDir(), "data")
	c.HTTP.Addr, c.SIP.Addr = "127.0.0.1:0", "127.0.0.1:0"
	return c
}

func TestDoctorIsContentWithAHealthyMachine(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	all := Doctor(t.Context(), c)
	for _, f := range all {
		if f.Name == "" || f.Detail == "" {
			t.Errorf("finding without name or detail: %+v", f)
		}
		if f.Fix != "" && !f.Optional {
			t.Errorf("a healthy machine has to be fixed: %+v", f)
		}
	}
	if f := named(t, all, "speech"); !strings.Contains(f.Detail, "heard") || f.Fix != "" {
		t.Errorf("speech: %+v", f)
	}
	left, err := os.ReadDir(c.Data)
	if err != nil || len(left) > 1 {
		t.Errorf("left in the data directory: %v, %v", left, err)
	}
}

// The doctor looks into the database: is there one, of which version, and is it
// whole?
func TestDoctorKnowsTheSchema(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	look := func() Finding { return checkDatabase(t.Context(), c) }
	if f := look(); f.Fix != "" || !strings.Contains(f.Detail, "makes it") {
		t.Errorf("without a database: %+v", f)
	}
	if err := WithStore(t.Context(), c, func(*store.Store) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Fix != "" || !strings.Contains(f.Detail, "up to date") {
		t.Errorf("migrated: %+v", f)
	}
	db, err := sql.Open("sqlite", filepath.Join(c.Data, "sidetone.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	change := func(text string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	if f := look(); f.Optional || !strings.Contains(f.Fix, "later") || !strings.Contains(f.Detail, "9999") {
		t.Errorf("of a later program: %+v", f)
	}
	change("DELETE FROM goose_db_version WHERE version_id > 1")
	if f := look(); !f.Optional || !strings.Contains(f.Fix, "sidetone migrate") || !strings.Contains(f.Detail, "schema 1,") {
		t.Errorf("of an earlier program: %+v", f)
	}
	change("DROP TABLE goose_db_version")
	if f := look(); !f.Optional || !strings.Contains(f.Fix, "sidetone migrate") {
		t.Errorf("never migrated: %+v", f)
	}
	if err := os.WriteFile(filepath.Join(c.Data, "sidetone.db"), []byte("this is no database at all, however long it is"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Fix == "" {
		t.Errorf("broken: %+v", f)
	}
}

func TestDoctorTriesTheMediaPorts(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.LocalAddr().(*net.UDPAddr).Port
	c := Defaults().SIP
	if f := checkRTP(t.Context(), c); f.Fix != "" {
		t.Errorf("without a range: %+v", f)
	}
	c.RTPMin, c.RTPMax = port, port
	if f := checkRTP(t.Context(), c); f.Optional || !strings.Contains(f.Fix, "sip.rtp_min") || !strings.Contains(f.Detail, "0 of 1 ") {
		t.Errorf("no port free: %+v", f)
	}
	c.RTPMin, c.RTPMax = port-3, port
	if f := checkRTP(t.Context(), c); !strings.Contains(f.Detail, "address already in use") || f.Fix == "" {
		t.Errorf("a port taken: %+v", f)
	}
	c.Addr = "nowhere"
	if f := checkRTP(t.Context(), c); f.Fix != "correct sip.addr" {
		t.Errorf("bad address: %+v", f)
	}
}

func TestDoctorTriesSpeech(t *testing.T) {
	t.Parallel()
	works := Defaults().Speech
	dumb, deaf := works, works
	dumb.Flite, deaf.Pocketsphinx = "false", "true"
	for name, c := range map[string]SpeechConfig{"no voice": dumb, "no ears": deaf} {
		if f := checkSpeech(t.Context(), c); f.Fix == "" || !f.Optional || f.Detail == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	talking, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = talking.Close() }()
	c := testConfig(t)
	c.HTTP.Addr, c.SIP.Addr = taken.Addr().String(), talking.LocalAddr().String()
	c.Speech.Flite, c.Speech.Pocketsphinx = "no-such-flite", "no-such-sphinx"
	c.Calls.Max = 1 << 40
	lock, err := lockData(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	all := Doctor(t.Context(), c)
	for _, want := range []struct {
		name, detail, fix string
		optional          bool
	}{
		{"data directory", "in use by process", "stop that process", true},
		{"http.addr", taken.Addr().String(), "another program listens there", false},
		{"sip.addr (UDP)", talking.LocalAddr().String(), "another program listens there", false},
		{"synthesiser", "no-such-flite", "apt-get install", true},
		{"recogniser", "no-such-sphinx", "apt-get install", true},
		{"open files", "allowed", "calls.max", true},
	} {
		f := named(t, all, want.name)
		if !strings.Contains(f.Detail, want.detail) || !strings.Contains(f.Fix, want.fix) || f.Optional != want.optional {
			t.Errorf("%s: got %+v, want %+v", want.name, f, want)
		}
	}
	c.Data = filepath.Join(write(t, ""), "data")
	c.HTTP.Addr = "nowhere:port:0"
	all = Doctor(t.Context(), c)
	if f := named(t, all, "data directory"); f.Fix == "" || f.Optional {
		t.Errorf("data directory below a file: %+v", f)
	}
	if f := named(t, all, "http.addr"); f.Fix != "correct the address" {
		t.Errorf("bad address: %+v", f)
	}
}

func TestPlacesAtTheRecogniserAreReservedAndGivenBack(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Calls.Offline = 2
	p := testProviders(c)
	first, err := p.Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), 16000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), 16000); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), 16000); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("third of two places: got %v, want ErrBusy", err)
	}
	first.Release()
	first.Release()
	if _, err := p.Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), 16000); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
	if _, err := p.Plan(t.Context(), planned(sidetone.Agent{}, sidetone.Voice{}), 16000); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("giving back twice made room for two: %v", err)
	}
}
