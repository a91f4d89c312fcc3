package conversation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// In 5,000 dialogues with models of which half lie whenever they can, no caller hears a claim of
// an action that has not succeeded, no action runs twice or after it was withdrawn, and what is
// true is said in time: at most 1 of 100 true sentences waits longer than a second.
func TestNoFalseClaim(t *testing.T) {
	t.Parallel()
	var sum tally
	for seed := range uint64(5000) {
		d := newDialogue(t, seed)
		d.play()
		sum.add(d.tally)
	}
	t.Logf("%d sentences said; claims: %d true, %d held back or replaced; %d of %d true sentences late, of which %d claims; %d runs, %d withdrawn; worst silence %v and %v",
		sum.said, sum.claims, sum.corrected, sum.late, sum.truths, sum.lateClaims, sum.runs, sum.withdrawn, sum.first, sum.gap)
	if sum.late*100 > sum.truths || sum.lateClaims*100 > sum.claims {
		t.Errorf("%d of %d true sentences were late, and %d of %d true claims", sum.late, sum.truths, sum.lateClaims, sum.claims)
	}
	if sum.corrected < 1000 || sum.claims < 1000 || sum.withdrawn < 100 || sum.runs < 1000 {
		t.Error("the dialogues do not show what they are for")
	}
	if sum.first > 4*time.Second || sum.gap > 8500*ms {
		t.Errorf("a caller heard nothing for %v, and for %v after a request to wait", sum.first, sum.gap)
	}
}

// tally counts what dialogues show.
type tally struct {
	said, truths, late, claims, lateClaims, corrected, runs, withdrawn int
	// first is the longest wait for a sound, gap that behind a request to wait.
	first, gap time.Duration
}

func (t *tally) add(o tally) {
	t.said, t.truths, t.late, t.claims = t.said+o.said, t.truths+o.truths, t.late+o.late, t.claims+o.claims
	t.lateClaims, t.corrected = t.lateClaims+o.lateClaims, t.corrected+o.corrected
	t.runs, t.withdrawn = t.runs+o.runs, t.withdrawn+o.withdrawn
	t.first, t.gap = max(t.first, o.first), max(t.gap, o.gap)
}

// sentence is one that a model has written.
type sentence struct {
	text, claims string
	answer       uint64
	waited       time.Duration
}

// dialogue is a call with a caller, a model, a voice and actions whose times and words are
// drawn by lot.
type dialogue struct {
	tally
	t      *testing.T
	seed   uint64
	lot    *rand.Rand
	m      *Machine
	now    time.Duration
	lies   bool
	timers map[Timer]Arm
	soon   []event
	queue  []*clip
	paused bool
	turns  int
	// owed is since when the caller waits for a sound, 0 when for none; asked says that the caller
	// was not told to wait just before. told are the utterances that do that.
	owed   time.Duration
	asked  bool
	told   map[uint64]bool
	toldAt time.Duration
	calls  int
	silent map[uint64]bool // generations that were cancelled
	// running are the calls that run, done how the last run of an action ended, again until
	// when a call may not run another time.
	running map[string]RunTool
	done    map[string]bool
	again   map[string]time.Duration
	written []*sentence
}

func newDialogue(t *testing.T, seed uint64) *dialogue {
	lot := rand.New(rand.NewPCG(seed, 11))
	actions := []Action{
		{Name: "book", AfterSpeech: lot.IntN(2) == 0, Muted: lot.IntN(3) == 0, Claims: []string{"booked", "reserved"}, Otherwise: "I have no confirmation of the booking."},
		{Name: "send", SaysFirst: lot.IntN(3) == 0, Claims: []string{"sent"}, Phrases: []string{"I will send it"}},
		{Name: "look", Repeatable: true},
	}
	return &dialogue{t: t, seed: seed, lot: lot, lies: seed%2 == 0, m: New(Config{Actions: actions, IdleTime: time.Hour, Eager: seed%3 == 0}),
		timers: map[Timer]Arm{}, silent: map[uint64]bool{}, told: map[uint64]bool{}, running: map[string]RunTool{},
		done: map[string]bool{}, again: map[string]time.Duration{}}
}

func (d *dialogue) failed(format string, args ...any) {
	d.t.Helper()
	d.t.Fatalf("dialogue %d at %v: %s\n%v", d.seed, d.now, fmt.Sprintf(format, args...), d.m.History())
}

func (d *dialogue) between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.lot.Int64N(int64(to-from)))
}

func (d *dialogue) later(after time.Duration, in Input) {
	at := d.now + after
	i := len(d.soon)
	for i > 0 && d.soon[i-1].at > at {
		i--
	}
	d.soon = slices.Insert(d.soon, i, event{at, in})
}

