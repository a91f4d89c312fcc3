package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// fillLag is how far behind real time silence is made up while nothing
	// arrives, so that a late packet still finds its place.
	fillLag = 60 * time.Millisecond
	// lookFor is how long is waited for a packet at least: a loop that was held up
	// looks for what came meanwhile before it makes up silence.
	lookFor = 5 * time.Millisecond
	// reportEvery is the interval of RTCP reports; the first comes after half of it
	// (https://www.rfc-editor.org/rfc/rfc3550#section-6.2). Those of the far end are
	// read every drainEvery.
	reportEvery, drainEvery = 5 * time.Second, time.Second
	// pausedStream is how far a stream's media time may lag behind what was
	// made up before it counts as a sender that stopped its clock.
	pausedStream = 200 * time.Millisecond
	// maxPayload bounds the sound of one packet: 200 ms.
	maxPayload = 1600
)

// receiver is the receive loop of a leg: packets in, events out. It lives on
// the goroutine that ranges over Events.
type receiver struct {
	leg    *leg
	m      *media
	yield  func(telephony.Event) bool
	origin time.Time
	buf    [2048]byte

	early      bool // the call is not answered yet
	deaf       bool // nobody wants to hear it
	held       backlog
	described  int // whether the description is the one that media counts
	generation int
	st         stream
	order      *audio.Reorder
	g722       *audio.G722Decoder // made when the first packet of it comes
	resampler  *audio.Resampler   // of codecs with another rate than the leg's; made when needed
	other      []int16            // decoded, before it is resampled
	ssrc       uint32
	synced     bool
	keys       keypad
	tones      *audio.DTMFDetector
	ticks      tickRate

	rate    int     // of what is handed on
	pcm     []int16 // decoded, before it is cut into frames
	frame   [320]int16
	filled  int
	real    bool // the frame holds something that was received
	arrived time.Time
	out     int64 // samples handed on or in frame
	behind  int64 // samples by which the newest sound lies behind its media time
	base    int64 // what to add to the reorder buffer's positions
	based   bool
	fillAt  time.Time // when silence is made up next, if nothing was there at that time
	empty   time.Time // no packet waited then

	drained  time.Time
	reported time.Time
	lostSeen uint64
	recvSeen uint64
	highest  uint32
	lastSR   uint32
	srAt     time.Time
	jitter   float64
	transit  int64
	line     received
	tallied  audio.ReorderStats
}

func newReceiver(l *leg, yield func(telephony.Event) bool) *receiver {
	now := l.media.now()
	stampArrivals(l.media.rtcp)
	l.media.mu.Lock()
	described := l.media.described
	l.media.mu.Unlock()
	held := l.held
	held.near = l.media.hosts
	return &receiver{leg: l, m: l.media, yield: yield, origin: now.Add(-heldFor), held: held, described: described,
		reported: now.Add(-reportEvery / 2), drained: now,
		order: audio.NewReorder(8000), fillAt: now.Add(slot + fillLag), generation: -1}
}

// run loops until the call or ctx ends or the body leaves.
func (r *receiver) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.m.mu.Lock()
		defer r.m.mu.Unlock()
		r.m.wake()
	})
	defer stop()
	defer r.publish()
	for r.control() && ctx.Err() == nil {
		r.startAfresh()
		now := r.m.now()
		if !r.drain(now) {
			return
		}
		r.tick(now)
		if !r.arm(ctx, now) {
			continue
		}
		more, err := r.read()
		switch {
		case !more:
			return
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			<-r.leg.gone // the cause follows the closing of the socket
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.empty = now
		default:
			r.m.refused.Add(1) // an ICMP error of an earlier write
		}
	}
}

// read takes the next packet of the far end's; false ends the loop. Others' cost as
// little as can be: the socket's deadline stands, and there is nothing new to wait for.
func (r *receiver) read() (more bool, err error) {
	for {
		n, from, err := r.m.rtp.ReadFromUDPAddrPort(r.buf[:])
		if err != nil {
			return true, err
		}
		now, from := r.m.now(), unmap(from)
		r.m.show(now, false, r.m.rtp, from, r.buf[:n], &r.st)
		if taken, more := r.packet(now, from, r.buf[:n]); taken || !more {
			return more, nil
		}
	}
}

// control yields what others queued; false ends the loop.
func (r *receiver) control() bool {
	for {
		ev, ok := r.take()
		if !ok {
			break
		}
		if ev.Kind == telephony.KindDigit { // of an INFO request
			r.keys.takeInfo(keyPress{ev.Digit, ev.Duration}, r.since())
			continue
		}
		if !r.yield(ev) {
			return false
		}
	}
	select {
	case <-r.leg.gone:
		if r.lastKeys() {
			r.yield(r.leg.endedEvent())
		}
		return false
	default:
		return true
	}
}

// lastKeys hands on the keys that were pressed when the call ended: what waits to be put
// in order may hold tones, and one may be under way. false ends the loop.
func (r *receiver) lastKeys() bool {
	if at, waits := r.order.Deadline(); waits && !r.flush(r.origin.Add(at)) {
		return false
	}
	r.listen(make([]int16, r.rate/20)) // the tone ends here
	r.keys.end(r.since())
	return r.presses()
}

