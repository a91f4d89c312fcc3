package call

import "time"

// Clock is where time comes from. The server passes the system's functions, a
// test whatever it likes.
type Clock struct {
	// Now returns the time with a monotonic reading.
	Now func() time.Time
	// AfterFunc calls f on its own goroutine once d has passed, unless stop was
	// called first; stop reports whether it prevented the call.
	AfterFunc func(d time.Duration, f func()) (stop func() bool)
	// Sleep returns after d, or when done is closed.
	Sleep func(d time.Duration, done <-chan struct{})
}
