package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var values []time.Duration
	for i := 200; i > 0; i-- {
		values = append(values, time.Duration(i)*time.Millisecond)
	}
	want := Quantiles{Count: 200, P50: 100, P95: 190, P99: 198, Max: 200}
	if diff := cmp.Diff(want, quantiles(values)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Quantiles{Count: 1, P50: 3, P95: 3, P99: 3, Max: 3}, quantiles([]time.Duration{3e6})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Quantiles{}, quantiles(nil)); diff != "" {
		t.Error(diff)
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, "7"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "7", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := process{pid: 7, root: root}
	if _, err := p.cpu(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cpu of no process: %v", err)
	}
	if _, err := p.rss(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("memory of no process: %v", err)
	}
	write("stat", "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 9 0 100 200 300\n")
	if got, err := p.cpu(); err != nil || got != 1750*time.Millisecond {
		t.Errorf("cpu = %v, %v; want 1.75s", got, err)
	}
	write("statm", "100 3 2 1 0 0 0\n")
	if got, err := p.rss(); err != nil || got != 3*int64(os.Getpagesize()) {
		t.Errorf("memory from statm = %d, %v; want 3 pages", got, err)
	}
	write("smaps_rollup", "00400000-7fff ---p 0 00:00 0 [rollup]\nRss:      2048 kB\nPss: 1 kB\n")
	if got, err := p.rss(); err != nil || got != 2<<20 {
		t.Errorf("memory from smaps_rollup = %d, %v; want 2 MB", got, err)
	}
	for _, bad := range []string{"", "7 (a) S 1", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 25 0", "7 (a) S 1 2 3 4 5 6 7 8 9 10 1 y 0"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("stat %q read as %v", bad, got)
		}
	}
}

func TestRepeatUntilItCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lateRuns, attempts int }{{0, 1}, {2, 3}, {99, MaxAttempts}} {
		made := 0
		r, err := repeat(t.Context(), func(context.Context) (Report, error) {
			made++
			if made <= test.lateRuns {
				return Report{Lateness: Quantiles{Count: 1, P99: 3.1}}, nil
			}
			return Report{Lateness: Quantiles{Count: 1, P99: 3}}, nil
		})
		if err != nil || made != test.attempts || r.Attempts != test.attempts || r.Counts() != (test.attempts > test.lateRuns) {
			t.Errorf("%d late runs: %d made, report says %d, counts %v, err %v", test.lateRuns, made, r.Attempts, r.Counts(), err)
		}
	}
	broken := errors.New("broken")
	if _, err := repeat(t.Context(), func(context.Context) (Report, error) { return Report{}, broken }); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
}

