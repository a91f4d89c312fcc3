package call

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// No directory of the server reaches a call's record.
func TestPublicErrorsNameNoDirectory(t *testing.T) {
	t.Parallel()
	cases := map[string]error{
		"write recording: write call.wav: no space left on device": fmt.Errorf("write recording: %w",
			&fs.PathError{Op: "write", Path: "/srv/sidetone/recordings/call.wav", Err: syscall.ENOSPC}),
		"speak with flite: fork/exec flite: permission denied": fmt.Errorf("speak with flite: %w",
			&fs.PathError{Op: "fork/exec", Path: "/opt/speech/flite", Err: syscall.EACCES}),
		`exec: "flite": executable file not found in $PATH`: &exec.Error{Name: "/opt/speech/flite", Err: exec.ErrNotFound},
		"place the call: no trunk is configured":            fmt.Errorf("place the call: %w", sidetone.Errorf(sidetone.Invalid, "no trunk is configured")),
		"ask the carrier: it is gone":                       fmt.Errorf("ask the carrier: %w", &sidetone.Error{Code: sidetone.Unavailable, Message: "it is gone"}),
		"the agent is broken: voice not found": &sidetone.Error{Code: sidetone.Internal, Message: "the agent is broken",
			Cause: sidetone.Errorf(sidetone.NotFound, "voice not found")},
		"run flite: exit status 1: flite: line 3: 'x.so' is missing (see https://a.example/b/c)": errors.New("run /opt/speech/flite: exit status 1: /opt/speech/flite: line 3: '/usr/lib/x.so' is missing (see https://a.example/b/c)"),
		"nobody may answer":       &telephony.Refusal{Cause: telephony.CauseUnavailable, Reason: "nobody may answer"},
		"the vendor answered 500": errors.New("the vendor answered 500"),
	}
	for want, err := range cases {
		if got := Public(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
