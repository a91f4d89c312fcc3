package server

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/synthesizer"
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
	wide := scripted(plan{ears: "pocketsphinx", voice: "flite", waits: true})
	narrow := scripted(plan{ears: "tty", voice: "flite"})
	baudot := scripted(plan{ears: "tty", voice: "tty", carrier: true})
	cases := []struct {
		name            string
		config          Config
		provider, voice string
		rate            int
		want            plan
	}{
		{"default wideband", Defaults(), "", "", 16000, wide},
		{"default narrowband", Defaults(), "scripted", "", 8000, narrow},
		{"flite wideband", tty, "scripted", "voice_flite", 16000, wide},
		{"flite narrowband", tty, "", "voice_flite", 8000, narrow},
		{"default tty", tty, "", "", 8000, baudot},
		{"tty narrowband", Defaults(), "", "voice_tty", 8000, baudot},
		{"tty wideband", Defaults(), "", "voice_tty", 16000, baudot},
		{"echo", Defaults(), "echo", "voice_tty", 8000, plan{echo: true}},
		{"bench", Defaults(), "bench", "", 16000, plan{ears: "bench", voice: "bench", model: "bench"}},
	}
	for _, c := range cases {
		p := newProviders(c.config, slog.New(slog.DiscardHandler))
		got, err := p.Plan(sidetone.Snapshot{Agent: sidetone.Agent{Provider: c.provider, Model: "m", VoiceID: c.voice}, Voice: sidetone.Voice{Type: c.voice}}, c.rate)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		name := func(d any) string {
			switch d {
			case nil:
				return ""
			case any(p.sphinx):
				return "pocketsphinx"
			case any(p.tty), any(p.baudot):
				return "tty"
			case any(p.flite):
				return "flite"
			case any(p.script):
				return "scripted"
			case any(benchEars{}), any(benchVoice{}), any(benchModel{}):
				return "bench"
			}
			return fmt.Sprintf("%T", d)
		}
		is := plan{name(got.Transcriber), name(got.Voice), name(got.Model), got.Carrier, got.Echo, got.FinalWait > 0}
		if is != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, is, c.want)
		}
	}
}

func TestPlanRefusesWhatIsNotConfigured(t *testing.T) {
	t.Parallel()
	p := newProviders(Defaults(), slog.New(slog.DiscardHandler))
	_, err := p.Plan(sidetone.Snapshot{Agent: sidetone.Agent{Provider: "oracle"}}, 8000)
	if sidetone.CodeOf(err) != sidetone.Invalid || !strings.Contains(err.Error(), "oracle") {
		t.Errorf("unknown provider: got %v", err)
	}
	if _, err := p.Plan(sidetone.Snapshot{Agent: sidetone.Agent{VoiceID: "v"}, Voice: sidetone.Voice{Type: "voice_opera"}}, 8000); err == nil || !strings.Contains(err.Error(), "voice_opera") {
		t.Errorf("unknown voice: got %v", err)
	}
	none := Defaults()
	none.Calls.Offline = 0
	if _, err := newProviders(none, slog.New(slog.DiscardHandler)).Plan(sidetone.Snapshot{}, 16000); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("no free recogniser: got %v, want ErrBusy", err)
	}
	if _, err := newProviders(none, slog.New(slog.DiscardHandler)).Plan(sidetone.Snapshot{}, 8000); err != nil {
		t.Errorf("narrowband needs no recogniser: %v", err)
	}
}

func TestPlanPassesTheVoicesName(t *testing.T) {
	t.Parallel()
	p := newProviders(Defaults(), slog.New(slog.DiscardHandler))
	for config, want := range map[string]string{`{"voice_id":"slt"}`: "slt", `{}`: "", `broken`: ""} {
		got, err := p.Plan(sidetone.Snapshot{Voice: sidetone.Voice{Type: "voice_flite", Config: []byte(config)}}, 16000)
		if err != nil || got.VoiceName != want {
			t.Errorf("%s: got %q, %v", config, got.VoiceName, err)
		}
	}
}

func TestBenchSpeaksAtOnceAndHearsAtOnce(t *testing.T) {
	t.Parallel()
	p := benchPlan("")
	var text string
	for d, err := range p.Model.Generate(t.Context(), llm.Request{Model: "2"}) {
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
	for c, err := range p.Voice.Speak(t.Context(), synthesizer.Request{Text: text, Rate: 8000}) {
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
	stream, err := p.Transcriber.Open(ctx, transcriber.Config{Rate: 8000})
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
	p := newProviders(c, slog.New(slog.DiscardHandler))
	first, err := p.Plan(sidetone.Snapshot{}, 16000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plan(sidetone.Snapshot{}, 16000); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plan(sidetone.Snapshot{}, 16000); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("third of two places: got %v, want ErrBusy", err)
	}
	first.Release()
	first.Release()
	if _, err := p.Plan(sidetone.Snapshot{}, 16000); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
	if _, err := p.Plan(sidetone.Snapshot{}, 16000); !errors.Is(err, transcriber.ErrBusy) {
		t.Errorf("giving back twice made room for two: %v", err)
	}
	if narrow, err := p.Plan(sidetone.Snapshot{}, 8000); err != nil || !strings.Contains(narrow.Notice, "G.722") {
		t.Errorf("narrowband: got notice %q, %v", narrow.Notice, err)
	}
}
