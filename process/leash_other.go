//go:build !linux

package process

import "os/exec"

// leash does nothing: other systems have no signal for a parent's death, and
// the child must end when its standard input does.
func leash(*exec.Cmd) {}
