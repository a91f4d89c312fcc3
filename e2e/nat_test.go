package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

const (
	natServer = "198.51.100.1" // the server
	natRouter = "198.51.100.2" // the router's public side
	natPhone  = "192.168.77.2" // the phone behind it
)

// ownNetwork says that this process is root in a network of its own.
const ownNetwork = "E2E_OWN_NETWORK"

// house is a phone's network behind a router, both network namespaces beside ours. The
// router hides the phone behind ports of its own.
type house struct {
	t             *testing.T
	ctx           context.Context
	router, phone int // process ids
}

// newHouse builds the networks.
func newHouse(t *testing.T, ctx context.Context) *house {
	t.Helper()
	h := &house{t: t, ctx: ctx}
	h.router, h.phone = h.namespace(), h.namespace()
	h.sh(0, fmt.Sprintf("ip link set lo up && ip link add wan0 type veth peer name wan1 netns %d && ip addr add %s/24 dev wan0 && ip link set wan0 up", h.router, natServer))
	h.sh(h.router, fmt.Sprintf(`ip link set lo up && ip addr add %s/24 dev wan1 && ip link set wan1 up && ip link add lan0 type veth peer name lan1 netns %d &&
		ip addr add 192.168.77.1/24 dev lan0 && ip link set lan0 up && echo 1 > /proc/sys/net/ipv4/ip_forward`, natRouter, h.phone))
	h.sh(h.phone, "ip link set lo up && ip addr add "+natPhone+"/24 dev lan1 && ip link set lan1 up && ip route add default via 192.168.77.1")
	return h
}

// namespace makes a network namespace that lasts as long as the test.
func (h *house) namespace() int {
	h.t.Helper()
	cmd := exec.Command("unshare", "--net", "sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // by that signal
	})
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		h.t.Fatal(err)
	}
	await(h.t, h.ctx, "a network namespace", func() bool {
		other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
		return err == nil && other != own
	})
	return cmd.Process.Pid
}

// sh runs a shell command in the namespace of a process; 0 is ours.
func (h *house) sh(pid int, command string) string {
	h.t.Helper()
	args := []string{"sh", "-c", command}
	if pid != 0 {
		args = append([]string{"nsenter", "--target", fmt.Sprint(pid), "--net"}, args...)
	}
	return run(h.t, h.ctx, ".", args[0], args[1:]...)
}

// hide lets the router forget its mappings and take ports from first on for new ones.
func (h *house) hide(first int) {
	h.t.Helper()
	h.sh(h.router, fmt.Sprintf(`nft flush ruleset && nft add table ip nat && nft "add chain ip nat post { type nat hook postrouting priority 100; }" &&
		nft add rule ip nat post oifname wan1 meta l4proto udp masquerade to :%d-%d && { conntrack -D -p udp >/dev/null 2>&1 || true; }`, first, first+99))
}

// mapped tells whether the router has a mapping of the phone at a port from first on to
// a port of the server.
func (h *house) mapped(first, server int) bool {
	h.t.Helper()
	for line := range strings.Lines(h.sh(h.router, "conntrack -L -p udp 2>/dev/null || true")) {
		if strings.Contains(line, fmt.Sprintf("dport=%d ", server)) && strings.Contains(line, fmt.Sprintf("dst=%s sport=%d dport=%d", natRouter, server, first/100)) {
			return true
		}
	}
	return false
}

// desk is a baresip behind the router.
type desk struct {
	dir   string
	keys  io.WriteCloser
	wrote *strings.Builder
	stop  func()
}

// newDesk starts a phone that registers as a number, answers and plays a tone.
func newDesk(h *house, number, password string) *desk {
	h.t.Helper()
	dir, _ := baresipDir(h.t, "PCMU/8000/1", "module stdio.so\n")
	config := filepath.Join(dir, "config")
	writeText(h.t, config, strings.ReplaceAll(readText(h.t, config), "127.0.0.1:", natPhone+":"))
	writeText(h.t, filepath.Join(dir, "accounts"), fmt.Sprintf("<sip:%s@%s>;auth_user=%s;auth_pass=%s;regint=10;answermode=auto;audio_codecs=PCMU/8000/1\n", number, natServer, number, password))
	d := &desk{dir: dir, wrote: &strings.Builder{}}
	cmd := exec.CommandContext(h.ctx, "nsenter", "--target", fmt.Sprint(h.phone), "--net", "baresip", "-4", "-n", "lan1", "-f", dir)
	cmd.Env, cmd.Stdout, cmd.Stderr = cleanEnv(), d.wrote, d.wrote
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	keys, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	d.keys = keys
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	d.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // what it heard is judged
	})
	h.t.Cleanup(func() {
		d.stop()
		if h.t.Failed() {
			h.t.Logf("baresip wrote:\n%s", tail(d.wrote.String(), 4000))
		}
	})
	return d
}

