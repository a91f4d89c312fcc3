package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// proxy is a running Kamailio.
type proxy struct {
	udp, tls string // where it listens; udp also on TCP
	log      string // its file
	stop     func()
}

// proxyOptions say what a Kamailio does.
type proxyOptions struct {
	cert, key string
	served    string // this user's calls go to server, a SIP URI
	server    string
	far       string // where other calls go, a SIP URI
	stays     string // where those to a number that ends in 8 go
	full      string // but those that match: 503
	nat       bool   // with nathelper
}

// kamailio starts a Kamailio that runs until the test ends.
func kamailio(t *testing.T, o proxyOptions) *proxy {
	t.Helper()
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules")
	if len(modules) == 0 {
		t.Fatal("Kamailio's modules are not installed (scripts/setup)")
	}
	dir := t.TempDir()
	port := telephonytest.Ports(t, 2)
	p := &proxy{udp: fmt.Sprintf("127.0.0.1:%d", port), tls: fmt.Sprintf("127.0.0.1:%d", port+1), log: filepath.Join(dir, "log")}
	config := filepath.Join(dir, "kamailio.cfg")
	writeText(t, config, strings.NewReplacer("@PORT@", fmt.Sprint(port), "@TLS@", fmt.Sprint(port+1), "@MODULES@", modules[0]+"/",
		"@CERTIFICATE@", o.cert, "@KEY@", o.key, "@SERVED@", cmp.Or(o.served, "nobody"), "@SERVER@", o.server, "@FAR@", o.far, "@STAYS@", o.stays, "@FULL@", cmp.Or(o.full, "^$"),
	).Replace(readText(t, "testdata/kamailio/kamailio.cfg")))
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("kamailio", "-DD", "-E", "-f", config, "-Y", dir, "-P", filepath.Join(dir, "pid"), "-m", "24", "-M", "8")
	if o.nat {
		cmd.Args = append(cmd.Args, "-A", "NATHELPER")
	}
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // which it passes on to its own processes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait() // by that signal
		})
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("Kamailio wrote:\n%s", tail(readText(t, p.log), 4000))
		}
	})
	awaitTCP(t, within(t, 30*time.Second), port+1)
	return p
}

// awaitTCP waits until somebody listens on a port.
func awaitTCP(t *testing.T, ctx context.Context, port int) {
	t.Helper()
	await(t, ctx, fmt.Sprintf("a listener on port %d", port), func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

// saw tells whether a proxy logged a request: METHOD USER from TRANSPORT.
func (p *proxy) saw(t *testing.T, request string) bool {
	t.Helper()
	return strings.Contains(readText(t, p.log), "SEEN "+request)
}

// carried buys a trunk's number and puts an agent on it.
func (s *server) carried(t *testing.T, number string, a client.Agent) client.Agent {
	t.Helper()
	a.Name = cmp.Or(a.Name, "Receptionist")
	if a.Prompt == nil {
		a.Prompt = &client.Prompt{Content: playbook(t)}
	}
	made, err := s.api.Agents().Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Numbers().Buy(t.Context(), client.Purchase{TelephonyProvider: "sip", PhoneNumber: number}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Numbers().Update(t.Context(), number, client.Change{"inbound_agent": made.ID}); err != nil {
		t.Fatal(err)
	}
	return made
}

// farEnd starts a SIPp that answers calls with a tone; end names the file with how a
// call ends. done waits until it is over and fails the test when it went wrong.
func farEnd(t *testing.T, end string, calls int) (address string, done func()) {
	t.Helper()
	port := telephonytest.Ports(t, 50)
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "far.xml"), strings.ReplaceAll(readText(t, "testdata/sipp/far.xml"), "@END@", readText(t, "testdata/sipp/"+end)))
	writeText(t, filepath.Join(dir, "tone.ulaw"), string(stimulus(0, 440)))
	cmd := exec.CommandContext(t.Context(), "sipp", "-sf", "far.xml", "-t", "u1", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", fmt.Sprint(port),
		"-mp", fmt.Sprint(port+10), "-m", fmt.Sprint(calls), "-nostdin", "-timeout", "60s", "-timeout_error", "-trace_err")
	var problems strings.Builder
	cmd.Dir, cmd.Env, cmd.Stderr = dir, cleanEnv(), &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := sync.OnceValue(cmd.Wait)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = wait() // for a test that gave up
	})
	await(t, within(t, 20*time.Second), "SIPp's port", func() bool {
		open, err := os.ReadFile("/proc/net/udp")
		return err == nil && strings.Contains(string(open), fmt.Sprintf(":%04X ", port))
	})
	return fmt.Sprintf("127.0.0.1:%d", port), func() {
		t.Helper()
		if err := wait(); err != nil {
			t.Errorf("the far SIPp: %v\n%s", err, tail(problems.String(), 2000))
		}
	}
}

