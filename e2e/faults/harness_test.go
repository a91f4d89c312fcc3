package faults

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/process/processtest"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store/storetest"
)

// binaryVariable tells the tests where TestMain has built the program. It has
// not the prefix of the product's own variables.
const binaryVariable = "FAULTS_BINARY"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "sidetone")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/sidetone/sidetone/cmd/sidetone").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	os.Setenv(binaryVariable, binary)
	code := storetest.Main(m)
	fmt.Printf("%d calls were replayed, all of them exactly but where a test failed\n", replayed.Load())
	return code
}

// replayed counts the calls that were replayed at the end of their servers.
var replayed atomic.Int64

// until polls until ok holds and fails the test after limit.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
}

// wait lets d pass on a ticker: real time that a protocol needs.
func wait(d time.Duration) { <-time.After(d) }

// program is a process of ours.
type program struct {
	cmd  *exec.Cmd
	out  processtest.Output // standard output and error
	done chan struct{}
	err  error // once done
}

// launch starts the product with arguments and ends it with the test.
func launch(t *testing.T, wrap []string, args ...string) *program {
	t.Helper()
	p := &program{done: make(chan struct{})}
	argv := append(append([]string{}, wrap...), os.Getenv(binaryVariable))
	argv = append(argv, args...)
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGINT)
		if !p.ended(20 * time.Second) {
			t.Errorf("process %d ignored SIGINT", p.cmd.Process.Pid)
			p.signal(syscall.SIGKILL)
			<-p.done
		}
		if t.Failed() {
			t.Logf("%v wrote:\n%s", args[0], p.out.String())
		}
	})
	return p
}

func (p *program) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended

