package call

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/handover"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// fetchRing is how long a person rings who is asked whether they take a caller.
	fetchRing = 30 * time.Second
	// summaryWithin is how long a model may take to sum up a call.
	summaryWithin = 5 * time.Second
	// longestSummary is how many bytes of a summary a person is told.
	longestSummary = 600
)

// wayWarm is how events name a transfer in which the person is asked first.
const wayWarm = "warm"

// warmTransfer runs an action_warm_transfer: the person is told who calls and why before they
// talk to the caller.
type warmTransfer struct {
	s  *Session
	to Transfer
}

func newWarmTransfer(s *Session, a Action) Tool {
	t := &warmTransfer{s: s}
	_ = json.Unmarshal(a.Config, &t.to) // a call without number fails
	return t
}

// Run implements Tool.
func (t *warmTransfer) Run(ctx context.Context, _ ToolCall) (ToolResult, error) {
	s := t.s
	var err error
	if t.to.Number == "" {
		err = errors.New("the action names nobody")
	} else {
		err = s.lines.Colleague(ctx, s.call.EnvironmentID, t.to.Number)
	}
	if err != nil {
		return ToolResult{}, &errTransfer{transferForbidden, err}
	}
	done := make(chan error, 1)
	s.inbox.post(fetch{t.to, s.lines.Recorded(ctx, s.call.EnvironmentID), done})
	select {
	case err = <-done:
	case <-s.live.Done():
		err = &errTransfer{transferCancelled, nil}
	}
	if err != nil {
		return ToolResult{}, err
	}
	return ToolResult{Text: string(handover.Connected)}, nil
}

// fetch asks a session to fetch a person; done is told what came of it.
type fetch struct {
	to       Transfer
	recorded bool
	done     chan<- error
}

// fetching is a person who is being fetched for a caller. It belongs to the session's
// goroutine.
type fetching struct {
	fetch
	machine *handover.Machine
	cancel  context.CancelFunc // of the dialling
	stop    func() bool        // of the timer; nil: none runs
	person  *party             // nil before they have answered
	mouth   *mouth
	silence context.CancelFunc // ends what speaks to the person and listens to them
	said    uint64             // the last utterance for them
	why     error              // what was wrong with the line
}

// fetched is an input of a person's machine, for which it is the only one under way.
type fetched struct {
	f  *fetching
	in handover.Input
}

// reached is a person's line that was answered.
type reached struct {
	f   *fetching
	leg telephony.Leg
}

// fetchPerson begins to fetch a person.
func (s *Session) fetchPerson(ctx context.Context, to fetch) {
	if s.fetching != nil || s.handover.under != nil || s.handover.done || s.reason != "" {
		to.done <- &errTransfer{transferCancelled, errors.New("the caller is handed over already, or the call ends")}
		return
	}
	dialling, cancel := context.WithCancel(s.live)
	c := handover.Config{Language: s.call.Snapshot.Agent.Language, Caller: s.call.FromNumber}
	if s.call.Outgoing {
		c.Caller = s.call.ToNumber
	}
	f := &fetching{fetch: to, cancel: cancel, machine: handover.New(c)}
	s.fetching = f
	s.comment(c.Comment())
	s.handOver(ctx, handing{by: f, to: to.to.Number, way: wayWarm, cancel: func() {}})
	s.caller().player.play(holdMusic(s.caller().player.rate))
	history := s.machine.History()
	s.spawn("summary", func() { s.inbox.post(fetched{f, handover.Summary{Text: s.mind.summary(dialling, s.clock, history)}}) })
	s.fetchStep(ctx, f, handover.Began{})
	second := s.secondCall(to.to)
	s.spawn("second leg", func() {
		leg, err := s.lines.dial(dialling, second, fetchRing, func() { s.inbox.post(ringing{f}) })
		if err != nil {
			err = dialFailed(err)
			s.inbox.post(fetchFailed{f, err})
			return
		}
		s.inbox.post(reached{f, leg})
	})
}