// play plays the dialogue to its end.
func (d *dialogue) play() {
	d.step(MediaStarted{})
	d.speak()
	for range 3000 {
		at, act := d.next()
		if act == nil || d.m.Ended() {
			return
		}
		d.pass(at)
		act()
	}
	d.failed("it does not end: %+v", d.m.Snapshot())
}

// pass lets time pass.
func (d *dialogue) pass(at time.Duration) {
	room := aheadLimit - len(d.queue)
	for _, s := range d.written {
		if room <= 0 || d.paused || !d.isTrue(s) {
			continue
		}
		s.waited += at - d.now
		room--
	}
	d.now = max(d.now, at)
}

// isTrue reports whether a sentence claims nothing that was not done.
func (d *dialogue) isTrue(s *sentence) bool { return s.claims == "" || d.done[s.claims] }

// next returns what happens next, and when.
func (d *dialogue) next() (at time.Duration, act func()) {
	first := func(t time.Duration, f func()) {
		if t = max(t, d.now); act == nil || t < at {
			at, act = t, f
		}
	}
	if len(d.soon) > 0 {
		first(d.soon[0].at, func() {
			in := d.soon[0].in
			d.soon = d.soon[1:]
			d.happen(in)
		})
	}
	if len(d.queue) > 0 && !d.paused && d.queue[0].voiced {
		c := d.queue[0]
		if !c.audible {
			first(d.now+10*ms, func() { d.sound(c) })
		} else {
			first(c.ready+c.left, func() {
				d.queue = d.queue[1:]
				d.step(Played{Utt: c.utt})
				d.owed, d.asked = 0, !d.told[c.utt]
				if d.told[c.utt] {
					d.toldAt = d.now
				}
				if d.m.speech != nil {
					d.owed = d.now
				}
			})
		}
	}
	for _, name := range timerNames() {
		if a, ok := d.timers[name]; ok && name != timerDuration && name != timerIdle && name != timerSilence {
			first(a.At, func() {
				delete(d.timers, name)
				d.step(TimerFired{Name: name, Epoch: a.Epoch})
			})
		}
	}
	return at, act
}

// sound begins to play an utterance.
func (d *dialogue) sound(c *clip) {
	c.audible, c.ready = true, d.now
	d.heardAfter()
	d.step(Audible{Utt: c.utt})
}

// heardAfter ends a silence in which the caller waited.
func (d *dialogue) heardAfter() {
	switch {
	case d.owed == 0:
	case d.asked:
		d.first = max(d.first, d.now-d.owed)
	default:
		d.gap = max(d.gap, d.now-d.owed)
	}
	d.owed = 0
}

// happen gives the machine what comes of the outside.
func (d *dialogue) happen(in Input) {
	switch in := in.(type) {
	case ModelText:
		if d.silent[in.Gen] {
			return
		}
		d.written = append(d.written, &sentence{text: strings.TrimSpace(in.Text), claims: claimOf(in.Text), answer: in.Gen})
	case SpeechStarted:
		d.owed = 0
	case SpeechEnded:
		d.owed, d.asked = d.now+300*ms, !d.m.muted() && d.now > d.toldAt+fillerEvery
	case ToolDone:
		o, ok := d.running[in.ID]
		if !ok {
			return // its process has died
		}
		d.over(o, in)
	case Voiced:
		for _, c := range d.queue {
			c.voiced = c.voiced || c.utt == in.Utt
		}
	case TurnYielded: // here: the caller speaks again
		d.speak()
		return
	case Resumed:
		in.Until = d.now
		d.die()
		d.step(in)
		return
	}
	d.step(in)
}

// die ends all that is under way.
func (d *dialogue) die() {
	d.now += 3 * time.Second
	d.soon = slices.DeleteFunc(d.soon, func(e event) bool { return !isCaller(e.in) })
	for _, o := range d.running {
		d.over(o, ToolDone{Failed: true, Unknown: true})
	}
	d.queue, d.paused, d.owed, d.asked, d.written = nil, false, 0, false, nil
}

// over notes the outcome of a call.
func (d *dialogue) over(o RunTool, in ToolDone) {
	delete(d.running, o.ID)
	d.done[o.Name] = !in.Failed
	switch {
	case in.Unknown:
		d.again[o.Name+o.Args] = time.Hour
	case in.Failed:
		delete(d.again, o.Name+o.Args)
	default:
		d.again[o.Name+o.Args] = d.now + sameCall
	}
}

func isCaller(in Input) bool {
	switch in.(type) {
	case SpeechStarted, SpeechEnded, TurnYielded, HungUp:
		return true
	case Heard:
		return true
	default:
		return false
	}
}

