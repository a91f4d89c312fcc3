package sidetone

import "time"

// DNCNumber is a telephone number that an environment must not call.
type DNCNumber struct {
	ID            string
	EnvironmentID string
	// Number is E.164 with plus, unique in the environment.
	Number string
	// Written is how the number was given; "" for entries of before that was kept.
	Written string
	// Certain says that Number is what was meant: it was written with a plus or
	// read with the default country, or a person decided. Of another, what its
	// digits are in the environment's country is not called either.
	Certain bool
	// Reason is for people; may be empty.
	Reason  string
	Version int64
	Created time.Time
	Updated time.Time
}

// Validate checks lengths; the message starts with the property's path.
func (n DNCNumber) Validate() error { return maxLength("reason", n.Reason, 1024) }
