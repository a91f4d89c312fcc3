package server

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/recording/disk"
	"github.com/sidetone/sidetone/store"
)

// lines is a log one can look into while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a server in this process.
type running struct {
	t     *testing.T
	ready Ready
	log   *lines
	out   *lines
	ended chan error
	stop  context.CancelFunc
}

// run starts a server and waits until it is ready.
func run(t *testing.T, c Config) *running {
	t.Helper()
	return runWith(t, c, Options{})
}

// runWith starts a server with options of the test's own.
func runWith(t *testing.T, c Config, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, log: &lines{}, out: &lines{}, ended: make(chan error, 1), stop: cancel}
	path := filepath.Join(t.TempDir(), "ready.json")
	o.ReadyFile, o.Hints, o.Out, o.Log, o.Version = path, true, r.out, r.log, "test"
	go func() { r.ended <- Run(ctx, c, o) }()
	t.Cleanup(r.end)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			if err := json.Unmarshal(text, &r.ready); err != nil {
				t.Fatalf("ready file %s: %v", text, err)
			}
			return r
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			t.Fatalf("the server ended before it was ready: %v\n%s", err, r.log)
		case <-deadline:
			t.Fatalf("the server did not become ready\n%s", r.log)
		case <-poll.C:
		}
	}
}

// end stops the server and checks that it ended well; a second time does
// nothing.
func (r *running) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("the server ended with %v\n%s", err, r.log)
		}
	case <-time.After(30 * time.Second):
		r.t.Errorf("the server did not end\n%s", r.log)
	}
}

func (r *running) client(key string) *client.Client {
	c := client.New(r.ready.HTTP, sidetone.Secret(key))
	r.t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

// figures is what /metrics answers to the first key.
func (r *running) figures() string { return r.send(http.MethodGet, "/metrics") }

// send returns the answer to a request with the first key.
func (r *running) send(method, target string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.ready.HTTP+target, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.ready.APIKey)
	res, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		r.t.Fatalf("%d %v: %s", res.StatusCode, err, text)
	}
	return string(text)
}

func TestServerServesFromAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	first := run(t, c)
	if first.ready.APIKey == "" || !strings.HasPrefix(first.ready.HTTP, "http://127.0.0.1:") || !strings.HasPrefix(first.ready.SIP, "127.0.0.1:") {
		t.Errorf("ready: %+v", first.ready)
	}
	if strings.HasSuffix(first.ready.HTTP, ":0") || strings.HasSuffix(first.ready.SIP, ":0") {
		t.Errorf("ready without the ports taken: %+v", first.ready)
	}
	api := first.client(first.ready.APIKey)
	if err := api.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	agent, err := api.Agents().Create(t.Context(), client.Agent{Prompt: &client.Prompt{Content: "playbook: hello\nwhen caller says: hi\n  say: Hello."}, InitialMessage: "Hello"})
	if err != nil {
		t.Fatalf("the first key does not work: %v", err)
	}
	figures := first.figures()
	for _, line := range []string{`sidetone_build_info{version="test",`, "sidetone_calls_live 0\n",
		`sidetone_http_requests_total{operation="AgentController_createAgent",code="201"} 1`} {
		if !strings.Contains(figures, line) {
			t.Errorf("%s is missing in\n%s", line, figures)
		}
	}
	number, err := api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.client("wrong").Agents().List(t.Context(), client.Query{}); err == nil {
		t.Error("a wrong key works")
	}
	if !strings.Contains(first.out.String(), first.ready.APIKey) {
		t.Error("the hints do not show the first key")
	}
	if strings.Contains(first.log.String(), first.ready.APIKey) {
		t.Error("the log shows the first key")
	}
	_, err = lockData(c.Data)
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a running server does not hold its data: %v", err)
	}
	kept, err := api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	first.send("POST", "/v1/numbers/detach?id="+kept.ID)
	first.end()

	second := run(t, c)
	if second.ready.APIKey != "" {
		t.Error("the second start made another key")
	}
	api = second.client(first.ready.APIKey)
	if got, err := api.Agents().Get(t.Context(), agent.ID); err != nil || got.InitialMessage != "Hello" {
		t.Errorf("agent after a restart: %+v, %v", got, err)
	}
	if _, err := api.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: number.Number}); err == nil {
		t.Error("a number that is owned was sold again after a restart")
	}
	if _, err := api.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: kept.Number}); err == nil {
		t.Error("a detached number was sold again after a restart")
	}
	second.end()
}

func TestServerSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // the cases run after this function
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	cases := []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"HTTP port taken", func(c *Config) { c.HTTP.Addr = taken.Addr().String() }, []string{"HTTP", taken.Addr().String()}},
		{"SIP port taken", func(c *Config) { c.SIP.Addr = udp.LocalAddr().String() }, []string{"SIP", udp.LocalAddr().String()}},
		{"bad source", func(c *Config) { c.SIP.Sources = []string{"everywhere"} }, []string{"sip.sources", "everywhere"}},
		{"bad database", func(c *Config) { c.Database.URL = "mysql://x" }, []string{"store"}},
		{"data is a file", func(c *Config) { c.Data = write(t, "") }, []string{"data directory"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			c.change(&config)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err := Run(ctx, config, Options{})
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
			}
		})
	}
	t.Run("data held", func(t *testing.T) { //nolint:paralleltest // quick
		config := testConfig(t)
		lock, err := lockData(config.Data)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lock.Close() }()
		if err := Run(t.Context(), config, Options{}); err == nil || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("error %v", err)
		}
		if err := WithStore(t.Context(), config, nil); err == nil || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("WithStore: error %v", err)
		}
	})
	t.Run("ready file", func(t *testing.T) { //nolint:paralleltest // quick
		err := Run(t.Context(), testConfig(t), Options{ReadyFile: filepath.Join(t.TempDir(), "missing", "ready.json")})
		if err == nil || !strings.Contains(err.Error(), "ready file") {
			t.Errorf("error %v", err)
		}
	})
}