// trunkSetting is the setting of the server with trunks in YAML.
func trunkSetting(trunks string) string { return "SIDETONE_SIP_TRUNKS=[" + trunks + "]" }

// secureServer starts a server with a TLS listener and returns its address.
func secureServer(t *testing.T, cert, key string, env ...string) (*server, string) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", telephonytest.Ports(t, 1))
	return start(t, append([]string{"SIDETONE_SIP_TLS_LISTEN=" + address, "SIDETONE_SIP_TLS_CERT_FILE=" + cert, "SIDETONE_SIP_TLS_KEY_FILE=" + key}, env...)...), address
}

// SIPp calls through Kamailio, which speaks TLS with the server and stays in the way of
// what follows: hold, resume and hang-up.
func TestSIPpCallsOverTLS(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for _, test := range []struct {
		name, network, mode string
		nat                 bool
	}{{"from UDP", "udp", "u1", false}, {"from TCP, nathelper", "tcp", "t1", true}} {
		tests[test.name] = func(t *testing.T) {
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 120*time.Second)
			const number = "+14155550142"
			cert, key := telephonytest.Certificate(t, time.Hour)
			s, secure := secureServer(t, cert, key, trunkSetting(`{name: edge, addresses: [127.0.0.0/8], numbers: ["`+number+`"]}`), "SIDETONE_SIP_LOOPBACK=false")
			s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			k := kamailio(t, proxyOptions{cert: cert, key: key, nat: test.nat, served: number, server: "sip:" + secure + ";transport=tls"})
			r := intercept(t, k.udp, test.network)
			sipp(t, ctx, "call.xml", r.sip, number, test.mode, "@TYPE@", "0", "@NAME@", "PCMU", "@FILE@", "tone.ulaw")
			c := s.ended(t, ctx, 1)
			if c.FromNumber != "+12025550171" || c.ToNumber != number || c.EndReason != "hangup" {
				t.Errorf("stored: %+v", c)
			}
			heard := r.packets()
			checkSound(t, ctx, s, c, spread(decode(t, heard, 0), heard), paced)
			checkHold(t, heard, 0, paced)
		}
	}
	together(t, tests)
}

