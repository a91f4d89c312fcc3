//go:build !linux

package process

import (
	"os"
	"os/exec"
)

// leash does nothing: other systems have no signal for a parent's death, and
// the child must end when its standard input does.
func leash(*exec.Cmd) {}

// shrink does nothing: the size of a pipe can only be set on Linux.
func shrink(*os.File) {}
