package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
	product "github.com/sidetone/sidetone/server"
)

// inProcess, when set, makes this test program a server that can be asked for
// its goroutines: SIGUSR1 writes them to the file that the variable names.
const inProcess = "E2E_GOROUTINES"

// serveInProcess is `sidetone serve` with the flags that startProgram gives.
func serveInProcess() int {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	c, err := product.LoadConfig("", os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	flags.StringVar(&c.Data, "data", "", "")
	flags.StringVar(&c.HTTP.Addr, "http", "", "")
	flags.StringVar(&c.SIP.Addr, "sip", "", "")
	ready := flags.String("ready-file", "", "")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			tellGoroutines(os.Getenv(inProcess))
		}
	}()
	if err := product.Run(ctx, c, product.Options{ReadyFile: *ready, Log: os.Stderr, Now: ctx.Done()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// tellGoroutines writes the stacks to path.
func tellGoroutines(path string) {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	if os.WriteFile(path+".part", b.Bytes(), 0o600) == nil {
		_ = os.Rename(path+".part", path)
	}
}

// holdings is what a process holds.
type holdings struct{ files, sockets, threads, goroutines int }

// held reads the holdings of s; goroutines only when path is set.
func (s *server) held(t *testing.T, ctx context.Context, path string) (h holdings, stacks string) {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(s.pid))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[string]bool{}
	for _, fd := range fds {
		link, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		if err != nil {
			continue // closed since
		}
		h.files++
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	h.sockets = udpSockets(t, inodes)
	tasks, err := os.ReadDir(filepath.Join(proc, "task"))
	if err != nil {
		t.Fatal(err)
	}
	h.threads = len(tasks)
	if path != "" {
		h.goroutines, stacks = s.goroutines(t, ctx, path)
	}
	return h, stacks
}

// udpSockets counts the UDP sockets of the machine with these inodes.
func udpSockets(t *testing.T, inodes map[string]bool) (n int) {
	t.Helper()
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); len(f) > 9 && inodes[f[9]] {
				n++
			}
		}
	}
	return n
}

func (s *server) goroutines(t *testing.T, ctx context.Context, path string) (n int, stacks string) {
	t.Helper()
	_ = os.Remove(path) // the last answer
	if err := syscall.Kill(s.pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	var raw []byte
	await(t, ctx, "the goroutines", func() (ok bool) {
		var err error
		raw, err = os.ReadFile(path)
		return err == nil
	})
	return countOurs(string(raw)), string(raw)
}

// countOurs counts the goroutines of a profile, but for those of the job
// engine, which grow by themselves when it becomes the leader some seconds
// after its start.
func countOurs(profile string) (n int) {
	for group := range strings.SplitSeq(profile, "\n\n") {
		count, stack, found := strings.Cut(strings.TrimSpace(group), " @ ")
		if !found || strings.Contains(stack, "riverqueue/river") && !strings.Contains(stack, "sidetone/sidetone/") {
			continue
		}
		if i := strings.LastIndexByte(count, '\n'); i >= 0 {
			count = count[i+1:] // the profile's first line
		}
		k, err := strconv.Atoi(count)
		if err != nil {
			return -1
		}
		n += k
	}
	return n
}

// Hundreds of calls in and out leave what the server holds where it was: files,
// UDP ports and threads of the real program, goroutines of the same server
// inside a process that can be asked.
func TestCallsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	t.Run("program", func(t *testing.T) {
		t.Parallel()
		listen(t)
		churn(t, start(t), "")
	})
	t.Run("goroutines", func(t *testing.T) {
		t.Parallel()
		listen(t)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "goroutines")
		churn(t, startProgram(t, self, inProcess+"="+path), path)
	})
}

const churned = 200