// The server registers at Kamailio, is called by the account, and calls through it as
// its outbound proxy: challenged, recorded in the route, and hung up from either side.
func TestKamailioIsRegistrarAndProxy(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for _, test := range []struct {
		name, transport string
		nat             bool
	}{{"UDP", "udp", false}, {"UDP, nathelper", "udp", true}, {"TLS", "tls", false}, {"TLS, nathelper", "tls", true}} {
		tests[test.name] = func(t *testing.T) {
			listen(t)
			ctx := within(t, 120*time.Second)
			const number = "+14155550143"
			cert, key := telephonytest.Certificate(t, time.Hour)
			leaves, left := farEnd(t, "bye.xml", 1)
			stays, stayed := farEnd(t, "wait.xml", 1)
			k := kamailio(t, proxyOptions{cert: cert, key: key, nat: test.nat, far: "sip:" + leaves, stays: "sip:" + stays})
			at, security := map[string]string{"udp": k.udp, "tls": k.tls}[test.transport], ""
			if test.transport == "tls" {
				security = fmt.Sprintf(`, tls: {ca_file: %q, server_name: 127.0.0.1}`, cert)
			}
			s := start(t, "SIDETONE_SIP_LOOPBACK=false", trunkSetting(fmt.Sprintf(`{name: pbx, host: pbx.example, transport: %s, outbound_proxy: "%s;%s", username: account, password: sesame,
				realm: pbx.example, register: true, register_expires: 1m, keepalive: 1s, numbers: ["%s"]%s}`, test.transport, at, test.transport, number, security)))
			agent := s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			await(t, ctx, "the registration", func() bool {
				return strings.Contains(s.metrics(t, ctx), `sidetone_trunk_registered{trunk="pbx"} 1`)
			})
			sipp(t, ctx, "plain.xml", k.udp, "account", "u1", "@TYPE@", "0", "@NAME@", "PCMU", "@FILE@", "tone.ulaw", "@LONG@", "1500")
			if c := s.ended(t, ctx, 1); c.FromNumber != "+12025550171" || c.ToNumber != number || c.EndReason != "hangup" {
				t.Errorf("stored: %+v", c)
			}
			place := func(to string) client.Call {
				t.Helper()
				c, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: number, ToNumber: to, Agent: agent.ID})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			theirs, ours := place("+14155550199"), place("+14155550198")
			await(t, ctx, "an answer", func() bool {
				c, err := s.api.Calls().Get(ctx, ours.ID)
				return err == nil && c.Status == "in_progress"
			})
			if _, err := s.api.Calls().End(ctx, ours.ID); err != nil {
				t.Fatal(err)
			}
			stayed()
			left()
			s.ended(t, ctx, 3)
			c, err := s.api.Calls().Get(ctx, theirs.ID)
			if err != nil {
				t.Fatal(err)
			}
			caller, _ := s.recording(t, ctx, c.ID)
			if c.EndReason != "hangup" || caller.tone(440) < 1.5 {
				t.Errorf("the far end's call ended with %q after %.1f s of its tone: %+v", c.EndReason, caller.tone(440), c)
			}
			if c, err := s.api.Calls().Get(ctx, ours.ID); err != nil || c.EndReason != "api" || len(c.Errors) > 0 {
				t.Errorf("the call that we hung up: %+v, %v", c, err)
			}
		}
	}
	together(t, tests)
}

// Two Kamailios are the targets of a name. What the first is too full for goes to the
// second; when the first is gone, everything does.
func TestKamailioFailsOver(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 120*time.Second)
	const number, plain, full = "+14155550144", "+14155550199", "+14155550503"
	far, left := farEnd(t, "bye.xml", 3)
	cert, key := telephonytest.Certificate(t, time.Hour)
	a := kamailio(t, proxyOptions{cert: cert, key: key, far: "sip:" + far, full: "503$"})
	b := kamailio(t, proxyOptions{cert: cert, key: key, far: "sip:" + far})
	names := telephonytest.NewNameServer(t)
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	names.Set(t, "_sip._udp.pair.example. 60 IN SRV 10 0 "+port(a.udp)+" a.pair.example.", "_sip._udp.pair.example. 60 IN SRV 20 0 "+port(b.udp)+" b.pair.example.",
		"a.pair.example. 60 IN A 127.0.0.1", "b.pair.example. 60 IN A 127.0.0.1")
	s := start(t, "SIDETONE_SIP_RESOLVER="+names.Addr, trunkSetting(`{name: pair, host: pair.example, transport: udp, target_timeout: 1s, username: account, password: sesame,
		realm: pbx.example, numbers: ["`+number+`"]}`))
	agent := s.carried(t, number, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
	place := func(numbers ...string) {
		t.Helper()
		var placed []client.Call
		for _, to := range numbers {
			c, err := s.api.Calls().Create(ctx, client.CallRequest{FromNumber: number, ToNumber: to, Agent: agent.ID})
			if err != nil {
				t.Fatal(err)
			}
			placed = append(placed, c)
		}
		for _, c := range placed {
			s.ended(t, ctx, 1)
			if c, err := s.api.Calls().Get(ctx, c.ID); err != nil || c.EndReason != "hangup" {
				t.Errorf("call to %s: %+v, %v", c.ToNumber, c, err)
			}
		}
	}
	place(plain, full)
	if !a.saw(t, "INVITE "+plain) || b.saw(t, "INVITE "+plain) || !a.saw(t, "INVITE "+full) || !b.saw(t, "INVITE "+full) {
		t.Errorf("the first target saw\n%s\nand the second\n%s", readText(t, a.log), readText(t, b.log))
	}
	a.stop()
	place(plain)
	if !b.saw(t, "INVITE "+plain) {
		t.Error("the second target did not see the last call")
	}
	left()
}

// metrics is what /metrics shows.
func (s *server) metrics(t *testing.T, ctx context.Context) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	res, err := s.api.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
