package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// childPatience is how long a child process may take to end before it is
// killed.
const childPatience = 5 * time.Second

// child is a process of ours.
type child struct {
	command *exec.Cmd
	// leash is the process's standard input.
	leash io.Closer
}

// startChild starts argv with the output going to stdout and stderr.
func startChild(argv, env []string, dir string, stdout, stderr io.Writer) (*child, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("%w: no command", ErrConfig)
	}
	command := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
	command.Env = append(os.Environ(), env...)
	command.Dir, command.Stdout, command.Stderr = dir, stdout, stderr
	command.WaitDelay = time.Second
	leash, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", argv[0], err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return &child{command: command, leash: leash}, nil
}

// end closes the process's input, interrupts it and waits until it has ended;
// after 5 s it is killed. How the process ends is not an error.
func (c *child) end() error {
	_ = c.leash.Close()
	_ = c.command.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(childPatience, func() { _ = c.command.Process.Kill() })
	defer kill.Stop()
	err := c.command.Wait()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return fmt.Errorf("end %s: %w", c.command.Path, err)
}
