package call

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// broken says that a part of the call panicked and cannot go on.
type broken struct {
	err   error
	stack []byte // nil when it was logged already
}

// caught turns a panic into an error; it must be deferred directly. The log
// line holds the stack.
func caught(log *slog.Logger, what string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic in the %s: %v", what, p)
		if log != nil {
			log.Error("panic", slog.String("part", what), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}
}

// Public is the text of an error for the call's record, which anybody who may
// read the call sees: files of the server appear by their names, without
// directories, and an error of ours without its code.
func Public(err error) string {
	text := err.Error()
	var refused *telephony.Refusal
	if errors.As(err, &refused) {
		text = refused.Reason
	}
	var coded *sidetone.Error
	for rest := err; errors.As(rest, &coded); rest = coded.Cause {
		text = strings.ReplaceAll(text, string(coded.Code)+": ", "")
	}
	var path *fs.PathError
	if errors.As(err, &path) && path.Path != "" {
		text = strings.ReplaceAll(text, path.Path, filepath.Base(path.Path))
	}
	var program *exec.Error
	if errors.As(err, &program) && filepath.IsAbs(program.Name) {
		text = strings.ReplaceAll(text, program.Name, filepath.Base(program.Name))
	}
	// Programs complain in words of their own. The "/" of a URL is behind no space.
	return regexp.MustCompile(`(^|[\s"'(=])/(?:[^\s"'():,;]*/)+`).ReplaceAllString(text, "$1")
}

// safely runs f; a panic in it is an error.
func (s *Session) safely(what string, f func()) (err error) {
	defer caught(s.log, what, &err)
	f()
	return nil
}

// spawn runs f on a goroutine that the session waits for. A panic in it ends
// this call and no other.
func (s *Session) spawn(what string, f func()) {
	s.wg.Go(func() {
		if err := s.safely(what, f); err != nil {
			s.inbox.postUrgent(broken{err: err})
		}
	})
}