// fetchFailed says that a person's line was not answered.
type fetchFailed struct {
	f   *fetching
	err error
}

// fetchStep tells a person's machine what happened and does what it wants. The inputs
// stand in the call's journal.
func (s *Session) fetchStep(ctx context.Context, f *fetching, in handover.Input) {
	if s.fetching != f {
		return
	}
	now := s.now()
	s.journal.Comment(now, handover.InputComment(in)) // before anything comes of it
	for _, out := range f.machine.Step(now, in) {
		s.fetchObey(ctx, f, out)
	}
}

func (s *Session) fetchObey(ctx context.Context, f *fetching, out handover.Output) {
	switch out := out.(type) {
	case handover.CancelDial:
		f.cancel()
	case handover.Say:
		f.said++
		f.mouth.say(conversation.Say{Utt: f.said, Text: out.Text})
	case handover.Hush:
		f.mouth.hush()
		f.person.player.stop()
	case handover.Arm:
		f.disarm()
		f.stop = s.clock.AfterFunc(max(0, out.At-s.now()), func() { s.inbox.post(fetched{f, handover.Fired{Epoch: out.Epoch}}) })
	case handover.Disarm:
		f.disarm()
	case handover.Join:
		s.joinPerson(f)
	case handover.HangUp:
		s.turnAway(f.person.leg)
	case handover.Over:
		s.fetchOver(ctx, f, out.Outcome)
	}
}

