package audio

import "time"

const (
	// reorderSlots is how many packets wait at most.
	reorderSlots = 8
	// reorderWait and reorderMaxWait bound how long a missing packet is
	// awaited; reordering that was seen moves the wait between them.
	reorderWait    = 40 * time.Millisecond
	reorderMaxWait = 120 * time.Millisecond
	// reorderLater and reorderMaxLater bound in the same way how many later
	// packets end the wait.
	reorderLater    = 2
	reorderMaxLater = 6
	// reorderMemory is how long a wait that reordering lengthened is kept.
	reorderMemory = 10 * time.Second
	// reorderFill bounds the Missing pieces at one gap; beyond it the media
	// position jumps.
	reorderFill = 500 * time.Millisecond
	// reorderDropout and reorderMisorder are how far a sequence number may
	// leap ahead and back before the packet's successor must confirm it
	// (RFC 3550, appendix A.1).
	reorderDropout  = 3000
	reorderMisorder = 100
	// reorderAnew is how many packets in a row that come too late are a new
	// beginning, when they take reorderPace at least.
	reorderAnew = 3
	reorderPace = 15 * time.Millisecond
	// reorderSlack is how much more time than has passed on arrival a
	// timestamp may claim; more is taken for a new time base.
	reorderSlack = 3 * time.Second
)

// Packet is one RTP packet as the reorder buffer needs it
// (https://www.rfc-editor.org/rfc/rfc3550).
type Packet struct {
	// Seq is the RTP sequence number.
	Seq uint16
	// Timestamp is the RTP timestamp of the first sample.
	Timestamp uint32
	// Payload is the encoded sound. It is empty for a packet that uses up a
	// sequence number and carries no sound: an event or comfort noise.
	Payload []byte
	// Ticks is how long the payload plays, in units of the RTP clock. For
	// G.711 and G.722 it is the number of payload bytes; ignored without
	// payload.
	Ticks uint32
	// Format is the payload's format, which is handed on.
	Format uint8
}

// Release is what the reorder buffer hands on: one packet's sound in media
// order, or a stretch that no packet covers.
type Release struct {
	// Payload is the packet's sound, empty when Missing. It is valid until
	// the next Push.
	Payload []byte
	// Position is the media time of the first sample in units of the RTP
	// clock, counted from the first packet; it never decreases.
	Position int64
	// Ticks is how long it plays, in units of the RTP clock.
	Ticks uint32
	// Format is the packet's.
	Format uint8
	// Missing says that no packet covers this stretch.
	Missing bool
	// Silence says, with Missing, that the sender left the stretch out
	// (silence suppression, an event, a pause of the stream): nothing was lost.
	Silence bool
	// Arrived is the time the packet was pushed, zero when Missing.
	Arrived time.Duration
}

// ReorderStats counts what a reorder buffer saw since it was made.
type ReorderStats struct {
	// Received is the number of packets pushed.
	Received uint64
	// Lost is the number of packets given up.
	Lost uint64
	// Late is the number of packets that came after they had been given up.
	Late uint64
	// Duplicate is the number of packets that came a second time.
	Duplicate uint64
	// Reordered is the number of packets that came out of order and were used.
	Reordered uint64
	// Dropped is the number of packets ignored: unconfirmed leaps of the
	// sequence number, or more than the buffer holds.
	Dropped uint64
	// Restarts is the number of new time bases.
	Restarts uint64
}

// Reorder brings the packets of one RTP stream into order for listeners that
// must not wait: a packet in sequence is released at once. At a gap the
// missing packet is awaited until two later ones have come or 40 ms have
// passed; reordering that is measured raises both, up to six packets and
// 120 ms, for 10 s. Then the gap is released as Missing, in pieces of one
// packet's length, at most 500 ms of it; after that the position jumps.
//
// After every Push, and when the time of Deadline has come, call Next until it
// returns false. Times come from any monotonic clock. Nothing is allocated
// once the slots have grown to the stream's packet size. It must not be used
// concurrently.
type Reorder struct {
	clock int64

	queue   [reorderSlots]reorderSlot // sorted by sequence number
	waiting int                       // used slots of queue

	started  bool
	rebase   bool          // the next packet starts a new time base
	nextSeq  uint16        // the packet to release next
	topSeq   uint16        // the newest sequence number seen
	base     uint32        // timestamp that belongs to end
	end      int64         // media position after all that was released
	ticks    uint32        // length of the last packet with sound
	arrived  time.Duration // arrival of the last packet with sound released
	missed   int64         // lost packets in front of the next one with sound
	fillLost int64         // ticks still to release as lost
	fillDTX  int64         // ticks still to release as silence, after fillLost
	skip     int64         // ticks to jump over before the next sound

	wait    time.Duration
	later   int
	raised  time.Duration // when wait or later was last found necessary
	givenUp [reorderSlots]reorderLoss
	given   int // next entry of givenUp to overwrite

	leap    uint16 // sequence number that would confirm a leap
	leaping bool
	back    uint16        // number that would go on with packets that were too late
	backs   int           // of those in a row
	backAt  time.Duration // when the first of them came
	stats   ReorderStats
}

