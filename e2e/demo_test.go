package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/e2e/timing"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The demo's own checks decide its exit status; here its printed facts count.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode  string
		turns int
		facts []string
	}{
		{"speech", 4, []string{"G722", "cut off here; never heard", "gap by the server", "gap by the caller", "POST /v1/calls/create",
			"Tuesday", "Robert Johnson", "recording (left the caller, right the agent)", "Done in", "What the demo left", "calls transcript "}},
		{"tty", 4, []string{"PCMU", "gap by the caller", "POST /v1/calls/create", "open 8 to 6", "recording (left", "Done in"}},
	} {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			listen(t)
			ctx := within(t, 150*time.Second)
			paced := timing.Start(t)
			out, problems, err := try(ctx, t.TempDir(), "env", "DEMO_SPEECH="+test.mode, program, "demo", "--data", t.TempDir())
			if err != nil {
				fail := t.Errorf
				if strings.Contains(out, "Done in") { // it ran to its end, and words were misheard
					fail = paced.Errorf
				}
				fail("demo: %v\n%s\n%s", err, problems, out)
				return
			}
			for _, want := range test.facts {
				if !strings.Contains(out, want) {
					t.Errorf("the demo does not print %q:\n%s", want, out)
				}
			}
			if n := len(regexp.MustCompile(`(?m)^.*s  CALLER  \S`).FindAllString(out, -1)); n < test.turns {
				t.Errorf("%d caller turns were recognised, want %d:\n%s", n, test.turns, out)
			}
			stored := regexp.MustCompile(`(?m)^(in |out) \S+ .* ended, `).FindAllString(out, -1)
			if len(stored) != 2 {
				t.Errorf("%d stored calls are printed, want 2:\n%s", len(stored), out)
			}
		})
	}
}
