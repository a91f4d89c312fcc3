//go:build vendors

package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/standin/hearing"
)

// aloneIn is set in the process that holds the call: it is in a network of its own,
// in which there is nothing but a loopback interface. Its value is the folder in
// which the program and its packages are.
const aloneIn = "SIDETONE_E2E_ALONE_IN"

// TestTwiliosLibraryAnswers holds a complete call with a program on two packages of
// npm: twilio, which judges the signature of the upgrade, and ws. No package that npm
// has here speaks the frames: the program is written from their description.
func TestTwiliosLibraryAnswers(t *testing.T) {
	if dir := os.Getenv(aloneIn); dir != "" {
		holdCall(t, dir)
		return
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("vendors/testdata/twilio")); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 4*time.Minute)
	run(t, ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
		self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "3m")
	cmd.Env = cleanEnv(aloneIn+"="+dir, "GOPROXY=off")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func holdCall(t *testing.T, dir string) {
	const token = "an auth token"
	address, sent := startNode(t, dir, "TOKEN="+token, "STORY="+story)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	s := start(t, append(p.env(), "SIDETONE_OUTBOUND_ALLOW=127.0.0.1")...)
	paced := timing.Start(t)
	v, keys, number := s.talkWithProgram(t, "conversation_relay", address, token)
	checkProgram(t, paced, "conversation_relay", v, keys, number, sent())
	t.Logf("twilio and ws: the signature and a whole call of %d events agree", len(v.events))
}

// startNode runs the program until the test ends. sent stops it and returns what it was
// sent.
func startNode(t *testing.T, dir string, env ...string) (address string, sent func() frames) {
	t.Helper()
	cmd := exec.Command("node", filepath.Join(dir, "relay.mjs"))
	cmd.Dir, cmd.Env = dir, cleanEnv(env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the program did not start: %v\n%s", cmd.Wait(), problems.String())
	}
	address = lines.Text()
	all := make(chan frames, 1)
	go func() {
		var read frames
		for lines.Scan() {
			var f map[string]any
			_ = json.Unmarshal(lines.Bytes(), &f) // what is no frame is found missing
			read = append(read, f)
		}
		all <- read
	}()
	stopped := false
	stop := func() frames {
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended is found below
		read := <-all
		_ = cmd.Wait() // by the signal
		if problems.Len() > 0 {
			t.Errorf("the program complains:\n%s", problems.String())
		}
		return read
	}
	t.Cleanup(func() {
		if !stopped {
			stop()
		}
	})
	return address, stop
}