// since is the time on the clock of the stream.
func (r *receiver) since() time.Duration { return r.m.now().Sub(r.origin) }

// presses hands on the keys that were pressed; false ends the loop.
func (r *receiver) presses() bool {
	for {
		p, ok := r.keys.next()
		if !ok {
			return true
		}
		if !r.yield(telephony.Event{Kind: telephony.KindDigit, Digit: p.digit, Duration: p.held}) {
			return false
		}
	}
}

// take returns the next queued event and follows a change of the format.
func (r *receiver) take() (telephony.Event, bool) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.synced && r.st.remote != r.m.st.remote {
		r.order.Reset() // another sender, which may count anew
		r.synced = false
	}
	switch st := &r.m.st; {
	case r.st == *st:
	case r.st.remote == st.remote && r.st.codec == st.codec && r.st.eventPT == st.eventPT && r.st.eventClock == st.eventClock:
		r.keys.choose()
	default:
		r.keys.end(r.since())
		r.keys.reset()
	}
	r.st = r.m.st
	r.keys.agreed, r.keys.clock = r.st.agreed, r.st.eventClock
	if r.m.generation != r.generation {
		r.reformat(r.m.st.codec)
		r.generation = r.m.generation
	}
	if len(r.m.pending) == 0 {
		return telephony.Event{}, false
	}
	ev := r.m.pending[0]
	r.m.pending = append(r.m.pending[:0], r.m.pending[1:]...)
	return ev, true
}

// reformat starts anew for a codec; media time goes on in its rate.
func (r *receiver) reformat(c codec) {
	r.out = (r.out - int64(r.filled)) * int64(c.rate()) / int64(max(r.rate, 1))
	r.rate = c.rate()
	r.g722, r.resampler, r.filled, r.based = nil, nil, 0, false
	r.tones = audio.NewDTMFDetector(r.rate)
	r.tally()
	r.order, r.tallied = audio.NewReorder(8000), audio.ReorderStats{}
	r.synced = false
}

