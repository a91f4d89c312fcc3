package loadgen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// short returns a configuration of a short run against f.
func short(f *fakeServer, change func(*Config)) Config {
	c := Config{
		Target: f.target(), Number: "+12025550100", Calls: 4, Ramp: 20 * time.Millisecond,
		Settle: 60 * time.Millisecond, Duration: 900 * time.Millisecond, ClickEvery: 100 * time.Millisecond, Seed: 5,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// mustRun runs c.
func mustRun(t *testing.T, c Config) Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestRunEcho is not parallel, like every test here that judges times: beside
// others it would measure them.
func TestRunEcho(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA, G722} {
		t.Run(string(codec), func(t *testing.T) {
			f := newFakeServer(t, func(f *fakeServer) { f.delay = 15 * time.Millisecond; f.drop = 11 })
			r := mustRun(t, short(f, func(c *Config) {
				c.Codec, c.ServerPID, c.Duration = codec, os.Getpid(), 700*time.Millisecond
			}))
			if r.Placed != 4 || r.Answered != 4 || r.Failed() != 0 {
				t.Fatalf("placed %d, answered %d, failures %v", r.Placed, r.Answered, r.Failures)
			}
			// A generator that was late itself, on a busy machine, says nothing
			// about times; then only the lower bound holds.
			if r.RTT.Count < 5 || r.RTT.P50 < 15 || r.Counts() && r.RTT.P50 > 30 {
				t.Errorf("echo of 15 ms measured as %v", r.RTT)
			}
			if r.Gap.Count < 60 || r.Counts() && (r.Gap.P50 < 15 || r.Gap.P50 > 25) {
				t.Errorf("gap of 20 ms measured as %v", r.Gap)
			}
			// One in eleven is lost, and twice the gap shows where.
			if total := r.Received + r.Lost; r.Lost < total/11-8 || r.Lost > total/11+8 || r.Gap.P99 < 25 {
				t.Errorf("%d of %d packets lost, gap p99 %.1f ms; want one in eleven", r.Lost, total, r.Gap.P99)
			}
			if r.Lateness.Count == 0 || r.CPUPerCallMinute <= 0 || r.WindowSeconds < 0.7 {
				t.Errorf("lateness %v, cpu %g, window %g s", r.Lateness, r.CPUPerCallMinute, r.WindowSeconds)
			}
			if f.seen("BYE") != 4 || f.seen("ACK") != 4 {
				t.Errorf("server saw %d ACK and %d BYE, want 4 each", f.seen("ACK"), f.seen("BYE"))
			}
		})
	}
}

// TestRunTurns takes a late echo for an agent: it answers a burst of a known
// length after a known time.
func TestRunTurns(t *testing.T) {
	t.Parallel()
	const hold, burst, wait = 400 * time.Millisecond, 160 * time.Millisecond, 40 * time.Millisecond
	// The definition counts the packet in which the answer begins.
	const want = float64((hold - burst - wait + framePeriod) / time.Millisecond)
	f := newFakeServer(t, func(f *fakeServer) { f.delay = hold })
	r := mustRun(t, short(f, func(c *Config) {
		c.Scenario, c.Calls, c.Turns, c.Duration = ScenarioTurn, 2, 5, 20*time.Second
		c.Greeting, c.Quiet, c.Wait = 50*time.Millisecond, 100*time.Millisecond, wait
		c.Stimuli = [][]int16{audio.SpeechLike(8000, int(audio.Samples(burst, 8000)), -15, 1)}
	}))
	if r.Lateness.Max > 20 { // the echo of a late burst comes while the next one is spoken
		t.Logf("turns are not judged: the callers were up to %.1f ms late", r.Lateness.Max)
		return
	}
	if r.Added.Count != 5 || r.Discarded != 0 || r.Unanswered != 0 || r.Failed() != 0 {
		t.Fatalf("%d turns measured, %d discarded, %d unanswered, failures %v", r.Added.Count, r.Discarded, r.Unanswered, r.Failures)
	}
	if r.WindowSeconds > 15 {
		t.Errorf("the window stayed open for %.1f s after the last turn", r.WindowSeconds)
	}
	// The burst is cut to its audible samples, at most 2 ms less.
	if r.Added.P50 < want-5 || r.Counts() && r.Added.P50 > want+15 {
		t.Errorf("added latency of %.0f ms measured as %v", want, r.Added)
	}
}

func TestRunMemory(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, nil)
	r := mustRun(t, short(f, func(c *Config) {
		c.BaseCalls, c.ServerPID, c.Duration = 2, os.Getpid(), 200*time.Millisecond
	}))
	if r.BaseKB <= 0 || r.FullKB <= 0 || r.KBPerCall != (r.FullKB-r.BaseKB)/2 {
		t.Errorf("memory %g KB, %g KB, %g KB per call", r.BaseKB, r.FullKB, r.KBPerCall)
	}
}