// speak has the caller speak, and later again, until the call has lasted long enough.
func (d *dialogue) speak() {
	if d.turns++; d.turns > 4 {
		d.later(20*time.Second, HungUp{Remote: true})
		return
	}
	said := []string{"a table please", "no wait stop", "is it done", "send me a mail", "mm-hm"}[d.lot.IntN(5)]
	d.later(0, SpeechStarted{Ago: 80 * ms})
	d.later(900*ms, SpeechEnded{Ago: 200 * ms, Length: 700 * ms})
	d.later(1000*ms, Heard{Text: said, Final: true, Flushed: true})
	if d.lot.IntN(12) == 0 {
		d.later(d.between(2*time.Second, 6*time.Second), Resumed{})
	}
	d.later(d.between(2*time.Second, 12*time.Second), TurnYielded{})
}

func (d *dialogue) step(in Input) {
	for _, o := range slices.Clone(d.m.Step(d.now, in)) {
		if stopped := d.obey(o); stopped != nil {
			defer d.step(stopped)
		}
	}
}

func (d *dialogue) obey(o Output) Input {
	switch o := o.(type) {
	case Arm:
		d.timers[o.Name] = o
	case Disarm:
		delete(d.timers, o.Name)
	case AskModel:
		if o.Hedge {
			break
		}
		if o.Messages[len(o.Messages)-1].Role == User {
			d.forget()
		}
		d.answer(o)
	case CancelModel:
		d.silent[o.Gen] = true
		d.forget()
	case RunTool:
		d.run(o)
	case Note:
		if o.Kind == NoteCaller && d.m.muted() {
			d.failed("%q is a turn of its own while an action runs that mutes the caller", o.Text)
		}
		if o.Kind == NoteAction && o.Said == InterruptedResult {
			d.withdrawn++
		}
		if strings.HasPrefix(o.Text, "the model claimed") {
			d.corrected++
		}
	case Hangup:
		d.later(10*ms, HungUp{})
	default:
		return d.obeySound(o)
	}
	return nil
}

func (d *dialogue) obeySound(o Output) Input {
	switch o := o.(type) {
	case Say:
		d.say(o)
	case Unsay:
		d.queue = slices.DeleteFunc(d.queue, func(c *clip) bool { return c.utt == o.Utt })
	case PausePlayout:
		d.paused = true
		return d.stopped()
	case ResumePlayout:
		d.paused, d.owed = false, 0
		if len(d.queue) > 0 && d.queue[0].utt == o.Utt && d.queue[0].audible {
			c := d.queue[0]
			c.left, c.ready = max(0, c.whole-o.At), d.now
		}
	case StopPlayout:
		stopped := d.stopped()
		d.queue, d.paused = nil, false
		d.forget()
		return stopped
	}
	return nil
}

// forget drops the sentences that nobody says any more.
func (d *dialogue) forget() { d.written = nil }

func (d *dialogue) stopped() Input {
	if len(d.queue) == 0 || !d.queue[0].audible {
		return Stopped{}
	}
	c := d.queue[0]
	if !d.paused || c.left > 0 {
		c.left = max(0, c.ready+c.left-d.now)
		c.ready = d.now
	}
	return Stopped{Utt: c.utt, At: c.whole - c.left}
}

// say queues an utterance, and notes how late its sentence is.
func (d *dialogue) say(o Say) {
	d.said++
	d.told[o.Utt] = o.Text == d.m.cfg.Phrases.Filler
	if name := claimOf(o.Text); name != "" && !d.done[name] {
		d.failed("%q is said, and no %s has succeeded", o.Text, name)
	}
	whole := time.Duration(len(strings.Fields(o.Text))) * 250 * ms
	c := &clip{utt: o.Utt, whole: whole, left: whole}
	i := len(d.queue)
	if o.Ahead != 0 {
		i = slices.IndexFunc(d.queue, func(c *clip) bool { return c.utt == o.Ahead })
	}
	d.queue = slices.Insert(d.queue, max(0, i), c)
	d.later(d.between(80*ms, 400*ms), Voiced{Utt: o.Utt, Words: evenWords(o.Text, whole), Total: whole, Done: true})
	for i, s := range d.written {
		if !strings.HasSuffix(s.text, o.Text) {
			continue
		}
		d.truths++
		if s.claims != "" {
			d.claims++
		}
		if s.waited > time.Second {
			d.late++
			if s.claims != "" {
				d.lateClaims++
			}
		}
		d.written = d.written[i+1:] // those before were left out
		return
	}
}