func (f *fetching) disarm() {
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

// reach tells a person whose line was answered who calls.
func (s *Session) reach(ctx context.Context, r reached) {
	if s.fetching != r.f || r.f.machine.Over() {
		s.turnAway(r.leg)
		return
	}
	f := r.f
	f.person = s.newOther(r.leg)
	f.person.player.post = s.fromPerson(f)
	speaking, silence := context.WithCancel(s.live)
	f.silence = silence
	var e *ear
	f.mouth, e = s.lines.equip(s, f.person.player, s.fromPerson(f))
	s.listenTo(speaking, f, e)
	if len(s.plan.Voices) > 0 {
		s.spawn("voice", func() { f.mouth.run(speaking) })
	}
	s.receive(s.live, f.person)
	s.event(sidetone.EventTransfer, "answered", map[string]any{"to": f.to.Number, "way": wayWarm})
	s.fetchStep(ctx, f, handover.Answered{})
}

// listenTo lets a recogniser listen to a person; keys are enough where there is none.
func (s *Session) listenTo(ctx context.Context, f *fetching, e *ear) {
	p := f.person
	d, err := newDetector(p.player.rate, s.call.Snapshot.Agent.NoiseSuppression, func(v any) {
		if _, ended := v.(conversation.SpeechEnded); ended {
			e.finalize()
		}
	})
	if err != nil || len(s.plan.Recognisers) == 0 || s.plan.recogniser().Carrier {
		return
	}
	p.detector, p.player.sent = d, d.sent
	p.connect(&recognised{detector: d, conceal: audio.NewConcealer(p.player.rate), write: e.write})
	e.begin()
	s.spawn("recogniser", func() { e.run(ctx) })
}

// fromPerson takes what those who serve a person tell, and what becomes of what is said.
func (s *Session) fromPerson(f *fetching) func(any) {
	return func(v any) {
		switch v := v.(type) {
		case conversation.Heard:
			if v.Final && v.Text != "" {
				s.inbox.post(fetched{f, handover.Heard{Text: v.Text}})
			}
		case conversation.Played:
			s.inbox.post(spoken{f, v.Utt})
		case conversation.VoiceFailed:
			s.inbox.post(fetched{f, handover.Unsaid{}})
		case failure:
			if _, voice := v.in.(conversation.VoiceFailed); voice {
				s.inbox.post(fetched{f, handover.Unsaid{}})
			}
			v.in = nil // the call's own machine has nothing to do with it
			s.inbox.post(v)
		case broken, asked, passed:
			s.inbox.post(v)
		}
	}
}

// spoken says that an utterance for a person was heard.
type spoken struct {
	f   *fetching
	utt uint64
}

// joinPerson lets the person and the caller talk, and the agent go.
func (s *Session) joinPerson(f *fetching) {
	f.person.deaf.Store(true)
	f.silence()
	f.person.player.handOver(true) // nobody records what they hear
	s.letGo(f.recorded)
	join(s.caller(), f.person)
	s.rewrite()
}

// fetchOver ends the fetching of a person.
func (s *Session) fetchOver(ctx context.Context, f *fetching, o handover.Outcome) {
	s.fetching = nil
	s.comment(handover.OverComment(o))
	f.disarm()
	f.cancel()
	if f.silence != nil {
		f.silence()
	}
	if o == handover.Connected {
		s.toStage(sidetone.StageTransferSuccessful)
		s.event(sidetone.EventTransfer, string(o), map[string]any{"to": f.to.Number, "way": wayWarm})
		f.done <- nil
		return
	}
	if f.person != nil {
		s.dismiss(f.person)
	}
	err := &errTransfer{string(o), f.why}
	if o == handover.LeftBefore && gone(s.caller().ended) {
		s.event(sidetone.EventTransfer, string(o), map[string]any{"to": f.to.Number, "way": wayWarm})
	} else {
		s.handBack(ctx, handedBack{f, string(o), err})
	}
	f.done <- err
}

// dismiss takes a party out of the call that is not the caller.
func (s *Session) dismiss(p *party) {
	s.setParties(s.caller())
	p.remove()
	p.player.close()
	s.rewrite()
}

// sumUp asks a model what a call was about.
const sumUp = "[A colleague takes the call over. Tell them in one or two short sentences, in the language of the call, who calls and what they want. " +
	"Answer with these sentences alone.]"

// summary says what the call was about: in the words of the first model that is a vendor's, or,
// where there is none or it fails, in the last ones of the caller's.
func (m *mind) summary(ctx context.Context, clock Clock, history []conversation.Message) string {
	var words []string
	for _, h := range history {
		if h.Role == conversation.User {
			words = append(words, h.Text)
		}
	}
	own := clip(strings.Join(words[max(0, len(words)-2):], ". "))
	i := m.candidates.next(0, func(i int) bool { return m.models[i].Source.Vendor == "" })
	if i < 0 || len(words) == 0 {
		return own
	}
	if _, program := m.models[i].Driver.(llm.Attendant); program {
		return own
	}
	ctx, cancel := context.WithCancel(m.candidates.metered(ctx, i))
	defer cancel()
	defer clock.AfterFunc(summaryWithin, cancel)()
	ask := conversation.AskModel{Messages: append(history, conversation.Message{Role: conversation.User, Text: sumUp}), NoTools: true}
	m.candidates.asks(i)
	var text strings.Builder
	for d, err := range m.models[i].Driver.Generate(ctx, m.request(ask, m.models[i])) {
		if err != nil {
			return own
		}
		text.WriteString(d.Text)
	}
	if said := strings.TrimSpace(text.String()); conversation.Speakable(said) {
		return clip(said)
	}
	return own
}

// clip bounds what a person is told, at a word.
func clip(text string) string {
	if len(text) <= longestSummary {
		return text
	}
	text = strings.ToValidUTF8(text[:longestSummary], "")
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		text = text[:i]
	}
	return text + "."
}

// refusedAs is what a person's machine is told of a line that was not answered.
func refusedAs(err error) handover.Outcome {
	switch o := outcomeOf(err); o {
	case transferBusy, transferDeclined, transferNoAnswer:
		return handover.Outcome(o)
	default:
		return handover.TrunkError
	}
}

// gone reports whether a channel is closed.
func gone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