func TestRunSetup(t *testing.T) {
	f := newFakeServer(t, func(f *fakeServer) { f.before = 40 * time.Millisecond })
	r := mustRun(t, short(f, func(c *Config) {
		c.Scenario, c.Rate, c.Hold, c.Duration = ScenarioSetup, 40, 20*time.Millisecond, 500*time.Millisecond
	}))
	if r.Answered != 20 || r.Setup.Count != 20 {
		t.Errorf("%d answered, %d measured, want 20", r.Answered, r.Setup.Count)
	}
	if truth := quantiles(f.holds()); r.Setup.P50 < truth.P50 || r.Setup.P50 > truth.P50+25 || truth.P50 < 40 {
		t.Errorf("setup held for %v measured as %v", truth, r.Setup)
	}
	if r.Received != 0 {
		t.Errorf("%d packets in a run without audio", r.Received)
	}
	if got := f.seen("ACK"); got != 40 {
		t.Errorf("%d ACKs for 20 repeated answers, want 40", got)
	}
}

func TestRunChurn(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, nil)
	r := mustRun(t, short(f, func(c *Config) {
		c.Scenario, c.Rate, c.Hold, c.Duration = ScenarioChurn, 20, 200*time.Millisecond, 500*time.Millisecond
	}))
	if r.Answered != 10 || r.Failed() != 0 || r.Received < 50 {
		t.Errorf("%d answered, %v failed, %d packets; want 10, none, about 100", r.Answered, r.Failures, r.Received)
	}
}

func TestRunClock(t *testing.T) {
	f := newFakeServer(t, nil)
	r := mustRun(t, short(f, func(c *Config) { c.Scenario, c.Calls = ScenarioClock, 1 }))
	if len(r.Clicks) < 5 {
		t.Fatalf("%d clicks logged, want 8 or so", len(r.Clicks))
	}
	for i := 1; i < len(r.Clicks); i++ {
		a, b := r.Clicks[i-1], r.Clicks[i]
		samples := float64(b.Sample-a.Sample) / 8000
		slack := 0.02 + r.Lateness.Max/1000
		if between := b.SinceAnswer - a.SinceAnswer; between < samples-slack || between > samples+slack {
			t.Errorf("clicks %.4f s of sound apart were sent %.4f s apart", samples, between)
		}
	}
}

func TestRunRetriesTheInvite(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, func(f *fakeServer) { f.ignore = 1 })
	r := mustRun(t, short(f, func(c *Config) { c.Calls, c.Duration = 1, 100*time.Millisecond }))
	if r.Answered != 1 || r.Setup.P50 < 500 || r.Setup.P50 >= 1500 || f.seen("INVITE") != 2 {
		t.Errorf("answered %d after %d invites, setup %v", r.Answered, f.seen("INVITE"), r.Setup)
	}
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*fakeServer)
		config func(*Config)
		want   string
		cancel int
	}{
		"refused":     {func(f *fakeServer) { f.status = 486 }, nil, "refused with 486 Fake", 0},
		"silent":      {func(f *fakeServer) { f.ignore = 1000 }, nil, ErrNoAnswer.Error(), 4},
		"ended":       {func(f *fakeServer) { f.hangUp = true }, nil, "ended by the far end", 0},
		"other codec": {func(f *fakeServer) { f.status = 200 }, nil, "answer without the offered codec", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, test.change)
			r := mustRun(t, short(f, func(c *Config) { c.AnswerTimeout = 200 * time.Millisecond }))
			if r.Failures[test.want] != 4 || r.Failed() != 4 {
				t.Errorf("failures = %v, want 4 x %q", r.Failures, test.want)
			}
			if f.seen("CANCEL") != test.cancel {
				t.Errorf("%d CANCELs, want %d", f.seen("CANCEL"), test.cancel)
			}
		})
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Run(ctx, short(f, func(c *Config) { c.Duration = time.Hour }))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 20*time.Second {
		t.Errorf("run ended with %v after %v", err, time.Since(begin))
	}
	f.mu.Lock()
	placed := len(f.calls)
	f.mu.Unlock()
	// A slow machine may not have placed, or not answered, every call by then.
	if ended := f.seen("BYE") + f.seen("CANCEL"); placed == 0 || ended < placed {
		t.Errorf("%d of %d calls were ended", ended, placed)
	}
}

