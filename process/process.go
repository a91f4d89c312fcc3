// Package process starts programs of the operating system as supervised
// children: they never outlive this process, do not share its terminal's
// signals, and are gone when their context ends.
package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// KillDelay is how long a child whose context ended may keep its pipes open
// before they are closed under it.
const KillDelay = time.Second

// Command returns a child that is ready to be given pipes and started. No shell
// is involved: args reach the program as they are. The child has a process
// group of its own, so that an interrupt typed at the terminal lets the server
// end its calls first. It is killed when ctx ends and, on Linux, when this
// process dies however suddenly.
func Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = KillDelay
	leash(cmd)
	return cmd
}

// SmallPipe returns a pipe that holds as little as the system allows (4 KiB on
// Linux), so that a finished write means that the child has read nearly all of
// it. The caller closes both ends.
func SmallPipe() (read, write *os.File, err error) {
	read, write, err = os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open a pipe: %w", err)
	}
	shrink(write)
	return read, write, nil
}

// Output runs a child to its end and returns what it wrote to its standard
// output. The error of a child that fails carries the last line of its
// standard error; when ctx ended, it wraps the cause.
func Output(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := Command(ctx, program, args...)
	var stderr Tail
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, Explain(ctx, program, err, &stderr)
	}
	return out, nil
}

// Explain turns the error of a child into one that names the program and the
// last line it complained with. An ended ctx is the reason before any other.
func Explain(ctx context.Context, program string, err error, stderr *Tail) error {
	switch line := stderr.Line(); {
	case ctx.Err() != nil:
		return fmt.Errorf("run %s: %w", program, context.Cause(ctx))
	case line != "":
		return fmt.Errorf("run %s: %w: %s", program, err, line)
	default:
		return fmt.Errorf("run %s: %w", program, err)
	}
}

// Tail keeps the end of what is written to it, at most 1 KiB. It must not be
// read while a child still writes to it.
type Tail struct{ end []byte }

// Write keeps the end of p; it never fails.
func (t *Tail) Write(p []byte) (int, error) {
	const limit = 1 << 10
	t.end = append(t.end, p...)
	if len(t.end) > limit {
		t.end = append(t.end[:0], t.end[len(t.end)-limit:]...)
	}
	return len(p), nil
}

// Line returns the last line that is not empty, or "".
func (t *Tail) Line() string {
	kept := bytes.TrimSpace(t.end)
	return strings.TrimSpace(string(kept[bytes.LastIndexByte(kept, '\n')+1:]))
}