// arm sets how long to wait for a packet; false when there is something to do
// before.
func (r *receiver) arm(ctx context.Context, now time.Time) bool {
	wake := r.fillAt
	if at, ok := r.order.Deadline(); ok {
		if due := r.origin.Add(at); due.Before(wake) {
			wake = due
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if len(r.m.pending) > 0 || r.m.described != r.described || r.m.over || ctx.Err() != nil {
		return r.m.over
	}
	// The socket's clock is the system's, the deadline is relative to ours.
	_ = r.m.rtp.SetReadDeadline(time.Now().Add(max(wake.Sub(now), lookFor))) // a closed socket ends the read too
	return true
}

// packet takes one datagram and says whether it is sound of the far end's; more is
// false when the loop ends.
func (r *receiver) packet(now time.Time, from netip.AddrPort, raw []byte) (taken, more bool) {
	raw, ok := r.open(now, from, raw)
	if !ok {
		return false, true
	}
	if isRTCP(raw) {
		r.rtcp(now, from, raw)
		return false, true
	}
	h, payload, ok := parseRTP(raw)
	if !ok || !r.valid(h.pt, payload) {
		r.m.refused.Add(1)
		return false, true
	}
	if !r.m.accept(from, h, now) {
		return false, true
	}
	return true, r.catchUp(now, from, h.ssrc) && r.sort(now, h, payload)
}

// sort takes a packet of the far end's that came at a time; false ends the loop.
func (r *receiver) sort(now time.Time, h rtpHeader, payload []byte) bool {
	if r.deaf {
		return true
	}
	if !r.synced || h.ssrc != r.ssrc {
		if r.synced {
			r.order.Reset()
		}
		r.keys.restart(r.since())
		r.ticks = tickRate{}
		r.m.count(rtpClock)
		r.ssrc, r.synced, r.transit, r.highest = h.ssrc, true, 0, uint32(h.seq)
	}
	if r.st.codec == codecG722 {
		size := 0
		if h.pt == r.st.pt {
			size = len(payload)
		}
		was := r.ticks.clock()
		h.timestamp = r.ticks.settle(h, size)
		if is := r.ticks.clock(); is != was {
			r.m.count(is)
		}
	}
	p := audio.Packet{Seq: h.seq, Timestamp: h.timestamp, Format: h.pt}
	_, sound := r.st.codecOf(h.pt)
	if sound {
		p.Payload, p.Ticks = payload, uint32(len(payload))
		r.measure(now, h)
	}
	if r.order.Push(now.Sub(r.origin), p) {
		r.keys.renumber(h.seq)
	}
	if !sound && h.pt != r.st.noisePT { // the buffer knows what a pause is
		r.event(h, payload, now)
	}
	return r.presses()
}

// valid says whether a packet can be of this call: its format may come, and its
// length makes sense.
func (r *receiver) valid(pt uint8, payload []byte) bool {
	_, sound := r.st.codecOf(pt)
	switch {
	case sound:
		return len(payload) > 0 && len(payload) <= maxPayload
	case pt == r.st.eventPT:
		_, err := audio.DecodeTelephoneEvent(payload)
		return err == nil
	}
	return pt == r.st.noisePT && len(payload) <= maxPayload
}

// event takes a telephone-event.
func (r *receiver) event(h rtpHeader, payload []byte, now time.Time) {
	if ev, err := audio.DecodeTelephoneEvent(payload); err == nil {
		r.keys.takeEvent(h, ev, now.Sub(r.origin))
	}
}

// drain hands on what the reorder buffer releases, and silence while nothing
// comes; false ends the loop.
func (r *receiver) drain(now time.Time) bool {
	if !r.flush(now) {
		return false
	}
	for !r.empty.Before(r.fillAt) {
		r.fillAt = r.fillAt.Add(slot)
		if !r.gap(int64(r.rate / 50)) {
			return false
		}
	}
	r.keys.tick(now.Sub(r.origin))
	return r.presses()
}

// flush hands on what the reorder buffer releases; false ends the loop.
func (r *receiver) flush(now time.Time) bool {
	rel, ok := r.order.Next(now.Sub(r.origin))
	for ; ok; rel, ok = r.order.Next(now.Sub(r.origin)) {
		if !rel.Missing {
			length := time.Duration(rel.Ticks) * time.Second / 8000
			r.fillAt = now.Add(max(length, slot) + max(fillLag, r.order.Wait()+slot))
		}
		if !r.release(rel) {
			return false
		}
	}
	return true
}

// release places one piece of the stream in media time.
func (r *receiver) release(rel audio.Release) bool {
	scale := int64(r.rate / 8000)
	pos, length := rel.Position*scale, int64(rel.Ticks)*scale
	if !r.based {
		r.based, r.base = true, r.out-pos
	}
	if !rel.Missing && r.out-(pos+r.base) > audio.Samples(pausedStream, r.rate) {
		r.base = r.out - pos
	}
	pos += r.base
	if rel.Missing {
		return r.gap(min(pos+length-r.out, length))
	}
	if ahead := pos - r.out; ahead > 0 && !r.gap(ahead) {
		return false
	}
	r.arrived, r.behind = r.origin.Add(rel.Arrived), r.out-pos
	r.pcm = r.decode(r.pcm[:0], rel.Format, rel.Payload)
	r.listen(r.pcm)
	return r.presses() && r.put(r.pcm, true)
}

// listen looks for keys in the sound itself.
func (r *receiver) listen(pcm []int16) {
	for len(pcm) > 0 {
		n := min(len(pcm), r.rate/50)
		was, _ := r.tones.Down()
		if digit, ok := r.tones.Write(pcm[:n]); ok {
			r.keys.takeTone(digit, r.since())
		}
		if down, _ := r.tones.Down(); was != 0 && down != was {
			r.keys.toneEnded(was, r.tones.Length(), r.since())
		}
		pcm = pcm[n:]
	}
}

// decode decodes a payload to the leg's rate.
func (r *receiver) decode(dst []int16, pt uint8, payload []byte) []int16 {
	c, _ := r.st.codecOf(pt)
	if c.rate() == r.rate {
		return r.decodeAs(dst, c, payload)
	}
	r.other = r.decodeAs(r.other[:0], c, payload)
	if r.resampler == nil {
		r.resampler, _ = audio.NewResampler(c.rate(), r.rate) // all of our rates convert
	}
	return r.resampler.Process(dst, r.other)
}

func (r *receiver) decodeAs(dst []int16, c codec, payload []byte) []int16 {
	switch c {
	case codecPCMU:
		return audio.DecodeULaw(dst, payload)
	case codecPCMA:
		return audio.DecodeALaw(dst, payload)
	}
	if r.g722 == nil {
		r.g722 = audio.NewG722Decoder()
	}
	return r.g722.Decode(dst, payload)
}

// gap fills n samples that no packet holds with silence.
func (r *receiver) gap(n int64) bool {
	for n > 0 {
		k := min(n, int64(r.rate/50))
		r.pcm = slices.Grow(r.pcm[:0], int(k))[:k]
		clear(r.pcm)
		r.listen(r.pcm)
		if !r.put(r.pcm, false) {
			return false
		}
		n -= k
	}
	return true
}

// put cuts samples into frames and yields the full ones.
func (r *receiver) put(pcm []int16, real bool) bool {
	n := r.rate / 50
	for len(pcm) > 0 {
		k := copy(r.frame[r.filled:n], pcm)
		pcm = pcm[k:]
		r.filled += k
		r.out += int64(k)
		r.real = r.real || real
		if r.filled < n {
			return true
		}
		if !r.emit(n) {
			return false
		}
	}
	return true
}

func (r *receiver) emit(n int) bool {
	ev := telephony.Event{Kind: telephony.KindAudio, Audio: audio.Frame{
		PCM: r.frame[:n], Rate: r.rate, Offset: r.out - int64(n), Missing: !r.real}}
	if r.real {
		ev.Arrived, ev.Behind = r.arrived, audio.Span(r.behind, r.rate)
	}
	r.filled, r.real = 0, false
	return r.yield(ev)
}
