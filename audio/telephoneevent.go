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

// TelephoneEventReceiver turns the packets of a telephone-event stream into
// digits, each once. All packets of an event carry the timestamp of its
// beginning, which is what tells a retransmission from a new digit; the end is
// sent three times and any of the packets may be lost, also all ends.
//
// The zero value is ready. It belongs to one goroutine and allocates nothing.
type TelephoneEventReceiver struct {
	current   TelephoneEvent
	timestamp uint32
	started   bool // an event has been seen
	open      bool // its end has not
	extra     uint32
}

// ReceivedDigit is a digit a TelephoneEventReceiver recognised.
type ReceivedDigit struct {
	// Digit is one of 0-9, *, #, A-D.
	Digit rune
	// Duration is how long the key was held as far as is known, in RTP
	// timestamp units.
	Duration uint32
	// Timestamp is the RTP timestamp of the beginning of the tone.
	Timestamp uint32
	// Complete says that the peer ended the event; false when its end packets
	// were lost and a later event or Flush closed it.
	Complete bool
}

// Receive takes one packet. It returns a digit when the packet tells that one
// is finished: its own, by its end bit, or the one before it, whose end was
// lost. Late packets of finished or older events return false.
func (r *TelephoneEventReceiver) Receive(timestamp uint32, event TelephoneEvent) (ReceivedDigit, bool) {
	if _, ok := event.Digit(); !ok {
		return ReceivedDigit{}, false
	}
	if r.started {
		switch age := int32(timestamp - r.timestamp); {
		case age < 0:
			return ReceivedDigit{}, false
		case age == 0 && !r.open:
			return ReceivedDigit{}, false
		case age == 0:
			r.current.Duration = max(r.current.Duration, event.Duration)
			return r.finishIf(event.End)
		case r.open && r.continues(timestamp, event):
			return r.finishIf(event.End)
		}
	}
	lost, wasLost := r.Flush()
	r.current, r.timestamp, r.extra = event, timestamp, 0
	r.started, r.open = true, true
	if wasLost {
		// One digit a packet: should this be the end of the new one, it stays
		// open until its repetition or Flush.
		return lost, true
	}
	return r.finishIf(event.End)
}

// continues says whether an event with a new timestamp is the next segment of
// the open one, which RFC 4733 section 2.5.1.3 prescribes when a duration would
// exceed its 16 bits, and if so takes it in.
func (r *TelephoneEventReceiver) continues(timestamp uint32, event TelephoneEvent) bool {
	const fullSegment = 0xff00
	if event.Code != r.current.Code || r.current.Duration < fullSegment ||
		timestamp-r.timestamp > 0xffff {
		return false
	}
	r.extra += timestamp - r.timestamp
	r.current, r.timestamp = event, timestamp
	return true
}

// finishIf closes the current event when ended is set.
func (r *TelephoneEventReceiver) finishIf(ended bool) (ReceivedDigit, bool) {
	if !ended {
		return ReceivedDigit{}, false
	}
	digit, ok := r.Flush()
	digit.Complete = true
	return digit, ok
}

// Flush closes the event whose end has not come, if there is one. Call it when
// 100 ms have passed without a packet of the event, or at the end of the call.
func (r *TelephoneEventReceiver) Flush() (ReceivedDigit, bool) {
	if !r.open {
		return ReceivedDigit{}, false
	}
	r.open = false
	digit, _ := r.current.Digit()
	return ReceivedDigit{
		Digit:     digit,
		Duration:  r.extra + uint32(r.current.Duration),
		Timestamp: r.timestamp - r.extra,
	}, true
}

// Open returns the digit whose key is down and true, or false when none is.
func (r *TelephoneEventReceiver) Open() (rune, bool) {
	digit, _ := r.current.Digit()
	return digit, r.open
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