// A phone behind a router talks, is still heard and hears when the router gives it other
// ports during the call, can hang up then, is found again when it is called, and is told
// that a call is over after another change.
func TestPhoneBehindNAT(t *testing.T) {
	t.Parallel()
	if elsewhere(t, "ip", "nft", "conntrack", "baresip") {
		return
	}
	ctx := within(t, 150*time.Second)
	h := newHouse(t, ctx)
	h.hide(40000)
	const phone = "+12025550191"
	s := startAt(t, program, natServer+":5060", `SIDETONE_SIP_USERS=[{name: "`+phone+`", password: sesame}]`)
	number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
	n, err := s.api.Numbers().Get(ctx, number)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(h, phone, "sesame")
	ring := func() client.Call {
		t.Helper()
		c, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: number, ToNumber: phone, Agent: n.InboundAgent.ID})
		if err != nil {
			t.Fatal(err)
		}
		await(t, ctx, "the phone's answer", func() bool {
			c, err = s.api.Calls().Get(ctx, c.ID)
			if err == nil && c.Over() {
				t.Fatalf("the phone was not reached: %+v", c)
			}
			return err == nil && c.Status == "in_progress"
		})
		return c
	}
	await(t, ctx, "the phone's registration", func() bool { return h.mapped(40000, 5060) })
	<-time.After(time.Second) // the answer to its challenge

	first := ring()
	<-time.After(3 * time.Second)
	h.hide(41000)
	<-time.After(4 * time.Second)
	if _, err := io.WriteString(d.keys, "b"); err != nil { // hang up
		t.Fatal(err)
	}
	c := s.ended(t, ctx, 1)
	if c.ID != first.ID || c.EndReason != "hangup" {
		t.Errorf("the first call: %+v", c)
	}
	caller, agent := s.recording(t, ctx, c.ID)
	if got := caller.tone(440); got < 6 {
		t.Errorf("%.2f s of the phone's tone are recorded, want 7 less what the change took", got)
	}
	t.Logf("the first call: %.2f s of the phone's tone, %.2f s of speech to it", caller.tone(440), agent.loud())

	await(t, ctx, "the phone's registration from its new port", func() bool { return h.mapped(41000, 5060) })
	<-time.After(time.Second)
	second := ring()
	<-time.After(2 * time.Second)
	h.hide(42000)
	await(t, ctx, "the phone's registration from its third port", func() bool { return h.mapped(42000, 5060) })
	if _, err := s.api.Calls().End(ctx, second.ID); err != nil {
		t.Fatal(err)
	}
	c = s.ended(t, ctx, 2)
	if c.ID != second.ID || c.EndReason != "api" || len(c.Errors) > 0 {
		t.Errorf("the second call: %+v", c)
	}
	d.stop()
	dumps, _ := filepath.Glob(filepath.Join(d.dir, "out", "dump-*-dec.wav"))
	if len(dumps) != 2 {
		t.Fatalf("the phone kept %q", dumps)
	}
	for _, dump := range dumps {
		if got := readWAVFile(t, dump).loud(); got < 2.5 {
			t.Errorf("the phone heard %.2f s of speech", got)
		}
	}
}

// elsewhere runs a test in a user and a network namespace of its own, in which it is
// root. There it returns false.
func elsewhere(t *testing.T, programs ...string) bool {
	t.Helper()
	if os.Getenv(ownNetwork) != "" {
		return false
	}
	for _, program := range append([]string{"unshare", "nsenter"}, programs...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: run scripts/setup", err)
		}
	}
	listen(t)
	cmd := exec.CommandContext(within(t, 170*time.Second), "unshare", "--user", "--map-root-user", "--net", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = cleanEnv(builtProgram+"="+program, ownNetwork+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("in a network of its own: %v (the kernel must allow user namespaces)", err)
	}
	return true
}
