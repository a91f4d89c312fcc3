package sidetone

import "time"

// LineQuality is how well sound went over the line of a call.
type LineQuality struct {
	// Near is what we received, Far what the far end says it received; nil when that is
	// not known.
	Near, Far *Reception
	// RoundTrip is the mean time to the far end and back; 0 when it is not known.
	RoundTrip time.Duration
}

// Reception is how one end of a line received the other's sound.
type Reception struct {
	// Packets is how many were to come, Lost how many of them came too late or never.
	Packets, Lost uint64
	// Jitter is the mean, JitterMax the largest of the estimates.
	Jitter, JitterMax time.Duration
	// MOS is what listeners would say, estimated, from 1 (bad) to 5.
	MOS float64
}

// Loss is the share of the packets that was lost, in percent.
func (r Reception) Loss() float64 { return 100 * float64(r.Lost) / float64(max(r.Packets, 1)) }
