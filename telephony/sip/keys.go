package sip

import (
	"slices"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// channel is a way in which keys reach us.
type channel uint8

// The channels, a better one after each.
const (
	noChannel channel = iota
	toneChannel
	infoChannel
	eventChannel
)

const (
	// eventGap is how long after its last packet an event whose end was lost is over.
	eventGap = 100 * time.Millisecond
	// eventMemory is how long the numbers of an event's packets mean anything.
	eventMemory = 5 * time.Second
	// sameKey is how long after a key the same one on a better channel is the same
	// press.
	sameKey = 1500 * time.Millisecond
	// toneHold is how long after its end a tone waits for an event, where events are
	// agreed; leastTone, how long it must have lasted: 80 ms, but for what the detector
	// may miss of it.
	toneHold, leastTone = 300 * time.Millisecond, 75 * time.Millisecond
	// fullSegment is from which duration on an event may go on with a new timestamp
	// (https://www.rfc-editor.org/rfc/rfc4733#section-2.5.1.3).
	fullSegment = 0xff00
	// longestPacket is how much sound a packet of a sender holds whose timestamp grows
	// with each packet of an event, and lostPackets how many numbers after the newest
	// its next one may have.
	longestPacket, lostPackets = 60 * time.Millisecond, 3
	// oldNumbers is how far from the newest number of a press those of its late packets
	// lie.
	oldNumbers = 100
	// toldKeys bounds the presses that are kept for the channels which have yet to tell
	// of them.
	toldKeys = 32
)

// keyPress is a key that was pressed.
type keyPress struct {
	digit rune
	held  time.Duration // as far as is known
}

// keypad makes presses of what a far end sends: telephone-events
// (https://www.rfc-editor.org/rfc/rfc4733), INFO requests or tones. Many send the
// same press on two of them, and one press counts once: the first channel that
// brings a key is in force, and a better one, that appears later, from then on.
//
// It has no clock; callers give it times of one monotonic clock. It belongs to one
// goroutine. The zero keypad is ready.
type keypad struct {
	// agreed says that events were negotiated; clock is their RTP clock in Hz.
	agreed bool
	clock  int
	// ignored counts keys of channels that are not in force.
	ignored uint64

	force channel
	told  []toldPress // of late, the oldest first
	out   []keyPress
	event eventPress
	past  eventPress // the one before the numbers began anew
	tones []heldTone // that wait, the oldest first
}

// toldPress is a press that has counted, of which another channel may still tell.
type toldPress struct {
	digit rune
	by    channel       // the best that has told of it
	at    time.Duration // when it was over
	down  bool          // its tone has not ended
}

// heldTone is a tone that counts unless an event tells of it.
type heldTone struct {
	keyPress
	ended time.Duration
}

// eventPress is a press that is told by telephone-events.
type eventPress struct {
	known     bool
	open      bool // it is under way
	cut       bool // it was over because nothing more came, which still may
	event     audio.TelephoneEvent
	marked    bool   // its newest packet had the marker
	extra     uint32 // duration of the segments before
	timestamp uint32
	seq       uint16
	began, at time.Duration // of its first packet and its newest
}

// reset forgets everything: another endpoint or format counts anew.
func (k *keypad) reset() {
	*k = keypad{agreed: k.agreed, clock: k.clock, ignored: k.ignored, out: k.out}
}

// choose lets any channel come into force: there is another description of the same
// stream.
func (k *keypad) choose() { k.force = noChannel }

// restart ends and forgets what is under way: another stream or source counts anew. The
// channel stays in force, and what was pressed on the one before is still the same press.
func (k *keypad) restart(at time.Duration) {
	k.end(at)
	k.event, k.past = eventPress{}, eventPress{}
	for i := range k.told {
		k.told[i].down = false
	}
}

// renumber goes on although the numbers of the stream begin anew with the next packet's.
func (k *keypad) renumber(seq uint16) {
	k.past = k.event
	k.event.seq = seq - 1
}

// next returns the next press.
func (k *keypad) next() (p keyPress, ok bool) {
	if len(k.out) == 0 {
		return keyPress{}, false
	}
	p = k.out[0]
	k.out = append(k.out[:0], k.out[1:]...)
	return p, true
}

// takeEvent takes the payload of a telephone-event packet.
func (k *keypad) takeEvent(h rtpHeader, ev audio.TelephoneEvent, at time.Duration) {
	if _, ok := ev.Digit(); !ok {
		return
	}
	e := &k.event
	if e.known && at-e.at > eventMemory {
		*e = eventPress{}
	}
	if k.past.told(h, ev) && at-k.past.at <= eventMemory {
		return
	}
	k.tones = k.tones[:0] // events tell of all keys
	k.inForce(eventChannel)
	switch {
	case e.known && int16(h.seq-e.seq) <= 0:
		return // late, or repeated
	case e.known && e.repeatsEnd(h, ev, k.clock):
		e.seq, e.timestamp, e.at, e.cut = h.seq, h.timestamp, at, false
		return
	case (e.open || e.cut) && e.continues(h, ev, k.clock):
		e.goOn(h, ev, at)
	default:
		k.endEvent()
		*e = eventPress{known: true, open: true, event: ev, marked: h.marker, timestamp: h.timestamp, seq: h.seq, began: at, at: at}
	}
	if ev.End {
		k.endEvent()
		e.cut = false
	}
}

// told reports whether a packet is one of a press of before.
func (e *eventPress) told(h rtpHeader, ev audio.TelephoneEvent) bool {
	apart := int16(h.seq - e.seq)
	return e.known && ev.Code == e.event.Code && h.timestamp == e.timestamp && -oldNumbers <= apart && apart <= oldNumbers
}

// repeatsEnd reports whether a packet says again that the newest press is over.
func (e *eventPress) repeatsEnd(h rtpHeader, ev audio.TelephoneEvent, clock int) bool {
	return !e.open && ev.End && ev.Code == e.event.Code &&
		(h.timestamp == e.timestamp || e.countsOn(h, clock) && ev.Duration >= e.event.Duration)
}

// countsOn reports whether a packet comes from a sender whose timestamp grows with
// each packet of an event.
func (e *eventPress) countsOn(h rtpHeader, clock int) bool {
	packets := h.seq - e.seq
	return !h.marker && packets <= lostPackets && h.timestamp-e.timestamp <= uint32(packets)*uint32(audio.Samples(longestPacket, clock))
}

// continues reports whether a packet belongs to the press under way: that has its
// timestamp, is the next segment of a long press, or comes from a sender that counts
// the timestamp on.
func (e *eventPress) continues(h rtpHeader, ev audio.TelephoneEvent, clock int) bool {
	longer := ev.Duration >= e.event.Duration
	switch {
	case ev.Code != e.event.Code:
		return false
	case h.timestamp == e.timestamp:
		return longer && !e.begins(h, ev)
	}
	return longer && e.countsOn(h, clock) || e.segment(h)
}

// begins reports whether a packet's marker begins another press. Some senders mark every
// packet, or the ends.
func (e *eventPress) begins(h rtpHeader, ev audio.TelephoneEvent) bool {
	return h.marker && !e.marked && !ev.End
}

// segment reports whether a packet begins the next segment of a long press.
func (e *eventPress) segment(h rtpHeader) bool {
	return h.seq == e.seq+1 && !h.marker && e.event.Duration >= fullSegment && h.timestamp-e.timestamp <= 0xffff
}

// goOn takes the next packet of the press under way.
func (e *eventPress) goOn(h rtpHeader, ev audio.TelephoneEvent, at time.Duration) {
	if h.timestamp != e.timestamp && ev.Duration < e.event.Duration {
		e.extra += h.timestamp - e.timestamp
	}
	e.event, e.marked, e.timestamp, e.seq, e.at = ev, h.marker, h.timestamp, h.seq, at
}

// endEvent ends the press under way.
func (k *keypad) endEvent() {
	e := &k.event
	if !e.open {
		return
	}
	e.open = false
	digit, _ := e.event.Digit()
	held := time.Duration(e.extra+uint32(e.event.Duration)) * time.Second / time.Duration(max(k.clock, 1))
	k.press(eventChannel, keyPress{digit, held}, e.began, e.at)
}

// takeInfo takes a key of an INFO request.
func (k *keypad) takeInfo(p keyPress, at time.Duration) {
	k.settleTones(at + toneHold) // another key, or the same press, which counts once
	if k.inForce(infoChannel) {
		k.press(infoChannel, p, at, at)
	}
}

// takeTone takes a tone that has just been recognised.
func (k *keypad) takeTone(digit rune, at time.Duration) {
	if !k.agreed && k.inForce(toneChannel) {
		k.press(toneChannel, keyPress{digit: digit}, at, at).down = true
	}
}

// toneEnded takes the end of a tone and how long it was clean.
func (k *keypad) toneEnded(digit rune, length, at time.Duration) {
	for i := range k.told {
		if t := &k.told[i]; t.down && t.digit == digit {
			t.down, t.at = false, at
		}
	}
	if !k.agreed || length < leastTone || !k.inForce(toneChannel) {
		return
	}
	k.tones = append(k.tones, heldTone{keyPress{digit, length}, at})
}

// settleTones counts tones that have waited long enough.
func (k *keypad) settleTones(at time.Duration) {
	for len(k.tones) > 0 && at-k.tones[0].ended >= toneHold {
		t := k.tones[0]
		k.tones = append(k.tones[:0], k.tones[1:]...)
		k.press(toneChannel, t.keyPress, t.ended-t.held, t.ended)
	}
}

// tick ends what nothing more came of.
func (k *keypad) tick(at time.Duration) {
	k.settleTones(at)
	if k.event.open && at-k.event.at >= eventGap {
		k.endEvent()
		k.event.cut = true
	}
}

// end ends everything: the call is over.
func (k *keypad) end(at time.Duration) {
	k.settleTones(at + toneHold)
	k.endEvent()
}

// inForce reports whether a channel counts. A better one than that in force takes
// over.
func (k *keypad) inForce(c channel) bool {
	switch {
	case c < k.force:
		k.ignored++
		return false
	case c > k.force:
		k.force = c
	}
	return true
}

// press counts a press from a time to another, but for one of which another channel has
// told. It returns what is kept of it until the next call.
func (k *keypad) press(by channel, p keyPress, began, ended time.Duration) *toldPress {
	k.told = slices.DeleteFunc(k.told, func(t toldPress) bool { return !t.down && began-t.at > sameKey })
	same := slices.IndexFunc(k.told, func(t toldPress) bool { return t.by != by && t.digit == p.digit })
	if same < 0 {
		k.out = append(k.out, p)
		if len(k.told) == toldKeys {
			k.told = slices.Delete(k.told, 0, 1)
		}
		same = len(k.told)
		k.told = append(k.told, toldPress{})
	}
	k.told[same] = toldPress{digit: p.digit, by: by, at: ended}
	return &k.told[same]
}
