package deepgram

import "time"

// NewRestless returns a driver that keeps connections open with a message this often.
func NewRestless(o Options, every time.Duration) *Driver {
	o.idleAfter = every
	return New(o)
}
