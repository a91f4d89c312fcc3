package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What `serve --hints` tells a newcomer to type works, to the transcript of the
// call.
func TestHintsCanBeFollowed(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 2*time.Minute)
	dir := t.TempDir()
	printed := filepath.Join(dir, "printed")
	out, err := os.Create(printed)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(ctx, program, "serve", "--data", filepath.Join(dir, "data"), "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--hints")
	cmd.Env, cmd.Stdout = cleanEnv(), out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	await(t, ctx, "the last of the hints", func() bool { return strings.Contains(readText(t, printed), "docs/calling-in.md") })

	_, commands, _ := strings.Cut(readText(t, printed), "in another shell:\n")
	commands, _, found := strings.Cut(commands, "  "+program+" calls transcript ID\n")
	if !found {
		t.Fatalf("no transcript in\n%s", commands)
	}
	told := run(t, ctx, dir, "sh", "-ec", commands)
	for _, want := range []string{"+ number +14155550100", "agent     Hello, how can I help?"} {
		if !strings.Contains(told, want) {
			t.Errorf("the hints do not lead to %q:\n%s", want, told)
		}
	}
	id := regexp.MustCompile(`(?m)^[0-9a-f-]{36}`).FindString(told)
	export, _, _ := strings.Cut(commands, "\n")
	turns := run(t, ctx, dir, "sh", "-ec", export+"\n"+program+" calls transcript "+id)
	// What the recogniser understands is judged elsewhere.
	if !regexp.MustCompile(`(?ms)^  0:\d\d\.\d  agent   Hello, how can I help\?$.*^  \d:\d\d\.\d  caller  \S`).MatchString(turns) {
		t.Errorf("the transcript of call %s:\n%s", id, turns)
	}
}