func churn(t *testing.T, s *server, goroutines string) {
	ctx := within(t, 200*time.Second)
	agent := s.echo(t)
	number := s.placeID(t, agent)
	s.callIn(t, ctx, number, 20)
	called := s.called(t, ctx)
	s.callOut(t, ctx, agent, number, called, 10)
	s.settle(t, ctx, 30)
	before, _ := s.held(t, ctx, goroutines)
	s.callIn(t, ctx, number, churned)
	s.callOut(t, ctx, agent, number, called, churned)
	s.settle(t, ctx, 30+2*churned)

	var after holdings
	var stacks string
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		after, stacks = s.held(t, ctx, goroutines)
		// A thread is kept by the runtime once it exists; files may differ by
		// the store's four idle readers, each of which holds the database and its log.
		if after.sockets <= before.sockets && after.files <= before.files+2*4 && after.goroutines <= before.goroutines+1 && after.threads <= before.threads+16 {
			break
		}
		select {
		case <-waiting.Done():
			t.Fatalf("before %d calls %+v, after %+v\n%s", 2*churned, before, after, tail(stacks, 6000))
		case <-tick.C:
		}
	}
	t.Logf("before %d calls %+v, after %+v", 2*churned, before, after)
}

// echo makes an agent that returns what it hears and needs no speech program.
func (s *server) echo(t *testing.T) string {
	t.Helper()
	a, err := s.api.Agents().Create(t.Context(), client.Agent{Name: "Echo", Prompt: &client.Prompt{Content: "echo"}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"provider": "echo"})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http+"/v1/agents/update?id="+a.ID, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		t.Fatalf("make the agent an echo: %s", res.Status)
	}
	return a.ID
}

// callIn places n calls of half a second with sound.
func (s *server) callIn(t *testing.T, ctx context.Context, number string, n int) {
	t.Helper()
	const rate = 20
	r, err := loadgen.Run(ctx, loadgen.Config{Target: s.sip, Number: number, Scenario: loadgen.ScenarioChurn, Rate: rate,
		Hold: 500 * time.Millisecond, Duration: time.Duration(n) * time.Second / rate, AnswerTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if r.Answered < n*9/10 || len(r.Failures) > 0 || r.Received < r.Answered*10 {
		t.Errorf("%d of %d calls were answered, %d packets, failures %v", r.Answered, r.Placed, r.Received, r.Failures)
	}
}

// called starts a softphone that answers and soon hangs up, and returns its
// number.
func (s *server) called(t *testing.T, ctx context.Context) string {
	t.Helper()
	const number = "+12025550145"
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.CommandContext(ctx, program, "call", "--server", s.sip, "--listen", number, "--deaf", "--wait", "300ms", "--ready-file", ready)
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it listens for ever
		_ = cmd.Wait()
	})
	await(t, ctx, "the called softphone", func() bool {
		_, err := os.Stat(ready)
		return err == nil
	})
	return number
}

// callOut lets the agent place n calls, some at a time.
func (s *server) callOut(t *testing.T, ctx context.Context, agent, from, to string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	for range min(n, 8) {
		wg.Go(func() {
			for range todo {
				c, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: from, ToNumber: to, Agent: agent})
				if err != nil {
					t.Errorf("create call: %v", err)
					return
				}
				if err := s.follow(ctx, c.ID); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// follow reads a call's events until its end and wants it to have been
// answered.
func (s *server) follow(ctx context.Context, id string) error {
	connected := false
	for e, err := range s.api.Calls().Events(ctx, id, 0) {
		if err != nil {
			return err
		}
		connected = connected || e.Type == "connected"
		if e.Type == "ended" && !connected {
			return fmt.Errorf("call %s was not answered: %s %v", id, e.Text, e.Data)
		}
	}
	return nil
}

// settle waits until all of at least n calls are over, and lets our own
// connections go.
func (s *server) settle(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	await(t, ctx, "the end of all calls", func() bool {
		page, err := s.api.Calls().List(ctx, client.Query{Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			if !c.Over() {
				return false
			}
		}
		return page.Total >= int64(n)*9/10
	})
	s.api.HTTP.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
}
