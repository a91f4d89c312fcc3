package process_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/process"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	out, err := process.Output(t.Context(), "printf", "%s|%s", "a b", "$HOME;`id`")
	if err != nil || string(out) != "a b|$HOME;`id`" {
		t.Errorf("output = %q, %v", out, err)
	}
}

func TestOutputNamesProgramAndComplaint(t *testing.T) {
	t.Parallel()
	_, err := process.Output(t.Context(), "ls", "/no/such/folder")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "run ls:") || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("error = %v", err)
	}
	if _, err = process.Output(t.Context(), "no-such-program-here"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error = %v, want %v", err, exec.ErrNotFound)
	}
}

func TestOutputEndsWithItsContext(t *testing.T) {
	t.Parallel()
	boom := errors.New("call ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(boom) })
	start := time.Now()
	_, err := process.Output(ctx, "sleep", "30")
	if !errors.Is(err, boom) {
		t.Errorf("error = %v, want %v", err, boom)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the child was left running for %v", took)
	}
}

// A wrapper's own children are gone with it.
func TestNothingOutlivesTheContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := process.Output(ctx, "sh", "-c", "sleep 300 & echo $! >"+path+".part; mv "+path+".part "+path+"; wait")
		done <- err
	}()
	var pid []byte
	poll(t, "the grandchild", func() bool { pid, _ = os.ReadFile(path); return len(pid) > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	poll(t, "the grandchild's end", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

// poll waits until ok holds.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var tail process.Tail
	if tail.Line() != "" {
		t.Errorf("line of nothing = %q", tail.Line())
	}
	for range 1000 {
		_, _ = tail.Write([]byte("a line that will be forgotten\n"))
	}
	_, _ = tail.Write([]byte("the last one\n\n"))
	if tail.Line() != "the last one" {
		t.Errorf("line = %q", tail.Line())
	}
}

func TestSmallPipeHoldsLittle(t *testing.T) {
	t.Parallel()
	read, write, err := process.SmallPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if err := write.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := write.Write(make([]byte, 1<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n > 16<<10 {
		t.Errorf("an unread pipe took %d bytes, %v", n, err)
	}
	if err := write.Close(); err != nil {
		t.Error(err)
	}
}
