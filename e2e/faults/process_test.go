package faults

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/e2e/timing"
)

// A second server on the same port or directory says what is wrong, and the
// first does not notice.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	web := strings.TrimPrefix(n.ready.HTTP, "http://")
	for _, test := range []struct {
		name       string
		args, want []string
	}{
		{"HTTP port", []string{"--data", t.TempDir(), "--http", web, "--sip", "127.0.0.1:0"}, []string{"listen for HTTP on " + web, "address already in use"}},
		{"SIP port", []string{"--data", t.TempDir(), "--http", "127.0.0.1:0", "--sip", n.ready.SIP}, []string{"listen for SIP on " + n.ready.SIP, "address already in use"}},
		{"data directory", []string{"--data", n.data(), "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0"},
			[]string{"data directory " + n.data(), fmt.Sprintf("in use by process %d", n.cmd.Process.Pid)}},
	} {
		p := launch(t, nil, append([]string{"serve"}, test.args...)...)
		if !p.ended(15*time.Second) || p.cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: ended with %v, want exit code 1", test.name, p.err)
		}
		for _, want := range test.want {
			if !strings.Contains(p.out.String(), want) {
				t.Errorf("%s: %q does not say %q", test.name, p.out.String(), want)
			}
		}
	}
	n.healthy(number)
}

// kill ends the server without notice.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.done
}

// After kill -9 mid-call the call is closed with the true reason, its record
// ends, and its recording can be read up to the last seconds.
func TestKilledMidCall(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.take(c.status("INVITE", 200))
	id := n.live()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.talk(c.rtp, callerTone, 0, 7, stop) })
	const length = 5 * time.Second
	wait(length)
	n.kill()
	close(stop)
	wg.Wait()
	c.close()
	n.start()
	got, err := n.api.Calls().Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != "error" || got.EndReason != "server_restart" || got.ErrorMessage == "" || got.EndTime.IsZero() || !got.RecordingAvailable {
		t.Errorf("after the restart: %+v", got)
	}
	events := n.events(id)
	if last := events[len(events)-1]; last.Type != "ended" || last.Text != "server_restart" || last.Sequence != int64(len(events)) {
		t.Errorf("the last of %d events is %+v", len(events), last)
	}
	pcm, rate := recorded(t, n, id)
	if had := time.Duration(len(pcm)) * time.Second / time.Duration(rate); had < length-2*time.Second || had > length+2*time.Second {
		t.Errorf("%s of %s are recorded", had, length)
	}
	if got := level(pcm, rate, callerTone); got < present {
		t.Errorf("the caller's tone has an amplitude of %.0f", got)
	}
	n.healthy(number)
}

// The programs that serve a call do not outlive a server that is killed.
func TestKilledServerLeavesNoPrograms(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.clinicNumber()
	n.phone(number, "--say", "Is there any parking?", "--stay", "--length", "30s")
	id := n.live()
	var pids []int
	until(t, 20*time.Second, "the recogniser", func() bool { pids = n.children("pocketsphinx"); return len(pids) == 1 })
	n.kill()
	until(t, 20*time.Second, "the recogniser to end", func() bool {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[0]))
		return err != nil || strings.Contains(string(raw), ") Z ")
	})
	n.start()
	if got, err := n.api.Calls().Get(t.Context(), id); err != nil || got.EndReason != "server_restart" {
		t.Errorf("after the restart: %+v, %v", got, err)
	}
}

// SIGTERM lets the live call end by itself and refuses new ones meanwhile.
func TestDrain(t *testing.T) {
	t.Parallel()
	n := serve(t, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.answered()
	id := n.live()
	n.signal(syscall.SIGTERM)
	until(t, 20*time.Second, "the server to drain", func() bool { return strings.Contains(n.out.String(), "draining") })
	late := dial(t, n, "udp")
	late.invite(number)
	if got := header(late.refused(503), "Retry-After"); got == "" {
		t.Error("503 without Retry-After")
	}
	if status, body := n.request("GET", "/readyz", ""); status != 503 {
		t.Errorf("readyz during the drain: %d %s", status, body)
	}
	if status, body := n.post("/v1/numbers/buy", `{}`); status != 503 {
		t.Errorf("a purchase during the drain: %d %s", status, body)
	}
	was := c.heard()
	until(t, 20*time.Second, "sound during the drain", func() bool { return c.heard() > was+50 })
	if n.ended(0) {
		t.Fatal("the server did not wait for its call")
	}
	c.bye()
	if !n.ended(10*time.Second) || n.err != nil {
		t.Fatalf("the server ended with %v", n.err)
	}
	n.start()
	if got, err := n.api.Calls().Get(t.Context(), id); err != nil || got.Status != "ended" || got.EndReason != "hangup" {
		t.Errorf("after the drain: %+v, %v", got, err)
	}
	n.healthy(number)
}

// A drain that lasts too long and an interrupt hang up and say so in the record.
func TestStopWithLiveCall(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, settings string
		signals        []os.Signal
	}{
		{"drain runs out", "calls: {drain: 1s}", []os.Signal{syscall.SIGTERM}},
		{"interrupt", "", []os.Signal{syscall.SIGINT}},
		{"second signal", "", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := serve(t, test.settings)
			number := n.number(echo)
			c := dial(t, n, "udp")
			c.invite(number)
			c.answered()
			id := n.live()
			began, paced := time.Now(), timing.Start(t)
			for i, s := range test.signals {
				if i > 0 {
					until(t, 20*time.Second, "the server to drain", func() bool { return strings.Contains(n.out.String(), "draining") })
				}
				n.signal(s)
			}
			c.awaitRequest("BYE", 5*time.Second)
			if !n.ended(10*time.Second) || n.err != nil {
				t.Fatalf("the server ended with %v", n.err)
			}
			if took := time.Since(began); took > 6*time.Second {
				paced.Errorf("it took %s", took)
			}
			n.start()
			if got, err := n.api.Calls().Get(t.Context(), id); err != nil || got.Status != "error" || got.EndReason != "shutdown" {
				t.Errorf("after the stop: %+v, %v", got, err)
			}
			events := n.events(id)
			if last := events[len(events)-1]; last.Type != "ended" || last.Text != "shutdown" {
				t.Errorf("the last event is %+v", last)
			}
			n.healthy(number)
		})
	}
}