func TestRunRefusesBadConfig(t *testing.T) {
	t.Parallel()
	good := Config{Target: "127.0.0.1:5060", Number: "1"}
	bad := map[string]func(*Config){
		"target": func(c *Config) { c.Target = "" }, "number": func(c *Config) { c.Number = "a b" },
		"calls": func(c *Config) { c.Calls = -1 }, "codec": func(c *Config) { c.Codec = "OPUS" },
		"scenario": func(c *Config) { c.Scenario = "dance" }, "rate": func(c *Config) { c.Rate = -1 },
		"base": func(c *Config) { c.BaseCalls = 3 }, "clock": func(c *Config) { c.ClockPPM = 1e9 },
		"duration": func(c *Config) { c.Duration = -1 },
	}
	for name, change := range bad {
		c := good
		change(&c)
		if _, err := Run(t.Context(), c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: err = %v, want ErrConfig", name, err)
		}
	}
}

func TestRunReportsUnreadableServer(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, nil)
	_, err := Run(t.Context(), short(f, func(c *Config) { c.ServerPID = 1 << 30 }))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v, want that the process does not exist", err)
	}
}

func TestCalibrate(t *testing.T) {
	r, err := calibrate(t.Context(), Calibration{
		Command: []string{os.Args[0]}, Env: []string{"LOADGEN_TEST_ROLE=peer"},
		Sockets: 20, Settle: 100 * time.Millisecond, Duration: 500 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Scenario != ScenarioCalibration || r.Answered != 20 || r.Gap.Count < 300 ||
		r.Counts() && (r.Gap.P50 < 15 || r.Gap.P50 > 25) {
		t.Errorf("calibration: %d sockets, gap %v", r.Answered, r.Gap)
	}
	if r.Lateness.Count == 0 || r.Lost > r.Received/50 {
		t.Errorf("lateness %v, %d of %d lost", r.Lateness, r.Lost, r.Received)
	}
}

func TestCalibrateWithBadPeer(t *testing.T) {
	t.Parallel()
	for role, command := range map[string][]string{
		"mute": {os.Args[0]}, "": {"/nonexistent/peer"}, "none": nil,
	} {
		_, err := Calibrate(t.Context(), Calibration{Command: command, Env: []string{"LOADGEN_TEST_ROLE=" + role}, Sockets: 2})
		if err == nil {
			t.Errorf("role %q: no error", role)
		}
	}
}

func TestColdStart(t *testing.T) {
	t.Parallel()
	at := fmt.Sprintf("127.0.0.1:%d", telephonytest.Ports(t, 1))
	took, err := ColdStart(t.Context(), ColdStartConfig{
		Command: []string{os.Args[0]}, Target: at, Number: "100",
		Env: []string{"LOADGEN_TEST_ROLE=server", "LOADGEN_TEST_ADDR=" + at},
	})
	if err != nil {
		t.Fatal(err)
	}
	if took < 60*time.Millisecond || took > 20*time.Second {
		t.Errorf("a start of 60 ms measured as %v", took)
	}
	_, err = ColdStart(t.Context(), ColdStartConfig{
		Command: []string{"/bin/cat"}, Target: at, Number: "100", Within: 100 * time.Millisecond,
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that never answers: err = %v", err)
	}
}
