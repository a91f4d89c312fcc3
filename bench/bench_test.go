package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/loadgen"
	"github.com/sidetone/sidetone/process/processtest"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		only []string
		want string
	}{
		"all":  {nil, "echo g722 wheels turn bargein cough setup pipeline secure journals recording wire cold"},
		"some": {[]string{"setup", "echo"}, "echo setup"},
		"one":  {[]string{"recording"}, "recording"},
	} {
		parts, err := choose(c.only)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range parts {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if _, err := choose([]string{"echo", "speed"}); !errors.Is(err, ErrPart) || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("unknown part: %v", err)
	}
}

// The part that stops the server comes after all that need it.
func TestColdComesLast(t *testing.T) {
	t.Parallel()
	parts := Parts()
	if last := parts[len(parts)-1].Name; last != "cold" {
		t.Errorf("last part is %q", last)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	full, quick := sizes(Options{}), sizes(Options{Quick: true})
	if full.echoCalls < 200 || full.turnsOne < 500 || full.turnsMany < 500 || full.attempts != 5 || full.turnCalls != 100 || full.clock != 3*time.Minute ||
		full.secureCalls < 200 || full.securePairs < 5 {
		t.Errorf("the full benchmark measures less than is promised: %+v", full)
	}
	if quick.window >= full.window || quick.turnsMany >= full.turnsMany || quick.attempts != 1 {
		t.Errorf("quick is not quicker: %+v", quick)
	}
	if got := sizes(Options{Quick: true, Turns: 500}).turnsOne; got != 500 {
		t.Errorf("turns = %d, want 500", got)
	}
}

func TestBaselineFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "baseline.json")
	want := loadgen.Baseline{Limits: loadgen.DefaultLimits(), Results: loadgen.Results{
		Setup: &loadgen.Report{Scenario: loadgen.ScenarioSetup, Answered: 7}}}
	if err := writeBaseline(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := readBaseline(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v; want the baseline alone", len(entries), err)
	}
	if _, err := readBaseline(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing baseline: %v", err)
	}
}

// The committed baseline can be read and promises no less than the product.
func TestCommittedBaseline(t *testing.T) {
	t.Parallel()
	b, err := readBaseline("baseline.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(loadgen.DefaultLimits(), b.Limits); d != "" {
		t.Errorf("limits are not the promised ones:\n%s", d)
	}
	if b.Results.Echo == nil || b.Results.Calibration == nil || b.Results.TurnMany == nil || b.Results.ColdStart.Count == 0 {
		t.Error("the baseline lacks runs")
	}
}

func TestJudgeReportsMisses(t *testing.T) {
	t.Parallel()
	setup := &loadgen.Report{Scenario: loadgen.ScenarioSetup, Setup: loadgen.Quantiles{Count: 1, P50: 2}}
	var out bytes.Buffer
	b := &bench{o: Options{Out: &out}, results: loadgen.Results{Setup: setup}}
	baseline := loadgen.Baseline{Limits: loadgen.DefaultLimits()}
	if err := b.judge(baseline); err != nil {
		t.Errorf("a figure within its limit: %v\n%s", err, out.String())
	}
	setup.Setup.P50 = 4
	if err := b.judge(baseline); !errors.Is(err, ErrMissed) || !strings.Contains(out.String(), "MISSED") {
		t.Errorf("a figure outside its limit: %v\n%s", err, out.String())
	}
}

func TestStartTellsWhyAServerEnds(t *testing.T) {
	t.Parallel()
	program := processtest.Script(t, "server", "echo the port is taken >&2\nexit 1")
	_, err := start(context.Background(), program, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("start = %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"PATH=/bin", "SIDETONE_DATA=x", "HOME=/root"})
	if d := cmp.Diff([]string{"PATH=/bin", "HOME=/root"}, got); d != "" {
		t.Error(d)
	}
}
