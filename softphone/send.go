package softphone

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// catchUp is how far the sender may be behind and still send every frame.
const catchUp = 80 * time.Millisecond

// send paces what we say until the call is over or ctx ends, then hangs up.
func (c *conversation) send(ctx context.Context, done <-chan struct{}) {
	defer c.hangup()
	timer := time.NewTimer(0)
	defer timer.Stop()
	frame := make([]int16, c.rate/50)
	var mic *microphone
	if c.phone.Microphone != nil {
		c.lines = nil
		mic = openMicrophone(c.phone.Microphone, len(frame))
		defer mic.close(c.phone.once)
	}
	speaking := mic
	for next := time.Now(); ; next = next.Add(audio.FrameDuration) {
		timer.Reset(time.Until(next))
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if behind := time.Since(next); behind > catchUp {
			next = next.Add(behind.Truncate(audio.FrameDuration)) // too late for a listener's buffer
			continue
		}
		if speaking != nil && !speaking.next(frame, done, ctx.Done()) {
			speaking = nil // what was said last may still be answered
			c.await()
		}
		if speaking == nil && !c.fill(ctx, frame) {
			return
		}
		if err := c.leg.Send(audio.Frame{PCM: frame, Rate: c.rate}); errors.Is(err, telephony.ErrGone) {
			return
		}
		c.sent(frame)
	}
}

func (c *conversation) hangup() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.leg.Hangup(ctx, telephony.CauseNormal) // an ended call is what we want
}

// fill puts our next 20 ms into frame; false when nothing is left to say.
func (c *conversation) fill(ctx context.Context, frame []int16) bool {
	clear(frame)
	if len(c.pending) == 0 && !c.next(ctx) {
		return false
	}
	c.pending = c.pending[copy(frame, c.pending):]
	return true
}

// next begins the next line when its time has come; false when the call may
// end.
func (c *conversation) next(ctx context.Context) bool {
	if len(c.lines) == 0 {
		return c.phone.Stay || !c.quiet(2*c.phone.Patience)
	}
	l := c.lines[0]
	if !c.due(l) {
		return true
	}
	c.lines = c.lines[1:]
	if l.Keys != "" {
		c.press(ctx, l.Keys)
		return true
	}
	c.begin(l)
	return true
}

// due reports whether a line may be said now.
func (c *conversation) due(l Line) bool {
	if l.After > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.answered && !c.talkSince.IsZero() && time.Since(c.talkSince) >= l.After
	}
	return c.quiet(c.phone.Patience)
}

// quiet reports whether the other side has spoken and been silent for d, or has
// said nothing for as long as we wait.
func (c *conversation) quiet(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered {
		return time.Since(c.lastSound) >= d && (c.lineEnded.IsZero() || time.Since(c.lineEnded) >= d)
	}
	since := c.start
	if c.lineEnded.After(since) {
		since = c.lineEnded
	}
	return time.Since(since) >= c.phone.Wait
}

func (c *conversation) begin(l Line) {
	c.pending = l.Sound
	c.mu.Lock()
	c.result.Said++
	c.speaking = true
	c.cutting = l.After > 0
	c.lineBegan = time.Time{}
	c.mu.Unlock()
	c.tell(Event{Kind: "said", Text: l.Text})
}

// await begins the wait for an answer to what was just said or pressed. What the
// other side is saying already is none.
func (c *conversation) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered, c.lineEnded = false, time.Now()
}

func (c *conversation) press(ctx context.Context, keys string) {
	if d, ok := c.leg.(telephony.DigitSender); ok {
		_ = d.SendDigits(ctx, keys) // a lost leg ends the loop
	}
	c.await()
	c.tell(Event{Kind: "key", Text: keys})
}

// sent notes when our voiced samples left.
func (c *conversation) sent(frame []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.speaking {
		return
	}
	now := time.Now()
	first, last := loudest(frame)
	if first >= 0 {
		if c.lineBegan.IsZero() {
			c.lineBegan = now
		}
		c.lineEnded = now.Add(-audio.Span(int64(len(frame)-1-last), c.rate))
	}
	if len(c.pending) > 0 {
		return
	}
	c.speaking = false
	if c.cutting && c.lastSound.After(c.lineBegan) {
		stop := c.lastSound.Sub(c.lineBegan)
		c.result.Stops = append(c.result.Stops, stop)
		c.tell(Event{Kind: "stopped", Took: stop})
	}
	c.answered = false
	c.talkSince = time.Time{}
}

func writePCM(w io.Writer, pcm []int16) error {
	raw := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
	}
	_, err := w.Write(raw)
	return err
}
