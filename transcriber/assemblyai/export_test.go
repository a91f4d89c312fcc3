package assemblyai

import "time"

// NewShortLived returns a driver whose connections are replaced at an age.
func NewShortLived(o Options, age time.Duration) *Driver {
	o.lifetime = age
	return New(o)
}