// goodResults returns results within every limit.
func goodResults() Results {
	ms := func(p50, p95, p99 float64) Quantiles {
		return Quantiles{Count: 500, P50: p50, P95: p95, P99: p99, Max: p99}
	}
	return Results{
		Calibration: &Report{Scenario: ScenarioCalibration, Attempts: 2, Gap: ms(20, 21, 22), CPUPerCallMinute: 0.05},
		Echo:        &Report{Scenario: ScenarioEcho, Attempts: 1, Gap: ms(20, 22, 24), CPUPerCallMinute: 0.1, FullKB: 9000, KBPerCall: 90},
		EchoG722:    &Report{Scenario: ScenarioEcho, Codec: G722, Attempts: 1, CPUPerCallMinute: 0.2},
		TurnOne:     &Report{Scenario: ScenarioTurn, Attempts: 1, Added: ms(11, 15, 21)},
		TurnMany:    &Report{Scenario: ScenarioTurn, Attempts: 1, Added: ms(15, 30, 59)},
		BargeIn:     &Report{Scenario: ScenarioBargeIn, Attempts: 1, BargeIn: ms(110, 190, 400)},
		BargeIn20:   &Report{Scenario: ScenarioBargeIn, Attempts: 1, BargeIn: ms(115, 195, 400)},
		BargeIn10:   &Report{Scenario: ScenarioBargeIn, Attempts: 1, BargeIn: ms(150, 290, 400)},
		Cough:       &Report{Scenario: ScenarioCough, Attempts: 1, Silence: ms(400, 500, 600)},
		Setup:       &Report{Scenario: ScenarioSetup, Attempts: 1, Setup: ms(1, 5, 9)},
		Recording:   &Alignment{Start: 3, Middle: 5, End: 19.9, Clicks: 180},
		ColdStart:   ms(60, 70, 80),
		Secure: &Secure{
			Plain:     &Report{Scenario: ScenarioEcho, Attempts: 1, CPUPerCallMinute: 0.1, Setup: ms(2, 3, 4), Gap: ms(20, 21, 22)},
			Secure:    &Report{Scenario: ScenarioEcho, Attempts: 1, CPUPerCallMinute: 0.114, Setup: ms(5.9, 8, 9), Gap: ms(20, 21, 22.5), Encrypted: true},
			PairStats: PairStats{Pairs: 5, Least: 1.09, Most: 1.2},
		},
		Journals: &Journals{
			Without: &Report{Scenario: ScenarioTurn, Attempts: 1, Added: ms(15, 30, 59)}, With: &Report{Scenario: ScenarioTurn, Attempts: 1, Added: ms(15, 30, 59)},
			WithoutCPU: 5, WithCPU: 5.2, PairStats: PairStats{Pairs: 5, Least: 1.01, Most: 1.06},
		},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, j := range goodResults().Judge(Baseline{}) {
		if j.Verdict != Met {
			t.Errorf("%s: %g of %g %s", j.Name, j.Value, j.Limit, j.Verdict)
		}
	}
	if n := len(goodResults().Judge(Baseline{})); n != 23 {
		t.Errorf("%d judgements, want 23", n)
	}
	tests := map[string]struct {
		spoil func(*Results)
		name  string
		want  Verdict
	}{
		"gap":           {func(r *Results) { r.Echo.Gap.P99 = 25.5 }, "echo gap p99 / bare sockets", Missed},
		"cpu":           {func(r *Results) { r.Echo.CPUPerCallMinute = 0.126 }, "echo cpu / bare sockets", Missed},
		"no cpu":        {func(r *Results) { r.Calibration.CPUPerCallMinute = 0 }, "echo cpu / bare sockets", Missed},
		"late":          {func(r *Results) { r.Calibration.Lateness.P99 = 4 }, "echo gap p99 / bare sockets", NotCounted},
		"added median":  {func(r *Results) { r.TurnOne.Added.P50 = 41 }, "added latency p50, 1 call", Missed},
		"added tail":    {func(r *Results) { r.TurnMany.Added.P99 = 61 }, "added latency p99, many calls", Missed},
		"no turns":      {func(r *Results) { r.TurnOne.Added = Quantiles{} }, "added latency p50, 1 call", Missed},
		"barge-in":      {func(r *Results) { r.BargeIn.BargeIn.P95 = 201 }, "barge-in p95, clean", Missed},
		"in noise":      {func(r *Results) { r.BargeIn20.BargeIn.P50 = 121 }, "barge-in p50, 20 dB SNR", Missed},
		"in loud noise": {func(r *Results) { r.BargeIn10.BargeIn.P95 = 301 }, "barge-in p95, 10 dB SNR", Missed},
		"recording":     {func(r *Results) { r.Recording.Middle = 20.1 }, "recording off, middle", Missed},
		"no clicks":     {func(r *Results) { *r.Recording = Alignment{} }, "recording off, start", Missed},
		"cough":         {func(r *Results) { r.Cough.Silence.Max = 901 }, "silence after a cough", Missed},
		"setup":         {func(r *Results) { r.Setup.Setup.P50 = 3.1 }, "invite to 200 p50", Missed},
		"memory":        {func(r *Results) { r.Echo.KBPerCall = 151 }, "memory per call", Missed},
		"cold":          {func(r *Results) { r.ColdStart.P50 = 151 }, "cold start p50", Missed},
		"secure cpu":    {func(r *Results) { r.Secure.Secure.CPUPerCallMinute = 0.116 }, "cpu over tls and srtp / plain", Missed},
		"secure late":   {func(r *Results) { r.Secure.Plain.Lateness.P99 = 4 }, "cpu over tls and srtp / plain", NotCounted},
		"secure setup":  {func(r *Results) { r.Secure.Secure.Setup.P50 = 6.1 }, "invite to 200 p50 over tls", Missed},
		"secure none":   {func(r *Results) { r.Secure.Secure.Setup = Quantiles{} }, "invite to 200 p50 over tls", Missed},
		"secure failed": {func(r *Results) { r.Secure.Failed = 1 }, "failed calls", Missed},
		"journals cpu":  {func(r *Results) { r.Journals.WithCPU = 5.3 }, "cpu with journals / without", Missed},
		"journals late": {func(r *Results) { r.Journals.With.Lateness.P99 = 4 }, "cpu with journals / without", NotCounted},
		"journals none": {func(r *Results) { r.Journals.WithoutCPU = 0 }, "cpu with journals / without", Missed},
		"journals lost": {func(r *Results) { r.Journals.Failed = 1 }, "failed calls", Missed},
		"failures":      {func(r *Results) { r.Churn = &Report{Failures: map[string]int{"x": 1}} }, "failed calls", Missed},
	}
	for name, test := range tests {
		r := goodResults()
		test.spoil(&r)
		found := false
		for _, j := range r.Judge(Baseline{Limits: DefaultLimits(), Results: goodResults()}) {
			if j.Name == test.name {
				found = true
				if j.Verdict != test.want {
					t.Errorf("%s: %s is %s at %g, want %s", name, j.Name, j.Verdict, j.Value, test.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: %q is not judged", name, test.name)
		}
	}
}

func TestJudgeOnlyWhatWasMade(t *testing.T) {
	t.Parallel()
	r := Results{Setup: goodResults().Setup}
	var names []string
	for _, j := range r.Judge(Baseline{}) {
		names = append(names, j.Name)
	}
	if diff := cmp.Diff([]string{"failed calls", "invite to 200 p50"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestBaselineRoundTrip(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.SetupP50 = 2
	want := Baseline{Limits: limits, Results: goodResults()}
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadBaseline(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = ReadBaseline(strings.NewReader(`{"limits":{"setup_p50_ms":9}}`))
	limits.SetupP50 = 9
	if err != nil || got.Limits != limits {
		t.Errorf("partial limits read as %+v, %v", got.Limits, err)
	}
	for _, bad := range []string{"", "[]", `{"limits":{"setup_p51_ms":9}}`} {
		if _, err := ReadBaseline(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read without error", bad)
		}
	}
}

func TestResultsOverEarlierOnes(t *testing.T) {
	t.Parallel()
	earlier, now := goodResults(), Results{Setup: &Report{Answered: 7}, ColdStart: Quantiles{Count: 1, P50: 9}}
	want := goodResults()
	want.Setup, want.ColdStart = now.Setup, now.ColdStart
	if diff := cmp.Diff(want, now.Over(earlier)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(goodResults(), earlier); diff != "" {
		t.Errorf("the earlier ones changed: %s", diff)
	}
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	r := goodResults()
	r.Echo.Lateness = Quantiles{Count: 1, P99: 3.5}
	r.Setup.Failures = map[string]int{"refused with 486 Busy": 2}
	r.Setup.Discarded = 1
	var b bytes.Buffer
	met, err := r.WriteText(&b, Baseline{Results: goodResults()})
	if err != nil || met {
		t.Errorf("met = %v, err = %v; want false and none", met, err)
	}
	for _, want := range []string{
		"DOES NOT COUNT", "2 x refused with 486 Busy", "not counted", "MISSED       failed calls", "(2 attempts)",
		"over TLS and SRTP: 1.140 times the processor time of plain calls (5 pairs, from 1.090 to 1.200; 0 more do not count)",
		"INVITE to 200 p50 5.90 ms, p95 8.00 ms (plain: 2.00, 3.00); packet gap p99 22.50 ms (plain: 22.00); 0 calls failed",
		"(baseline 1)", "90.0 KB per call", "p50 110.00  p95 190.00", "1 discarded", "cold start",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
	if met, err := goodResults().WriteText(&b, Baseline{}); !met || err != nil {
		t.Errorf("good results: met = %v, err = %v", met, err)
	}
	if _, err := goodResults().WriteText(brokenWriter{}, Baseline{}); err == nil {
		t.Error("a failed write was not reported")
	}
}

// brokenWriter refuses everything.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space") }

// The runs with one wheel and with two are printed and never judged.
func TestWheelsArePrinted(t *testing.T) {
	t.Parallel()
	slow := &Report{Answered: 300, Gap: Quantiles{Count: 9, P50: 20, P99: 61.5, Max: 90}, CPUPerCallMinute: 0.21, Lost: 4,
		Failures: map[string]int{"no answer": 2}}
	var out bytes.Buffer
	met, err := Results{OneWheel: slow, TwoWheels: slow}.WriteText(&out, Baseline{Limits: DefaultLimits()})
	if err != nil || !met {
		t.Errorf("met %v, %v", met, err)
	}
	for _, want := range []string{
		"300 G.722 calls on one wheel: gap p50 20.0 ms, p99 61.5 ms, max 90.0 ms; 0.2100 s of cpu per call-minute; 4 lost, 2 failed",
		"300 G.722 calls on two wheels: gap p50 20.0 ms",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestReportJSON(t *testing.T) {
	t.Parallel()
	want := *goodResults().TurnOne
	want.Clicks = []Click{{Call: 1, Sample: 8000, SampleRate: 8000, SinceAnswer: 1.25, UnixNano: 5}}
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
