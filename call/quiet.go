package call

import (
	"context"
	"encoding/json"
	"sync/atomic"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/telephony"
)

// recordingWish asks a session to pause its recording, or to go on with it; done takes
// one error.
type recordingWish struct {
	paused bool
	done   chan error
}

// PauseRecording makes both sides of a call's recording silent, or ends that, and returns
// when it is so. A call that this node does not run is a NotFound, one that is not recorded
// a Conflict.
func (x *Exchange) PauseRecording(ctx context.Context, environmentID, callID string, paused bool) error {
	x.mu.Lock()
	s := x.live[callID]
	x.mu.Unlock()
	if s == nil || s.call.EnvironmentID != environmentID {
		return sidetone.Errorf(sidetone.NotFound, "call is not live")
	}
	w := recordingWish{paused, make(chan error, 1)}
	s.inbox.postUrgent(w)
	late := make(chan struct{})
	defer x.c.Clock.AfterFunc(storeTimeout, func() { close(late) })()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		return sidetone.Errorf(sidetone.Unavailable, "the call does not answer: it is not known whether its recording is paused")
	}
}

// pauseRecording makes both sides of the recording silent, or ends that.
func (s *Session) pauseRecording(paused bool) error {
	if s.rec == nil {
		return sidetone.Errorf(sidetone.Conflict, "the call is not recorded")
	}
	if s.paused == paused {
		return nil
	}
	s.paused = paused
	s.quieten()
	kind := sidetone.EventRecordingResumed
	if paused {
		kind = sidetone.EventRecordingPaused
	}
	s.event(kind, "", nil)
	return nil
}

// hide hides what the caller says from now on, or ends that.
func (s *Session) hide(on bool) {
	s.secrets.on = on
	s.quieten()
}

// quieten makes the recording silent while anything asks for it.
func (s *Session) quieten() {
	for _, p := range s.parties {
		p.quiet.Store(s.paused || s.secrets != nil && s.secrets.on)
	}
}

// SetRecordingTool is what a model is told of the action that pauses the recording, under a
// name.
func SetRecordingTool(name string) llm.Tool {
	return llm.Tool{
		Name:        name,
		Description: "Pauses the recording of the call, or goes on with it. While it is paused neither side is recorded.",
		Schema:      json.RawMessage(`{"type":"object","required":["paused"],"properties":{"paused":{"type":"boolean","description":"true pauses, false goes on."}}}`),
	}
}

// pauser pauses the recording of its session.
type pauser struct {
	inbox *inbox
	over  <-chan struct{} // closed when the call is over
}

// Run implements Tool.
func (p pauser) Run(ctx context.Context, c ToolCall) (ToolResult, error) {
	var args struct{ Paused *bool }
	if err := json.Unmarshal(c.Args, &args); err != nil || args.Paused == nil {
		return ToolResult{}, &Misused{"paused must be true or false"}
	}
	w := recordingWish{*args.Paused, make(chan error, 1)}
	p.inbox.postUrgent(w)
	select {
	case err := <-w.done:
		return ToolResult{Text: "done"}, err
	case <-p.over:
		return ToolResult{}, telephony.Error("the call is over")
	case <-ctx.Done():
		return ToolResult{}, context.Cause(ctx)
	}
}

// gate keeps packets from a sink while it is shut.
type gate struct {
	to   telephony.PacketSink
	shut *atomic.Bool
}

// Packet implements telephony.PacketSink.
func (g gate) Packet(p telephony.Packet) {
	if !g.shut.Load() {
		g.to.Packet(p)
	}
}

// blank is silence of any length; its sound is not to be changed.
type blank []int16

// of returns n samples of silence.
func (b *blank) of(n int) []int16 {
	if len(*b) < n {
		*b = make([]int16, n)
	}
	return (*b)[:n]
}
