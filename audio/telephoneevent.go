package audio

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// EventError is the type of the sentinel errors of DTMF and telephone events.
type EventError string

// Error returns the error's text.
func (e EventError) Error() string { return string(e) }

// The errors of telephone events.
const (
	// ErrShortEvent says that an RTP payload is too short to be a telephone
	// event.
	ErrShortEvent EventError = "telephone event payload is shorter than 4 bytes"
	// ErrNotADigit says that a character is none of 0-9, *, #, A-D.
	ErrNotADigit EventError = "not a DTMF digit"
)

// telephoneEventSize is the length of a telephone-event payload in bytes.
const telephoneEventSize = 4

// TelephoneEvent is the payload of one telephone-event packet as defined in
// RFC 4733, section 2.3: https://www.rfc-editor.org/rfc/rfc4733#section-2.3
type TelephoneEvent struct {
	// Code is the event: 0-15 are the DTMF digits 0-9, *, #, A-D.
	Code uint8
	// End says that the event is over with this duration.
	End bool
	// Volume is the tone's power level in dBm0 with the sign dropped, 0 to 63.
	Volume uint8
	// Duration is how long the event has lasted, in RTP timestamp units,
	// counted from the packet's timestamp.
	Duration uint16
}

// DecodeTelephoneEvent reads the first event of an RTP payload. The error is
// ErrShortEvent when there is none; bytes behind it are ignored.
func DecodeTelephoneEvent(payload []byte) (TelephoneEvent, error) {
	if len(payload) < telephoneEventSize {
		return TelephoneEvent{}, ErrShortEvent
	}
	return TelephoneEvent{
		Code:     payload[0],
		End:      payload[1]&0x80 != 0,
		Volume:   payload[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, nil
}

// AppendTo appends the four bytes of the event to payload and returns the
// result.
func (e TelephoneEvent) AppendTo(payload []byte) []byte {
	flags := e.Volume & 0x3f
	if e.End {
		flags |= 0x80
	}
	payload = append(payload, e.Code, flags)
	return binary.BigEndian.AppendUint16(payload, e.Duration)
}

// Digit returns the DTMF digit the event stands for, or false when it stands
// for something else.
func (e TelephoneEvent) Digit() (rune, bool) {
	keys := dtmfKeys()
	if int(e.Code) >= len(keys) {
		return 0, false
	}
	return rune(keys[e.Code].digit), true
}

// TelephoneEventCode returns the event code of a DTMF digit; letters may be of
// either case. The error wraps ErrNotADigit.
func TelephoneEventCode(digit rune) (uint8, error) {
	if code, _, ok := keyOf(digit); ok {
		return code, nil
	}
	return 0, fmt.Errorf("look up the telephone event of %q: %w", digit, ErrNotADigit)
}

// telephoneEventEnds is how often the end of an event is sent, as RFC 4733
// section 2.5.1.4 recommends.
const telephoneEventEnds = 3

// TelephoneEventPacket is one packet to send for a digit. All packets of a
// digit carry the RTP timestamp of its first one, and sequence numbers that go
// on as usual.
type TelephoneEventPacket struct {
	// Event is the payload.
	Event TelephoneEvent
	// Marker is the RTP marker bit: set on the first packet of a digit only.
	Marker bool
}

// TelephoneEventSender yields the packets of one digit, one for each 20 ms:
// growing durations, then the end three times. It belongs to one goroutine.
type TelephoneEventSender struct {
	code, volume uint8
	step, total  uint16
	sent         uint16 // duration in the last packet
	ends         int
}

// NewTelephoneEventSender returns a sender for digit, held for the given time
// (40 ms to 8 s; anything else is brought to the nearer bound, and rounded up
// to whole 20 ms) on a stream whose RTP clock runs at clock hertz. The error
// wraps ErrNotADigit.
func NewTelephoneEventSender(digit rune, held time.Duration, clock int) (*TelephoneEventSender, error) {
	code, err := TelephoneEventCode(digit)
	if err != nil {
		return nil, err
	}
	const shortest, longest, volume = 2 * FrameDuration, 8 * time.Second, 10
	held = min(max(held, shortest), longest)
	step := int64(clock) / 50
	if step <= 0 || step > math.MaxUint16 {
		return nil, fmt.Errorf("send telephone event %q: clock rate %d is out of range", digit, clock)
	}
	packets := int64((held + FrameDuration - 1) / FrameDuration)
	packets = min(packets, math.MaxUint16/step)
	return &TelephoneEventSender{code: code, volume: volume, step: uint16(step), total: uint16(packets * step)}, nil
}

// Next returns the packet for the next 20 ms, or false when the end has been
// sent three times.
func (s *TelephoneEventSender) Next() (TelephoneEventPacket, bool) {
	if s.ends == telephoneEventEnds {
		return TelephoneEventPacket{}, false
	}
	marker := s.sent == 0
	if s.sent < s.total {
		s.sent += s.step
	}
	last := s.sent == s.total
	if last {
		s.ends++
	}
	return TelephoneEventPacket{
		Event:  TelephoneEvent{Code: s.code, Volume: s.volume, Duration: s.sent, End: last},
		Marker: marker,
	}, true
}
