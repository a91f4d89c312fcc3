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
	// reportEvery is the interval of RTCP reports.
	reportEvery = 5 * time.Second
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

	generation int
	st         stream
	order      *audio.Reorder
	g722       *audio.G722Decoder
	ssrc       uint32
	synced     bool
	digits     audio.TelephoneEventReceiver
	tones      *audio.DTMFDetector // nil: the far end sends telephone events
	digitAt    time.Time

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

	reported time.Time
	lostSeen uint64
	recvSeen uint64
	highest  uint32
	lastSR   uint32
	srAt     time.Time
	jitter   float64
	transit  int64
}

func newReceiver(l *leg, yield func(telephony.Event) bool) *receiver {
	now := l.media.now()
	return &receiver{leg: l, m: l.media, yield: yield, origin: now, reported: now,
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
	for r.control() && ctx.Err() == nil {
		now := r.m.now()
		if !r.drain(now) || !r.tick(now) {
			return
		}
		if !r.arm(ctx, now) {
			continue
		}
		n, from, err := r.m.rtp.ReadFromUDPAddrPort(r.buf[:])
		switch {
		case err == nil:
			if !r.packet(r.m.now(), unmap(from), r.buf[:n]) {
				return
			}
		case errors.Is(err, net.ErrClosed):
			<-r.leg.gone // the cause follows the closing of the socket
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.empty = now
		default:
			r.m.refused.Add(1) // an ICMP error of an earlier write
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
		if !r.yield(ev) {
			return false
		}
	}
	select {
	case <-r.leg.gone:
		r.yield(r.leg.endedEvent())
		return false
	default:
		return true
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
	r.st = r.m.st
	if r.m.generation != r.generation {
		r.reformat(r.m.st.codec)
		r.generation = r.m.generation
	}
	switch {
	case r.st.eventPT != noPT:
		r.tones = nil
	case r.tones == nil:
		r.tones = audio.NewDTMFDetector(r.st.codec.rate())
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
	was := 8000
	if r.g722 != nil {
		was = 16000
	}
	r.out = (r.out - int64(r.filled)) * int64(c.rate()) / int64(was)
	r.g722, r.filled, r.based, r.tones = nil, 0, false, nil
	if c == codecG722 {
		r.g722 = audio.NewG722Decoder()
	}
	r.order = audio.NewReorder(8000)
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
	if len(r.m.pending) > 0 || r.m.over || ctx.Err() != nil {
		return r.m.over
	}
	// The socket's clock is the system's, the deadline is relative to ours.
	_ = r.m.rtp.SetReadDeadline(time.Now().Add(max(wake.Sub(now), lookFor))) // a closed socket ends the read too
	return true
}

// packet takes one datagram; false ends the loop.
func (r *receiver) packet(now time.Time, from netip.AddrPort, raw []byte) bool {
	if isRTCP(raw) {
		r.rtcp(now, from, raw)
		return true
	}
	h, payload, ok := parseRTP(raw)
	if !ok || !r.known(h.pt) || len(payload) > maxPayload || len(payload) == 0 && h.pt == r.st.pt {
		r.m.refused.Add(1)
		return true
	}
	if !r.m.accept(from, h, now) {
		return true
	}
	if !r.synced || h.ssrc != r.ssrc {
		if r.synced {
			r.order.Reset()
		}
		r.ssrc, r.synced, r.transit, r.highest = h.ssrc, true, 0, uint32(h.seq)
	}
	p := audio.Packet{Seq: h.seq, Timestamp: h.timestamp}
	switch h.pt {
	case r.st.pt:
		p.Payload, p.Ticks = payload, uint32(len(payload))
		r.measure(now, h)
	case r.st.noisePT:
		r.quiet()
	default:
		if !r.event(h, payload, now) {
			return false
		}
	}
	r.order.Push(now.Sub(r.origin), p)
	return true
}

func (r *receiver) known(pt uint8) bool {
	return pt == r.st.pt || pt == r.st.eventPT || pt == r.st.noisePT
}

// quiet notes that the far end suppresses silence.
func (r *receiver) quiet() {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.m.quiet = true
}

// event takes a telephone-event; false ends the loop.
func (r *receiver) event(h rtpHeader, payload []byte, now time.Time) bool {
	ev, err := audio.DecodeTelephoneEvent(payload)
	if err != nil {
		r.m.refused.Add(1)
		return true
	}
	r.digitAt = now
	return r.digit(r.digits.Receive(h.timestamp, ev))
}

func (r *receiver) digit(d audio.ReceivedDigit, ok bool) bool {
	if !ok {
		return true
	}
	held := time.Duration(d.Duration) * time.Second / 8000
	return r.yield(telephony.Event{Kind: telephony.KindDigit, Digit: d.Digit, Duration: held})
}

// drain hands on what the reorder buffer releases, and silence while nothing
// comes; false ends the loop.
func (r *receiver) drain(now time.Time) bool {
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
	for !r.empty.Before(r.fillAt) {
		r.fillAt = r.fillAt.Add(slot)
		if !r.gap(int64(r.st.codec.rate() / 50)) {
			return false
		}
	}
	if r.digitAt.IsZero() || now.Sub(r.digitAt) < 100*time.Millisecond {
		return true
	}
	r.digitAt = time.Time{}
	return r.digit(r.digits.Flush())
}

// release places one piece of the stream in media time.
func (r *receiver) release(rel audio.Release) bool {
	scale := int64(r.st.codec.rate() / 8000)
	pos, length := rel.Position*scale, int64(rel.Ticks)*scale
	if !r.based {
		r.based, r.base = true, r.out-pos
	}
	if r.out-(pos+r.base) > audio.Samples(pausedStream, r.st.codec.rate()) {
		r.base = r.out - pos
	}
	pos += r.base
	if rel.Missing {
		if rel.Silence {
			r.quiet()
		}
		return r.gap(min(pos+length-r.out, length))
	}
	if ahead := pos - r.out; ahead > 0 && !r.gap(ahead) {
		return false
	}
	r.arrived, r.behind = r.origin.Add(rel.Arrived), r.out-pos
	r.pcm = r.decode(r.pcm[:0], rel.Payload)
	return r.keys(r.pcm) && r.put(r.pcm, true)
}

// keys listens for keys pressed in band, when the far end has no telephone
// events; false ends the loop.
func (r *receiver) keys(pcm []int16) bool {
	for r.tones != nil && len(pcm) > 0 {
		n := min(len(pcm), r.st.codec.rate()/50)
		if d, ok := r.tones.Write(pcm[:n]); ok && !r.yield(telephony.Event{Kind: telephony.KindDigit, Digit: d}) {
			return false
		}
		pcm = pcm[n:]
	}
	return true
}

func (r *receiver) decode(dst []int16, payload []byte) []int16 {
	switch r.st.codec {
	case codecPCMU:
		return audio.DecodeULaw(dst, payload)
	case codecPCMA:
		return audio.DecodeALaw(dst, payload)
	}
	return r.g722.Decode(dst, payload)
}

// gap fills n samples that no packet holds with silence.
func (r *receiver) gap(n int64) bool {
	for n > 0 {
		k := min(n, int64(r.st.codec.rate()/50))
		r.pcm = slices.Grow(r.pcm[:0], int(k))[:k]
		clear(r.pcm)
		if !r.put(r.pcm, false) {
			return false
		}
		n -= k
	}
	return true
}

// put cuts samples into frames and yields the full ones.
func (r *receiver) put(pcm []int16, real bool) bool {
	n := r.st.codec.rate() / 50
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
		PCM: r.frame[:n], Rate: r.st.codec.rate(), Offset: r.out - int64(n), Missing: !r.real}}
	if r.real {
		ev.Arrived, ev.Behind = r.arrived, audio.Span(r.behind, r.st.codec.rate())
	}
	r.filled, r.real = 0, false
	return r.yield(ev)
}
