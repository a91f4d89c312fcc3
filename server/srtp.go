package server

import (
	"errors"
	"fmt"
)

// validateSRTP checks whether a trunk's sound can be encrypted as it says.
func (t Trunk) validateSRTP() error {
	switch t.Media.SRTP {
	case "", "off":
		if t.Media.SRTPOverClear {
			return errors.New("media.srtp_over_clear needs media.srtp: prefer or require")
		}
	case "prefer", "require":
		if t.Host != "" && t.Transport != "tls" && !t.Media.SRTPOverClear {
			return fmt.Errorf("media.srtp: %s needs transport: tls, because the keys of the sound are in the signalling; "+
				"media.srtp_over_clear: true sends them in clear", t.Media.SRTP)
		}
	default:
		return errors.New("media.srtp must be off, prefer or require")
	}
	return nil
}
