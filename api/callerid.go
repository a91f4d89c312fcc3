package api

import (
	"bytes"
	"encoding/json"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// CallerIDs knows which numbers calls may show.
type CallerIDs interface {
	// CallerID returns why a call from a number of ours must not show from, E.164, as
	// the end of a sentence that begins with the property's name; nil when it may.
	CallerID(ours sidetone.Number, from string) error
}

// ownCallerIDs lets every number show itself.
type ownCallerIDs struct{}

// CallerID implements CallerIDs.
func (ownCallerIDs) CallerID(ours sidetone.Number, from string) error {
	if ours.Number != from {
		return sidetone.Errorf(sidetone.Invalid, "must be a number of this environment")
	}
	return nil
}

// parties are who a call is from.
type parties struct {
	// shown is the number that is called from.
	shown string
	// line is the number whose carrier places the call.
	line sidetone.Number
	// ours is the number of ours on the call.
	ours string
}

// parties finds who a call is from. A number that is none of the environment's may be
// shown by the trunk of agent_phone_number, if that trunk shows any.
func (w work) parties(c callRequest) (parties, error) {
	number, err := w.numberByPhone(c.from, "from_number")
	unknown := sidetone.CodeOf(err) == sidetone.NotFound && c.ours != ""
	if err != nil && !unknown {
		return parties{}, err
	}
	p := parties{shown: number.Number, line: number, ours: number.Number}
	if c.ours != "" {
		ours, err := w.numberByPhone(c.ours, "agent_phone_number")
		if err != nil {
			return p, err
		}
		p.ours = ours.Number
		if unknown {
			p.line = ours
		}
	}
	if unknown {
		foreign, bad := w.phone(c.profile, "from_number", c.from)
		if bad != nil || w.callerIDs.CallerID(p.line, foreign) != nil {
			return p, err
		}
		p.shown = foreign
		return p, nil
	}
	if err := w.callerIDs.CallerID(p.line, p.shown); err != nil {
		return p, invalid("from_number %s", sidetone.MessageOf(err))
	}
	return p, nil
}

// headersOut reads the headers that a call is placed with.
func (d *decoder) headersOut(name string) map[string]string {
	var out map[string]string
	raw := d.JSON(name).Value
	if raw == nil || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if json.Unmarshal(raw, &out) != nil {
		d.Faults = append(d.Faults, name+" must have texts")
		return nil
	}
	if err := telephony.CheckHeaders(out); err != nil {
		d.Faults = append(d.Faults, name+err.Error())
	}
	return out
}