// reorderSlot is one waiting packet.
type reorderSlot struct {
	seq     uint16
	ts      uint32
	ticks   uint32
	format  uint8
	arrived time.Duration
	payload []byte
}

// reorderLoss remembers a packet given up, to learn from its late arrival.
type reorderLoss struct {
	open  bool
	seq   uint16
	since time.Duration
}

// NewReorder returns an empty buffer for a stream whose RTP clock runs at
// clock ticks a second: 8000 for G.711 and also for G.722 (RFC 3551).
func NewReorder(clock int) *Reorder {
	return &Reorder{clock: int64(max(clock, 1)), wait: reorderWait, later: reorderLater}
}

// Stats returns the counters.
func (r *Reorder) Stats() ReorderStats { return r.stats }

// Wait returns how long a missing packet is awaited at present.
func (r *Reorder) Wait() time.Duration { return r.wait }

// Reset drops what waits and lets the next packet start a new time base, as
// after a change of the SSRC. The media position goes on: the time between the
// last packet before and the first one after counts as silence.
func (r *Reorder) Reset() {
	r.waiting, r.rebase, r.leaping, r.backs = 0, r.started, false, 0
	r.givenUp = [reorderSlots]reorderLoss{}
}

// Push takes one packet that arrived at now; the payload is copied. It reports whether
// the sequence numbers begin anew with it, other than after a Reset.
func (r *Reorder) Push(now time.Duration, p Packet) (renumbered bool) {
	r.stats.Received++
	if now-r.raised > reorderMemory {
		r.wait, r.later = reorderWait, reorderLater
	}
	if !r.started || r.rebase {
		r.start(now, p)
	}
	ahead := int(int16(p.Seq - r.nextSeq))
	switch {
	case ahead >= reorderDropout || ahead <= -reorderMisorder:
		if !r.leaping || p.Seq != r.leap {
			r.leaping, r.leap = true, p.Seq+1
			r.stats.Dropped++
			return false
		}
		renumbered = true
	case ahead < 0:
		renumbered = r.countsAnew(now, p.Seq)
		if !renumbered {
			r.pushLate(now, p.Seq)
		}
	default:
		r.insert(now, p)
		r.backs = 0
	}
	if renumbered {
		r.Reset()
		r.start(now, p)
		r.insert(now, p)
	}
	r.leaping = false
	return renumbered
}

// countsAnew reports whether packets that seem too late are a new beginning: three in
// a row, at the pace of a stream, and none that is in time between them.
func (r *Reorder) countsAnew(now time.Duration, seq uint16) bool {
	if r.backs == 0 || seq != r.back {
		r.backs, r.backAt = 0, now
	}
	r.backs++
	r.back = seq + 1
	return r.backs >= reorderAnew && now-r.backAt >= reorderPace
}

// start makes p the first packet of a time base. Its timestamp is taken to lie
// as far after the last sound as time has passed.
func (r *Reorder) start(now time.Duration, p Packet) {
	r.base = p.Timestamp
	if r.started {
		r.base -= uint32(r.elapsed(now))
		r.stats.Restarts++
	}
	r.nextSeq, r.topSeq = p.Seq, p.Seq-1
	r.started, r.rebase, r.missed = true, false, 0
}

// elapsed returns the ticks between the end of the last sound and a packet
// that arrived at now.
func (r *Reorder) elapsed(now time.Duration) int64 {
	if r.ticks == 0 {
		return 0
	}
	return max(Samples(now-r.arrived, int(r.clock))-int64(r.ticks), 0)
}

// insert puts p into its place among the waiting packets.
func (r *Reorder) insert(now time.Duration, p Packet) {
	at := r.waiting
	for at > 0 && int16(p.Seq-r.queue[at-1].seq) < 0 {
		at--
	}
	if at > 0 && r.queue[at-1].seq == p.Seq {
		r.stats.Duplicate++
		return
	}
	if r.waiting == reorderSlots {
		r.stats.Dropped++
		return
	}
	slot := r.queue[r.waiting]
	copy(r.queue[at+1:r.waiting+1], r.queue[at:r.waiting])
	slot.seq, slot.ts, slot.ticks, slot.format, slot.arrived = p.Seq, p.Timestamp, p.Ticks, p.Format, now
	slot.payload = append(slot.payload[:0], p.Payload...)
	r.queue[at] = slot
	r.waiting++

	if int16(p.Seq-r.topSeq) > 0 {
		r.topSeq = p.Seq
		return
	}
	r.stats.Reordered++
	if at == 0 && r.waiting > 1 {
		r.learn(now, now-r.oldest(), p.Seq)
	}
}