// ended reports whether the process ends within limit.
func (p *program) ended(limit time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// node is a running server.
type node struct {
	*program
	t      *testing.T
	dir    string
	config string
	wrap   []string
	sip    string // where it listens; "": where there is room
	ready  server.Ready
	key    string
	api    *client.Client
}

// serve starts a server on an empty directory; settings are lines of its
// configuration file.
func serve(t *testing.T, settings string) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir()}
	n.config = filepath.Join(n.dir, "config.yaml")
	if err := os.WriteFile(n.config, []byte(settings+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	return n
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }

// start runs the server, again when it has run before.
func (n *node) start() {
	n.t.Helper()
	ready := filepath.Join(n.dir, "ready")
	_ = os.Remove(ready) // of the run before
	p := launch(n.t, n.wrap, "serve", "--config", n.config, "--data", n.data(), "--http", "127.0.0.1:0", "--sip", cmp.Or(n.sip, "127.0.0.1:0"), "--ready-file", ready)
	n.program = p
	n.t.Cleanup(func() {
		if n.program == p { // the last one of the node
			replayed.Add(int64(n.replay()))
		}
	})
	until(n.t, 30*time.Second, "the server to be ready", func() bool {
		raw, err := os.ReadFile(ready)
		if err != nil && n.ended(0) {
			n.t.Fatalf("the server ended: %v\n%s", n.err, n.out.String())
		}
		n.ready = server.Ready{}
		return err == nil && json.Unmarshal(raw, &n.ready) == nil
	})
	if n.ready.APIKey != "" {
		n.key = n.ready.APIKey
	}
	n.api = client.New(n.ready.HTTP, sidetone.Secret(n.key))
}

// replay replays all calls of a server that still runs: what the agents did must come out
// again, to the bit. It returns how many there were.
func (n *node) replay() (calls int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // that of the test is over
	defer cancel()
	if n.api == nil || n.ended(0) || n.api.Ready(ctx) != nil {
		return 0 // it never ran, or the test has ended it
	}
	cmd := exec.CommandContext(ctx, os.Getenv(binaryVariable), "replay", "--all", "--since", "2h")
	cmd.Env = append(os.Environ(), "SIDETONE_URL="+n.ready.HTTP, "SIDETONE_API_KEY="+n.key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Errorf("replay: %v\n%s", err, out)
		return 0
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := lines[len(lines)-1]
	if _, err := fmt.Sscanf(last, "%d of", &calls); err != nil {
		n.t.Errorf("replay: %q does not tell how many calls: %v", last, err)
	}
	n.t.Log("replay:", last)
	return calls
}

// post sends a request and returns status and body.
func (n *node) post(path, body string) (int, string) {
	n.t.Helper()
	return n.request(http.MethodPost, path, body)
}

func (n *node) request(method, path, body string) (int, string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.ready.HTTP+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := n.api.HTTP.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		n.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// agent makes an agent of members (JSON, without braces) and returns its id.
func (n *node) agent(members string) string {
	n.t.Helper()
	return n.create(`{"prompt":{"content":"playbook: brief\notherwise:\n  say: Yes."},` + members + `}`)
}

// create makes an agent of a whole body and returns its id.
func (n *node) create(body string) string {
	n.t.Helper()
	status, body := n.post("/v1/agents/create", body)
	var a client.Agent
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != http.StatusCreated && status != http.StatusOK {
		n.t.Fatalf("create agent: %d %s", status, body)
	}
	return a.ID
}

// number buys a number and puts an agent on it; none when members is empty.
func (n *node) number(members string) string {
	n.t.Helper()
	bought, err := n.api.Numbers().Buy(n.t.Context(), client.Purchase{})
	if err != nil {
		n.t.Fatal(err)
	}
	if members != "" {
		if _, err := n.api.Numbers().Update(n.t.Context(), bought.Number, client.Change{"inbound_agent": n.agent(members)}); err != nil {
			n.t.Fatal(err)
		}
	}
	return bought.Number
}

// calls lists the newest calls.
func (n *node) calls() []client.Call {
	n.t.Helper()
	page, err := n.api.Calls().List(n.t.Context(), client.Query{Size: 100})
	if err != nil {
		n.t.Fatal(err)
	}
	return page.Items
}

// open counts the calls that are not over in the record.
func (n *node) open() int {
	n.t.Helper()
	return unfinished(n.calls())
}

func unfinished(calls []client.Call) int {
	open := 0
	for _, c := range calls {
		if !c.Over() {
			open++
		}
	}
	return open
}

// eachStore runs a test with a server on SQLite and one on Postgres: settings
// name the database, and url is "" for SQLite.
func eachStore(t *testing.T, test func(t *testing.T, settings, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "", "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := storetest.Postgres(t)
		test(t, on(url), url)
	})
}

// on are the settings of a server on a database.
func on(url string) string {
	return fmt.Sprintf("database: {url: %q, migrate_url: %q}\n", url, storetest.Owner(url))
}

// last waits until there are calls and none is open, and returns the newest one.
func (n *node) last(limit time.Duration) client.Call {
	n.t.Helper()
	var all []client.Call
	until(n.t, limit, "the calls to end", func() bool {
		all = n.calls() // one list: between two of them a call may begin
		return len(all) > 0 && unfinished(all) == 0
	})
	c, err := n.api.Calls().Get(n.t.Context(), all[0].ID)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// live waits for a call that is under way and returns its id.
func (n *node) live() string {
	n.t.Helper()
	id := ""
	until(n.t, 20*time.Second, "a call to be under way", func() bool {
		for _, c := range n.calls() {
			if c.Status == "in_progress" {
				id = c.ID
			}
		}
		return id != ""
	})
	return id
}

// events returns the stored events of a call that is over.
func (n *node) events(id string) []client.Event {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 10*time.Second)
	defer cancel()
	var all []client.Event
	for e, err := range n.api.Calls().Events(ctx, id, 0) {
		if err != nil {
			n.t.Fatal(err)
		}
		all = append(all, e)
		if e.Type == "ended" {
			return all
		}
	}
	n.t.Fatalf("the events of call %s do not end: %v", id, all)
	return nil
}

// healthy shows that an ordinary call to an echo agent works and leaves nothing
// behind.
func (n *node) healthy(number string) {
	n.t.Helper()
	n.healthyFrom(number, "127.0.0.1")
}

// healthyFrom is healthy with a caller at another address.
func (n *node) healthyFrom(number, from string) {
	n.t.Helper()
	c := dial(n.t, n, "udp", from)
	c.invite(number)
	c.answered()
	until(n.t, 20*time.Second, "sound to come back", func() bool { return c.heard() > 10 })
	c.bye()
	c.close()
	got := n.last(20 * time.Second)
	if got.Status != "ended" || got.EndReason != "hangup" {
		n.t.Errorf("the ordinary call: status %s, reason %s", got.Status, got.EndReason)
	}
}

// steady notes how many descriptors the server holds and returns a function
// that waits until it holds no more than that, but for idle database
// connections.
func (n *node) steady() func() {
	n.t.Helper()
	count := func() int {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
		if err != nil {
			n.t.Fatal(err)
		}
		return len(all)
	}
	before := count()
	return func() {
		n.t.Helper()
		const idle = 6
		until(n.t, 20*time.Second, fmt.Sprintf("the descriptors to be %d again", before), func() bool { return count() <= before+idle })
	}
}

// echo is an agent that returns what it hears.
const echo = `"provider":"echo"`
