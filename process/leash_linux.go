package process

import (
	"os/exec"
	"syscall"
)

// leash ties the child's life to this process.
func leash(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
