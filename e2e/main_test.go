package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
)

// program is what is tested; TestMain builds it.
var program string

// builtProgram names the program when it was built by the process that started this one.
const builtProgram = "E2E_PROGRAM"

// lines bounds how many tests are on the telephone at a time: sound does not
// wait, and two cores do not follow more conversations in real time.
var lines = make(chan struct{}, 3)

// replayed counts the calls that were replayed at the end of their servers, of which the
// whole suite has at least leastReplayed.
var replayed atomic.Int64

const leastReplayed = 60

func TestMain(m *testing.M) {
	if os.Getenv(inProcess) != "" {
		os.Exit(serveInProcess())
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	// Debian has servers and network programs where the paths of users do not lead.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "sidetone-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if program = os.Getenv(builtProgram); program != "" {
		return m.Run()
	}
	flag.Parse()
	program = filepath.Join(dir, "sidetone")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v0.0.0-e2e", "-o", program, "../cmd/sidetone")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	fmt.Printf("%d calls were replayed, all of them exactly but where a test failed\n", replayed.Load())
	if code == 0 && everything() && replayed.Load() < leastReplayed {
		fmt.Fprintf(os.Stderr, "want at least %d\n", leastReplayed)
		return 1
	}
	return code
}

// everything reports whether no test was left out by an argument.
func everything() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return true
}

// listen takes a telephone line until the test ends.
func listen(t *testing.T) {
	t.Helper()
	lines <- struct{}{}
	t.Cleanup(func() { <-lines })
}

// together runs subtests at the same time, on however few processors: calls mostly wait.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	var running sync.WaitGroup
	for name, test := range tests {
		running.Go(func() { t.Run(name, test) })
	}
	running.Wait()
}

// within returns a context that ends with the test, and at the latest after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// await polls until done reports true or ctx ends.
func await(t *testing.T, ctx context.Context, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// cleanEnv is our environment without settings of the product, plus extra.
func cleanEnv(extra ...string) []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SIDETONE_") && !strings.HasPrefix(v, "DEMO_") {
			out = append(out, v)
		}
	}
	return append(out, extra...)
}

// server is a running `sidetone serve`.
type server struct {
	dir, http, sip, key string
	pid                 int
	api                 *client.Client
}

// start runs the program on an empty directory until the test ends, and fails
// the test when it then does not stop by itself.
func start(t *testing.T, env ...string) *server {
	t.Helper()
	return startProgram(t, program, env...)
}

func startProgram(t *testing.T, path string, env ...string) *server {
	t.Helper()
	return startAt(t, path, "127.0.0.1:0", env...)
}

// startAt is startProgram with the address of SIP.
func startAt(t *testing.T, path, sip string, env ...string) *server {
	t.Helper()
	s := &server{dir: t.TempDir()}
	ready := filepath.Join(s.dir, "ready.json")
	logPath := filepath.Join(s.dir, "server.log")
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(path, "serve", "--data", filepath.Join(s.dir, "data"), "--http", "127.0.0.1:0", "--sip", sip, "--ready-file", ready)
	cmd.Env = cleanEnv(env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		s.replay(t)
		stopServer(t, cmd, exited)
		if t.Failed() {
			text, _ := os.ReadFile(logPath)
			t.Logf("server log:\n%s", tail(string(text), 4000))
		}
	})
	await(t, within(t, 60*time.Second), "the ready file", func() bool {
		raw, err := os.ReadFile(ready)
		if errors.Is(err, os.ErrNotExist) {
			return false
		}
		var plain map[string]string
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatalf("ready file %q: %v", raw, err)
		}
		s.http, s.sip, s.key = plain["http"], plain["sip"], plain["api_key"]
		return true
	})
	s.api = client.New(s.http, sidetone.Secret(s.key))
	return s
}

// replay replays all calls of the server from their journals: what the agents did must
// come out again, to the bit.
func (s *server) replay(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // that of the test is over
	defer cancel()
	if s.api == nil || s.api.Ready(ctx) != nil {
		return // it never ran, or the test has ended it
	}
	cmd := exec.CommandContext(ctx, program, "replay", "--all", "--since", "1h")
	cmd.Env = cleanEnv("SIDETONE_URL="+s.http, "SIDETONE_API_KEY="+s.key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("replay: %v\n%s", err, out)
		return
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := lines[len(lines)-1]
	var n int64
	if _, err := fmt.Sscanf(last, "%d of", &n); err != nil {
		t.Errorf("replay: %q does not tell how many calls: %v", last, err)
	}
	replayed.Add(n)
	t.Log("replay:", last)
}

func stopServer(t *testing.T, cmd *exec.Cmd, exited chan error) {
	_ = cmd.Process.Signal(syscall.SIGINT) // stops at once; an ended one is found below
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server did not stop within 30 s")
		_ = cmd.Process.Kill()
		<-exited
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// place puts an agent on a bought number and returns the number.
func (s *server) place(t *testing.T, a client.Agent) string {
	t.Helper()
	if a.Name == "" {
		a.Name = "Receptionist"
	}
	if a.Prompt == nil {
		a.Prompt = &client.Prompt{Content: playbook(t)}
	}
	made, err := s.api.Agents().Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return s.placeID(t, made.ID)
}

func (s *server) placeID(t *testing.T, agent string) string {
	t.Helper()
	n, err := s.api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Numbers().Update(t.Context(), n.Number, client.Change{"inbound_agent": agent}); err != nil {
		t.Fatal(err)
	}
	return n.Number
}

// playbook is what agents of the tests follow.
func playbook(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/playbook.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// voice returns the built-in voice of the type.
func (s *server) voice(t *testing.T, typ string) *client.Voice {
	t.Helper()
	page, err := s.api.Voices().List(t.Context(), client.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range page.Items {
		if v.Type == typ {
			return &client.Voice{ID: v.ID}
		}
	}
	t.Fatalf("no voice of type %s", typ)
	return nil
}

// ended waits until n calls are stored and all of them are over, and returns
// the newest.
func (s *server) ended(t *testing.T, ctx context.Context, n int64) client.Call {
	t.Helper()
	var newest client.Call
	await(t, ctx, "the end of the call", func() bool {
		page, err := s.api.Calls().List(ctx, client.Query{Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			if !c.Over() {
				return false
			}
		}
		if page.Total < n {
			return false
		}
		newest = page.Items[0]
		return true
	})
	full, err := s.api.Calls().Get(ctx, newest.ID)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// events returns the record of a call that is over.
func (s *server) events(t *testing.T, ctx context.Context, id string) []client.Event {
	t.Helper()
	var out []client.Event
	for e, err := range s.api.Calls().Events(ctx, id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// texts joins the texts of the events of a type.
func textOf(events []client.Event, typ string) string {
	var out []string
	for _, e := range events {
		if e.Type == typ {
			out = append(out, e.Text)
		}
	}
	return strings.Join(out, "|")
}

// run runs a program to its end and returns its standard output.
func run(t *testing.T, ctx context.Context, dir, name string, args ...string) string {
	t.Helper()
	out, problems, err := try(ctx, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", filepath.Base(name), strings.Join(args, " "), err, tail(out, 4000), tail(problems, 4000))
	}
	return out
}

func try(ctx context.Context, dir, name string, args ...string) (out, problems string, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}