// run runs an action for a while.
func (d *dialogue) run(o RunTool) {
	d.runs++
	for _, e := range d.m.History() {
		if e.CallID == o.ID && strings.HasPrefix(e.Text, "not done") {
			d.failed("%s was withdrawn and runs", o.ID)
		}
	}
	key := o.Name + o.Args
	if o.Name != "look" && d.now <= d.again[key] {
		d.failed("%s runs again", key)
	}
	d.again[key] = time.Hour
	d.running[o.ID] = o
	after := d.between(50*ms, 1500*ms)
	if d.lot.IntN(5) == 0 {
		after = d.between(1500*ms, 9*time.Second)
	}
	done := ToolDone{ID: o.ID, Result: "ok"}
	switch d.lot.IntN(8) {
	case 0, 1:
		done.Failed, done.Result = true, "full"
	case 2:
		done.Failed, done.Unknown, done.Result = true, true, "broken"
	}
	d.later(after, done)
}

// answer has the model answer: half of the models say what is so, the others anything.
func (d *dialogue) answer(ask AskModel) {
	at := d.between(200*ms, 900*ms)
	write := func(text string) {
		d.later(at, ModelText{Gen: ask.Gen, Text: text + " "})
		at += d.between(20*ms, 250*ms)
	}
	call := func(name string) {
		d.calls++
		args := fmt.Sprintf(`{"n":%d,"user_message":"One moment for that, please."}`, d.lot.IntN(3))
		d.later(at, ModelCall{Gen: ask.Gen, ID: fmt.Sprint("c", d.calls), Name: name, Args: args})
		at += d.between(5*ms, 50*ms)
	}
	last := ask.Messages[len(ask.Messages)-1]
	switch {
	case d.lies:
		for range 1 + d.lot.IntN(4) {
			switch d.lot.IntN(9) {
			case 0:
				write(one(d, lies()))
			case 1:
				if !ask.NoTools {
					call(one(d, []string{"book", "send", "look"}))
				}
			case 2:
				write(one(d, harmless()))
			default:
				write(one(d, plain()))
			}
		}
	case last.Role == ToolRole:
		d.tell(last, write)
	case d.lot.IntN(3) == 0:
		write(one(d, plain()))
	default:
		write(one(d, []string{"I will do that for you right now.", "Let me see what can be booked.", "One moment, I am working on it."}))
		if !ask.NoTools {
			call(one(d, []string{"book", "send"}))
		}
	}
	d.later(at, ModelDone{Gen: ask.Gen})
}

// tell has an honest model tell of a result.
func (d *dialogue) tell(result Message, write func(string)) {
	name := "book"
	for _, e := range d.m.History() {
		for _, c := range e.Calls {
			if c.ID == result.CallID {
				name = c.Name
			}
		}
	}
	switch {
	case result.Text != "ok":
		write(map[string]string{"book": "It could not be booked, I am sorry.", "send": "It was not sent, I am sorry."}[name])
	case name == "send":
		write("I can confirm that it is sent.")
	default:
		write("Good news, your table is booked.")
	}
	write(one(d, plain()))
}

func one(d *dialogue, of []string) string { return of[d.lot.IntN(len(of))] }

// lies are sentences that claim something, harmless ones have the same words and do not.
func lies() []string {
	return []string{
		"Your table is booked for Friday.", "I have reserved it for you.", "All is booked, anything else?", "As you wished it to be, your table is booked.",
		"So it's booked and what else can I do?", "The mail was sent a minute ago.", "No problem, it has been sent.", "Good news: everything is booked!",
		"I can confirm that it is sent.", "You will be glad to hear it is booked.",
	}
}

func harmless() []string {
	return []string{
		"Shall I have it booked for you?", "It is not booked yet, I am afraid.", "Nothing has been sent so far.", "Do you want it reserved, or not?",
		"It will be booked in a moment.", "If it is booked, you get a mail.", "It isn't reserved at the moment.", "Is it to be sent to your office?",
	}
}

func plain() []string {
	return []string{
		"The kitchen is open until ten.", "We have a garden behind the house.", "What else can I do for you?", "That is a good question, really.",
		"I will send it to your office.", "There is a bus every ten minutes.",
	}
}

// claimOf is the action whose effect a text claims, by where it comes from.
func claimOf(text string) string {
	text = strings.TrimSpace(text)
	for _, s := range slices.Concat(harmless(), plain()) {
		if strings.Contains(s, text) {
			return ""
		}
	}
	switch {
	case strings.Contains(text, "could not be") || strings.Contains(text, "was not") || strings.Contains(text, "can be booked"):
		return ""
	case strings.Contains(text, "booked"), strings.Contains(text, "reserved"):
		return "book"
	case strings.Contains(text, "sent"):
		return "send"
	default:
		return ""
	}
}
