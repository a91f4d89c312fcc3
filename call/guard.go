package call

import (
	"fmt"
	"log/slog"
	"runtime/debug"
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
