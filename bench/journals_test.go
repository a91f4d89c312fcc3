package bench

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One server keeps the journals of all its calls, the other keeps none; both make as many
// turns.
func TestJournals(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "sidetone")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/sidetone").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	var out strings.Builder
	b := &bench{
		o: Options{Program: program, Out: &out}, dir: t.TempDir(), begun: time.Now(),
		size: size{journalCalls: 2, journalTurns: 2, journalPairs: 1},
	}
	if err := b.journals(t.Context()); err != nil {
		t.Fatal(err)
	}
	j := b.results.Journals
	if j.Pairs+j.Late != 1 || j.WithCPU <= 0 || j.WithoutCPU <= 0 || !strings.Contains(out.String(), "with; the callers were") {
		t.Errorf("%+v\n%s", j, out.String())
	}
	for kind, least := range map[string]int{"journals-false": 0, "journals-true": j.With.Answered} {
		files, err := filepath.Glob(filepath.Join(b.dir, "journals", kind, "recordings", "*.journal"))
		if err != nil || len(files) < least || least == 0 && len(files) > 0 {
			t.Errorf("%s: %d journals, %v", kind, len(files), err)
		}
	}
	if j.With.Answered != 2 || j.Without.Answered != 2 {
		t.Errorf("answered: %d with journals, %d without", j.With.Answered, j.Without.Answered)
	}
}