// pushLate accounts for a packet whose place has passed.
func (r *Reorder) pushLate(now time.Duration, seq uint16) {
	for i := range r.givenUp {
		if loss := &r.givenUp[i]; loss.open && loss.seq == seq {
			loss.open = false
			r.stats.Late++
			r.learn(now, now-loss.since, seq)
			return
		}
	}
	r.stats.Duplicate++
}

// learn raises the wait to what a packet would have needed that came so much
// later than its successor.
func (r *Reorder) learn(now, lateness time.Duration, seq uint16) {
	wait := min(max(lateness+lateness/4, reorderWait), reorderMaxWait)
	later := min(max(int(r.topSeq-seq)+1, reorderLater), reorderMaxLater)
	if wait == reorderWait && later == reorderLater {
		return
	}
	r.wait, r.later, r.raised = max(r.wait, wait), max(r.later, later), now
}

// oldest returns when the first of the waiting packets arrived: since then the
// gap in front of them is known.
func (r *Reorder) oldest() time.Duration {
	since := r.queue[0].arrived
	for _, slot := range r.queue[1:max(r.waiting, 1)] {
		since = min(since, slot.arrived)
	}
	return since
}

// Deadline returns when Next should be called although no packet has come;
// false when nothing is awaited.
func (r *Reorder) Deadline() (time.Duration, bool) {
	if r.waiting == 0 || r.queue[0].seq == r.nextSeq {
		return 0, false
	}
	return r.oldest() + r.wait, true
}

// Next returns what can be released at now; false when nothing can.
func (r *Reorder) Next(now time.Duration) (Release, bool) {
	for {
		if piece, ok := r.nextPiece(); ok {
			return piece, true
		}
		if r.waiting == 0 {
			return Release{}, false
		}
		front := &r.queue[0]
		if gap := int64(front.seq - r.nextSeq); gap > 0 {
			since := r.oldest()
			if r.waiting < r.later && now-since < r.wait {
				return Release{}, false
			}
			r.giveUp(front.seq, since)
		}
		if len(front.payload) == 0 {
			r.drop()
			continue
		}
		if r.bridge(front) {
			continue
		}
		return r.release(), true
	}
}

// giveUp counts the packets before seq as lost.
func (r *Reorder) giveUp(seq uint16, since time.Duration) {
	gap := seq - r.nextSeq
	r.stats.Lost += uint64(gap)
	r.missed += int64(gap)
	for lost := seq - min(gap, reorderSlots); lost != seq; lost++ {
		r.givenUp[r.given] = reorderLoss{open: true, seq: lost, since: since}
		r.given = (r.given + 1) % reorderSlots
	}
	r.nextSeq = seq
}

// bridge plans the Missing pieces between the last sound and the front packet
// and reports whether there are any.
func (r *Reorder) bridge(front *reorderSlot) bool {
	gap := int64(int32(front.ts - r.base))
	elapsed := r.elapsed(front.arrived)
	if gap < 0 || gap > elapsed+Samples(reorderSlack, int(r.clock)) {
		r.stats.Restarts++
		gap = elapsed // whatever the numbers say: they may have jumped too
		if gap < int64(r.ticks) {
			gap = 0 // no more than jitter
		}
	}
	r.base = front.ts
	fill := min(gap, Samples(reorderFill, int(r.clock)))
	if gap < r.clock/400 {
		fill = 0 // a sender that counts badly: nobody needs pieces that short
	}
	r.skip += gap - fill
	r.fillLost = min(fill, r.missed*int64(r.ticks))
	r.fillDTX = fill - r.fillLost
	r.missed = 0
	return fill > 0
}

// nextPiece returns the next Missing piece of a planned bridge.
func (r *Reorder) nextPiece() (Release, bool) {
	left := &r.fillLost
	if *left == 0 {
		left = &r.fillDTX
	}
	if *left == 0 {
		return Release{}, false
	}
	length := int64(r.ticks)
	if length == 0 {
		length = r.clock / 50
	}
	length = min(length, *left)
	piece := Release{Position: r.end, Ticks: uint32(length), Missing: true, Silence: left == &r.fillDTX}
	*left -= length
	r.end += length
	return piece, true
}

// release hands on the front packet.
func (r *Reorder) release() Release {
	slot := r.drop()
	r.end += r.skip
	r.skip = 0
	out := Release{Payload: slot.payload, Position: r.end, Ticks: slot.ticks, Format: slot.format, Arrived: slot.arrived}
	r.end += int64(slot.ticks)
	r.base = slot.ts + slot.ticks
	r.ticks, r.arrived = slot.ticks, slot.arrived
	return out
}

// drop takes the front packet out of the queue. Its payload stays in the last
// slot until it is reused.
func (r *Reorder) drop() reorderSlot {
	slot := r.queue[0]
	copy(r.queue[:r.waiting-1], r.queue[1:r.waiting])
	r.waiting--
	r.queue[r.waiting] = slot
	r.nextSeq++
	return slot
}
