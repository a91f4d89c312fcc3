package processtest_test

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/sidetone/sidetone/process/processtest"
)

// Scripts written and run by many tests at once: without the lock some of them
// are "text file busy".
func TestScriptRunsAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			for range 50 {
				out, err := exec.Command(processtest.Script(t, "say", "echo $1"), "hello").Output()
				if err != nil || string(out) != "hello\n" {
					t.Fatalf("printed %q: %v", out, err)
				}
			}
		})
	}
}