func TestIssuedKeysWork(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	ctx := t.Context()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var secret sidetone.Secret
	err := WithStore(ctx, c, func(s *store.Store) error {
		e, err := s.CreateAccount(ctx, "a", "e")
		if err != nil {
			return err
		}
		secret = sidetone.NewKey()
		if err := insertKey(ctx, s, e.ID, "mine", secret, now); err != nil {
			return err
		}
		who, err := s.Authenticate(ctx, sha256.Sum256([]byte(secret.Reveal())))
		if err != nil || who.EnvironmentID != e.ID {
			t.Errorf("authenticated as %+v, %v", who, err)
		}
		keys, err := s.APIKeys(ctx, e.ID)
		if err != nil || len(keys) != 1 || keys[0].Label != "mine" || keys[0].Hint != secret.Hint() || !keys[0].Created.Equal(now) {
			t.Errorf("keys: %+v, %v", keys, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := WithStore(ctx, c, func(*store.Store) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("the error of do: got %v", err)
	}
	r := run(t, c) // the store and the lock were released
	if r.ready.APIKey != "" {
		t.Error("a store with an environment got a first key")
	}
	if _, err := r.client(secret.Reveal()).Agents().List(ctx, client.Query{}); err != nil {
		t.Errorf("the issued key does not work: %v", err)
	}
}

func TestLostCallsAreClosedAtStart(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	ctx := t.Context()
	now := time.Now()
	var key sidetone.Secret
	err := WithStore(ctx, c, func(s *store.Store) error {
		e, err := s.CreateAccount(ctx, "a", "e")
		if err != nil {
			return err
		}
		key = sidetone.NewKey()
		if err := insertKey(ctx, s, e.ID, "k", key, now); err != nil {
			return err
		}
		lost := sidetone.Call{ID: "00000000-0000-7000-8000-000000000001", EnvironmentID: e.ID, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp,
			FromNumber: "+12025550199", ToNumber: "+14155550100", AgentNumber: "+14155550100", Created: now, Started: now,
			Node: "dead", Lease: now.Add(10 * time.Second), Context: []byte("{}"), Params: []byte("{}")}
		if err := s.StartCall(ctx, lost); err != nil {
			return err
		}
		said := sidetone.Event{CallID: lost.ID, EnvironmentID: e.ID, Sequence: 1, Kind: sidetone.EventCaller, At: now, Text: "are you there", Data: []byte("{}")}
		if err := (ledger{s}).AppendEvents(ctx, e.ID, []sidetone.Event{said}); err != nil {
			return err
		}
		log := slog.New(slog.DiscardHandler)
		rec, err := disk.New(filepath.Join(c.Data, "recordings"), log)
		if err != nil {
			return err
		}
		one, err := rec.Create(lost.ID, 8000)
		if err != nil {
			return err
		}
		for i := range 100 {
			one.Agent(make([]int16, 160), time.Duration(i)*20*time.Millisecond)
		}
		return rec.Close() // as a crash leaves it: the call's file is not completed
	})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, c)
	api := r.client(key.Reveal())
	got, err := api.Calls().Get(ctx, "00000000-0000-7000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != "error" || !strings.Contains(got.Transcript, "are you there") {
		t.Errorf("lost call: %+v", got)
	}
	var kinds, texts []string
	for e, err := range api.Calls().Events(ctx, got.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		kinds, texts = append(kinds, e.Type), append(texts, e.Text)
	}
	if len(kinds) != 2 || kinds[1] != "ended" || texts[1] != "server_restart" {
		t.Errorf("events: %v %v", kinds, texts)
	}
	if !strings.Contains(r.log.String(), "lost call closed") {
		t.Errorf("the log does not tell:\n%s", r.log)
	}
	r.end()
	if again := run(t, c); strings.Contains(again.log.String(), "lost call closed") {
		t.Error("a closed call was closed again")
	}
}

func TestReaperGivesNodesAMomentToRenew(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	ctx := t.Context()
	err := WithStore(ctx, c, func(st *store.Store) error {
		e, err := st.CreateAccount(ctx, "a", "e")
		if err != nil {
			return err
		}
		past := time.Now().Add(-time.Hour)
		for _, id := range []string{"dead", "slow"} {
			lost := sidetone.Call{ID: id, EnvironmentID: e.ID, Status: sidetone.CallInProgress, Stage: sidetone.StagePickedUp, Created: past,
				Node: id, Lease: past, Context: []byte("{}"), Params: []byte("{}")}
			if err := st.StartCall(ctx, lost); err != nil {
				return err
			}
		}
		s := &server{config: c, store: st, clock: systemClock(), log: slog.New(slog.DiscardHandler), stop: make(chan struct{})}
		if s.disk, err = disk.New(filepath.Join(c.Data, "recordings"), s.log); err != nil {
			return err
		}
		defer func() { _ = s.disk.Close() }()
		s.startCalls()
		defer s.stopCalls()
		now := time.Now()
		s.clock.Now = func() time.Time { return now }
		suspects := s.reapOnce(ctx, map[string]time.Time{})
		if suspects = s.reapOnce(ctx, suspects); len(suspects) != 2 {
			t.Errorf("after two looks in a row: suspects %v", suspects)
		}
		if _, err := st.RenewLeases(ctx, "slow", []string{"slow"}, time.Now().Add(time.Minute)); err != nil {
			return err
		}
		now = now.Add(reapAfter)
		if suspects = s.reapOnce(ctx, suspects); len(suspects) != 0 {
			t.Errorf("after the last look: suspects %v", suspects)
		}
		for id, want := range map[string]sidetone.CallStatus{"dead": sidetone.CallError, "slow": sidetone.CallInProgress} {
			err := st.Read(ctx, e.ID, func(tx *store.Tx) error {
				got, err := tx.Call(id)
				if err == nil && got.Status != want {
					t.Errorf("call %s: status %s, want %s", id, got.Status, want)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
