package conversation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestInvariants drives random calls: a session that obeys the machine with
// random delays, a caller and a model who do anything, and results that come
// late or twice. After each step the invariants of the design must hold, and
// when everybody has calmed down nobody may be left without an answer.
func TestInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r)
		for range rapid.IntRange(5, 150).Draw(r, "steps") {
			w.happen()
		}
		w.calmDown()
	})
}

// world is the rest of a call around the machine.
type world struct {
	r      *rapid.T
	cfg    Config
	m      *Machine
	now    time.Duration
	alarms map[Timer]Arm
	fired  []Arm

	talking   bool
	talkedFor time.Duration
	finalizes int

	model   map[uint64]bool
	dead    map[uint64]bool
	lastGen uint64
	tools   []string
	begun   map[string]RunTool // tools that were ever run
	last    map[string]string  // how the last run of a tool ended, by name
	toolID  int

	queue  []*sound
	all    []*sound
	paused bool

	hungUp     bool
	owed       bool
	agentWords int
	journal    []step

	// covered: a secret field is asked for; refs counts the digits that were hidden, lost
	// are those that a process knew that died.
	covered    bool
	refs, lost uint64
	disclosed  bool
}

// step is an input and the outputs that it caused.
type step struct {
	at  time.Duration
	in  Input
	out []string
}

// sound is an utterance in the world's playout.
type sound struct {
	say      Say
	words    []Word
	total    time.Duration
	voiced   bool
	audible  bool
	at, best time.Duration
}

func newWorld(r *rapid.T) *world {
	c := Config{
		Greeting:     rapid.SampledFrom([]string{"", "Hello, how can I help you?"}).Draw(r, "greeting"),
		Outbound:     rapid.Bool().Draw(r, "outbound"),
		Interrupt:    rapid.SampledFrom([]Sensitivity{Low, High}).Draw(r, "interrupt"),
		DynamicTurns: rapid.Bool().Draw(r, "dynamic"),
		AskOnIdle:    rapid.Bool().Draw(r, "ask"),
		Carrier:      rapid.IntRange(0, 9).Draw(r, "carrier") == 0,
	}
	c.WaitForGreeting = c.Outbound
	c.Eager = rapid.Bool().Draw(r, "eager")
	c.Disclosure = rapid.SampledFrom([]string{"", "You are speaking with a machine."}).Draw(r, "disclosure")
	c.Fields = []Field{{Name: "pin", Min: 2, Max: 4, Secret: true}, {Name: "zip", Min: 2, Max: 3, Terminator: '*'}}
	c.ProtectGreeting = rapid.IntRange(0, 3).Draw(r, "protect") == 0
	if rapid.Bool().Draw(r, "actions") {
		c.Actions = someActions(r)
	}
	w := &world{r: r, cfg: c, m: New(c), alarms: map[Timer]Arm{}, model: map[uint64]bool{}, dead: map[uint64]bool{}, begun: map[string]RunTool{},
		last: map[string]string{}}
	if w.pick(5, "early") == 0 {
		w.callerActs()
		w.hear()
	}
	w.step(MediaStarted{})
	return w
}

// someActions are actions of every kind.
func someActions(r *rapid.T) []Action {
	flag := func(name string) bool { return rapid.IntRange(0, 2).Draw(r, name) == 0 }
	sentences := func(name, sentence string) []string {
		if flag(name) {
			return []string{sentence}
		}
		return nil
	}
	return []Action{
		{Name: "book", AfterSpeech: flag("after"), SaysFirst: flag("says"), Muted: flag("muted"), Silent: flag("silent"), Claims: []string{"booked"},
			OnSend: sentences("send", "I am on it now."), OnDone: sentences("done", "That went well."), OnFailure: sentences("failure", "That went wrong."),
			Waiting: sentences("waiting", "It takes a while.")},
		{Name: "keys", Quiet: true, Claims: []string{"pressed"}},
		{Name: "note", Silent: true, Repeatable: true, Phrases: []string{"the answer"}},
		{Name: endTool, Phrases: sentences("end", "see you then")},
	}
}

func (w *world) pick(n int, name string) int { return rapid.IntRange(0, n-1).Draw(w.r, name) }

// happen lets some time pass and one thing happen.
func (w *world) happen() {
	w.pass(time.Duration(w.pick(60, "ms")) * 20 * time.Millisecond)
	switch w.pick(13, "what") {
	case 0, 1, 2:
		w.callerActs()
	case 3, 4:
		w.hear()
	case 5, 6:
		w.modelActs()
	case 7, 8:
		w.voiceActs()
	case 9:
		w.stale()
	case 10:
		w.rare()
	case 11:
		if w.pick(3, "die") == 0 {
			w.die()
		}
	default:
		w.finishTool()
	}
}

func (w *world) callerActs() {
	if w.talking {
		w.talking = false
		w.step(SpeechEnded{Ago: 200 * time.Millisecond, Length: max(0, w.now-w.talkedFor-200*time.Millisecond)})
		return
	}
	w.talking, w.talkedFor = true, w.now-80*time.Millisecond
	w.step(SpeechStarted{Ago: 80 * time.Millisecond})
}

func (w *world) hear() {
	text := rapid.SampledFrom([]string{"", "mm-hm", "yeah", "stop", "I need a taxi", "four one five", "because", "bye", "is it far?"}).
		Draw(w.r, "text")
	h := Heard{Text: w.hidden(text), Final: w.pick(2, "final") == 0}
	if h.Final && w.finalizes > 0 {
		h.Flushed = true
		w.finalizes--
	}
	if !h.Final && text == "" {
		return
	}
	w.step(h)
	if h.Final && w.cfg.Carrier && w.pick(3, "ga") == 0 {
		w.step(TurnYielded{})
	}
}

// hidden is what a session gives the machine of a text.
func (w *world) hidden(text string) string {
	if !w.covered || text == "" {
		return text
	}
	var words []string
	for range w.pick(3, "digits") {
		w.refs++
		words = append(words, HiddenDigit(w.refs))
	}
	if len(words) == 0 || w.pick(4, "mixed") == 0 {
		words = append([]string{HiddenDigit(0)}, words...)
	}
	return strings.Join(words, " ")
}

// key is what a session gives the machine of a key.
func (w *world) key(key rune) Digit {
	if !w.covered || key == '#' {
		return Digit{Key: key}
	}
	w.refs++
	return Digit{Key: HiddenKey, Ref: w.refs}
}

// covers checks that nothing hidden is shown, and that what was collected is known.
func (w *world) covers(o Output) {
	switch o := o.(type) {
	case Cover, Uncover:
		if _, covers := o.(Cover); covers == w.covered {
			w.r.Fatalf("%#v although covered is %t", o, w.covered)
		}
		w.covered = !w.covered
	case Note:
		if strings.Contains(o.Text+o.Said, HiddenWord) {
			w.r.Fatalf("shown: %#v", o)
		}
	case AskModel:
		for _, m := range o.Messages {
			if strings.Contains(m.Text, HiddenWord) {
				w.r.Fatalf("the model sees %q", m.Text)
			}
		}
	case Collected:
		digits := strings.Fields(o.Digits)
		if len(digits) > 0 && (len(digits) < 2 || len(digits) > 4) {
			w.r.Fatalf("collected %d digits", len(digits))
		}
		seen := map[uint64]bool{}
		for _, d := range digits {
			var ref uint64
			if _, err := fmt.Sscanf(d, HiddenWord+"%d", &ref); err != nil || ref <= w.lost || ref > w.refs || seen[ref] {
				w.r.Fatalf("collected %q of %d digits, of which %d are lost: %v", o.Digits, w.refs, w.lost, err)
			}
			seen[ref] = true
		}
	}
}

func (w *world) modelActs() {
	for gen := range w.lastGen + 1 {
		if !w.model[gen] {
			continue
		}
		switch w.pick(6, "model") {
		case 0:
			delete(w.model, gen)
			w.step(ModelFailed{Gen: gen, Reason: "test"})
		case 1:
			w.toolID++
			name := rapid.SampledFrom([]string{"lookup", "book", "book", "note", "keys", endTool, digitsTool, CollectTool + "pin", CollectTool + "zip"}).Draw(w.r, "tool")
			args := rapid.SampledFrom([]string{"{}", `{"user_message":"I shall do it now."}`}).Draw(w.r, "args")
			w.step(ModelCall{Gen: gen, ID: fmt.Sprint("c", w.toolID), Name: name, Args: args})
		case 2, 3:
			text := rapid.SampledFrom([]string{"This is the answer. And there is more. ", "Well, as you said, it is booked now. ", "I have pressed it. ",
				"Is it booked? ", "It is booked for you, is that right? See you then. "}).Draw(w.r, "says")
			w.step(ModelText{Gen: gen, Text: text, Protected: w.pick(9, "protect") == 0})
		default:
			delete(w.model, gen)
			w.step(ModelDone{Gen: gen})
		}
	}
}

func (w *world) voiceActs() {
	for _, s := range slices.Clone(w.queue) {
		if s.voiced || !slices.Contains(w.queue, s) {
			continue
		}
		if w.pick(12, "fail") == 0 {
			w.remove(s)
			w.step(VoiceFailed{Utt: s.say.Utt, Reason: "test"})
			continue
		}
		w.voice(s)
	}
}

func (w *world) voice(s *sound) {
	s.voiced = true
	s.total = time.Duration(len(strings.Fields(s.say.Text))) * 300 * time.Millisecond
	s.words = evenWords(s.say.Text, s.total)
	words := s.words
	if w.pick(4, "words") == 0 {
		words = nil
	}
	w.step(Voiced{Utt: s.say.Utt, Words: words, Total: s.total, Done: true})
}

func (w *world) rare() {
	switch w.pick(15, "rare") {
	case 0:
		w.step(w.key(rapid.SampledFrom([]rune("12#")).Draw(w.r, "key")))
	case 1:
		w.step(Held{})
		w.pass(time.Duration(w.pick(20, "hold")) * time.Second)
		w.talking = false
		w.step(Unheld{})
	case 2:
		w.step(Command{Verb: "say", Text: "The office closes soon. Please hurry."})
	case 3:
		w.step(Command{Verb: "end", Text: "We must stop here."})
	case 4:
		w.step(RecogniserLost{Reason: "test"})
	case 5:
		w.step(CallerLeaves{})
	case 8:
		w.step(TurnEnding{})
	case 9:
		w.step(TurnGoesOn{})
	case 10:
		w.step(TurnYielded{})
	case 12:
		w.step(ModelWaits{})
	case 11:
		w.step(RecogniserReplaced{FinalWait: time.Duration(w.pick(20, "final wait")) * 100 * time.Millisecond})
	case 6, 7:
		w.pass(time.Duration(w.pick(40, "long")) * time.Second)
	}
}

func (w *world) finishTool() {
	if len(w.tools) == 0 {
		return
	}
	id := w.tools[0]
	w.tools = w.tools[1:]
	done := ToolDone{ID: id, Result: "done", Failed: w.pick(4, "failed") == 0}
	done.Unknown = done.Failed && w.pick(2, "unknown") == 0
	if w.pick(6, "say") == 0 {
		done.Say = "This comes with it."
	}
	w.toolOver(done)
	w.step(done)
}

// toolOver notes how a run ended.
func (w *world) toolOver(in ToolDone) {
	name := w.begun[in.ID].Name
	switch {
	case in.Unknown:
		w.last[name] = "unknown"
	case in.Failed:
		w.last[name] = "failed"
	default:
		w.last[name] = "done"
	}
}

// ran checks that an action may run: it was not withdrawn, and does not run already.
func (w *world) ran(o RunTool) {
	if w.begun[o.ID].ID != "" {
		w.r.Fatalf("tool call %s runs twice", o.ID)
	}
	for _, e := range w.m.History() {
		if e.CallID == o.ID && e.Text != PendingResult {
			w.r.Fatalf("tool call %s runs, which has the result %q", o.ID, e.Text)
		}
	}
	for _, id := range w.tools {
		if other := w.begun[id]; o.Name == "book" && other.Name == o.Name && other.Args == o.Args && w.cfg.Actions != nil {
			w.r.Fatalf("the calls %s and %s run at the same time", id, o.ID)
		}
	}
	w.begun[o.ID], w.last[o.Name] = o, "under way"
	w.tools = append(w.tools, o.ID)
}

// proves checks that what is said claims nothing that was not done.
func (w *world) proves(text string) {
	for name, word := range map[string]string{"book": "booked", "keys": "pressed"} {
		if w.cfg.Actions != nil && strings.Contains(text, word) && !strings.Contains(text, "?") && w.last[name] != "done" {
			w.r.Fatalf("%q is said, and the last %s is %q", text, name, w.last[name])
		}
	}
}

// die lets the process die and another one go on: what was under way is gone, and nothing
// happens for a while.
func (w *world) die() {
	until := w.now
	w.now += time.Duration(w.pick(200, "outage")) * 100 * time.Millisecond
	for gen := range w.model {
		w.dead[gen] = true
	}
	clear(w.model)
	w.stopAll()
	for _, id := range w.tools {
		w.toolOver(ToolDone{ID: id, Unknown: true})
	}
	w.tools, w.finalizes, w.paused, w.talking, w.lost = nil, 0, false, false, w.refs
	for _, o := range w.step(Resumed{Until: until}) {
		switch o.(type) {
		case CancelModel, Unsay, PausePlayout, ResumePlayout, StopPlayout, FinalizeSpeech, ResetDetector:
			w.r.Fatalf("%#v is for what is gone", o)
		}
	}
	if s := w.m.Snapshot(); s.Agent == Paused || s.Talking && s.Agent != Leaving && s.Agent != Over {
		w.r.Fatalf("after the process died: %+v", s)
	}
}

// stale sends what belongs to the past: it must change nothing.
func (w *world) stale() {
	before := w.m.Snapshot()
	inputs := []Input{
		ModelText{Gen: w.lastGen + 9, Text: "No. Never. "}, ModelDone{Gen: w.lastGen + 9},
		Played{Utt: 1 << 40}, Audible{Utt: 1 << 40}, VoiceFailed{Utt: 1 << 40}, ToolDone{ID: "none"},
	}
	for gen := range w.dead {
		inputs = append(inputs, ModelText{Gen: gen, Text: "No. Never. "}, ModelFailed{Gen: gen},
			ModelCall{Gen: gen, ID: "x", Name: endTool}, ModelDone{Gen: gen})
		break
	}
	if len(w.fired) > 0 {
		old := w.fired[w.pick(len(w.fired), "old")]
		inputs = append(inputs, TimerFired{Name: old.Name, Epoch: old.Epoch})
	}
	for _, in := range inputs {
		if out := w.step(in); len(out) > 0 {
			w.r.Fatalf("stale %#v caused %v", in, out)
		}
	}
	if diff := cmp.Diff(before, w.m.Snapshot()); diff != "" {
		w.r.Fatalf("stale inputs changed the state:\n%s", diff)
	}
}

// pass lets d pass: timers fire and sound plays.
func (w *world) pass(d time.Duration) {
	end := w.now + d
	for w.now < end {
		next := min(end, w.now+20*time.Millisecond)
		for {
			a, ok := w.due(next)
			if !ok {
				break
			}
			delete(w.alarms, a.Name)
			w.fired = append(w.fired, a)
			w.now = max(w.now, a.At)
			w.step(TimerFired{Name: a.Name, Epoch: a.Epoch})
		}
		w.play(next - w.now)
		w.now = next
	}
}

func (w *world) due(by time.Duration) (Arm, bool) {
	var first Arm
	found := false
	for _, name := range timerNames() {
		if a, ok := w.alarms[name]; ok && a.At <= by && (!found || a.At < first.At) {
			first, found = a, true
		}
	}
	return first, found
}

func (w *world) play(d time.Duration) {
	if w.paused || len(w.queue) == 0 || !w.queue[0].voiced {
		return
	}
	s := w.queue[0]
	if !s.audible {
		s.audible = true
		w.step(Audible{Utt: s.say.Utt})
		return
	}
	s.at = min(s.at+d, s.total)
	s.best = max(s.best, s.at)
	if s.at == s.total {
		w.remove(s)
		w.step(Played{Utt: s.say.Utt})
	}
}

func (w *world) remove(s *sound) {
	w.all = append(w.all, s)
	w.queue = slices.DeleteFunc(w.queue, func(q *sound) bool { return q == s })
}

func (w *world) step(in Input) []Output {
	out := slices.Clone(w.m.Step(w.now, in))
	s := step{at: w.now, in: in}
	for _, o := range out {
		s.out = append(s.out, fmt.Sprintf("%#v", o))
	}
	w.journal = append(w.journal, s)
	if testing.Verbose() {
		w.r.Logf("%v %#v -> %v", s.at, in, s.out)
	}
	stopped := 0
	for _, o := range out {
		stopped += w.obey(o)
	}
	w.check(in)
	for range stopped {
		w.answerStop()
	}
	return out
}

// obey carries out an output and returns how many Stopped it owes.
func (w *world) obey(o Output) int {
	w.covers(o)
	if w.hungUp {
		switch o.(type) {
		case Say, AskModel, Arm, RunTool, Hangup:
			w.r.Fatalf("%#v after the hang-up", o)
		}
	}
	switch o := o.(type) {
	case Arm:
		if o.At < w.now {
			w.r.Fatalf("timer %s armed at %v in the past of %v", o.Name, o.At, w.now)
		}
		w.alarms[o.Name] = o
	case Disarm:
		if a, ok := w.alarms[o.Name]; ok {
			w.fired = append(w.fired, a)
		}
		delete(w.alarms, o.Name)
	case AskModel:
		w.asked(o)
	case CancelModel:
		delete(w.model, o.Gen)
		w.dead[o.Gen] = true
	case Say:
		w.say(o)
	case Unsay:
		w.unsay(o)
	case PausePlayout:
		w.paused = true
		return 1
	case ResumePlayout:
		w.resumed(o)
	case StopPlayout:
		w.paused = false
		w.stopAll()
		return 1
	case FinalizeSpeech:
		w.finalizes++
	case ResetDetector:
		w.talking = false
	case RunTool:
		w.ran(o)
	case Hangup:
		w.hungUp = true
	case Note:
		w.noted(o)
	}
	return 0
}

// stopAll drops the queue, and remembers it for the Stopped to come.
func (w *world) stopAll() {
	w.all = append(w.all, w.queue...)
	w.queue = nil
}

func (w *world) answerStop() {
	if len(w.queue) > 0 && w.queue[0].audible {
		w.step(Stopped{Utt: w.queue[0].say.Utt, At: w.queue[0].at})
		return
	}
	for i := len(w.all) - 1; i >= 0; i-- {
		if s := w.all[i]; s.audible && s.at < s.total {
			w.step(Stopped{Utt: s.say.Utt, At: s.at})
			return
		}
	}
	w.step(Stopped{})
}

func (w *world) asked(o AskModel) {
	if o.Hedge {
		if !w.model[o.Gen] {
			w.r.Fatalf("hedge for generation %d, which does not run", o.Gen)
		}
		return
	}
	if o.Gen <= w.lastGen && o.Gen != 0 || len(w.model) > 0 {
		w.r.Fatalf("generation %d asked while %v run, last %d", o.Gen, w.model, w.lastGen)
	}
	w.lastGen = o.Gen
	w.model[o.Gen] = true
}

func (w *world) say(o Say) {
	repeated := slices.ContainsFunc(w.every(), func(s *sound) bool { return s.say.Text == o.Text })
	if w.dead[o.Gen] && !repeated && o.Ahead == 0 {
		w.r.Fatalf("cancelled generation %d says %q", o.Gen, o.Text)
	}
	if !repeated {
		w.proves(o.Text)
	}
	for _, s := range w.queue {
		if s.say.Utt == o.Ahead {
			break
		}
		if s.say.Gen > o.Gen {
			w.r.Fatalf("generation %d says %q behind %d", o.Gen, o.Text, s.say.Gen)
		}
	}
	w.lastGen = max(w.lastGen, o.Gen)
	s := &sound{say: o}
	if o.Ahead != 0 {
		i := slices.IndexFunc(w.queue, func(s *sound) bool { return s.say.Utt == o.Ahead })
		if i < 0 || w.queue[i].voiced {
			w.r.Fatalf("%q is to be said before %d, which is not waited for", o.Text, o.Ahead)
		}
		w.queue = slices.Insert(w.queue, i, s)
		return
	}
	waiting := 0
	for _, s := range w.queue {
		if s.say.Ahead == 0 {
			waiting++
		}
	}
	if waiting >= aheadLimit {
		w.r.Fatalf("more than %d utterances ahead", aheadLimit)
	}
	w.queue = append(w.queue, s)
}

// unsay drops an utterance, of which nothing may have been heard.
func (w *world) unsay(o Unsay) {
	for _, s := range w.queue {
		if s.say.Utt != o.Utt {
			continue
		}
		if s.audible {
			w.r.Fatalf("%q is taken back while it is heard", s.say.Text)
		}
		w.remove(s)
		return
	}
}

func (w *world) resumed(o ResumePlayout) {
	if !w.paused {
		w.r.Fatalf("resumed without a pause")
	}
	w.paused = false
	if o.Utt == 0 {
		return
	}
	if len(w.queue) == 0 || w.queue[0].say.Utt != o.Utt || o.At > w.queue[0].at {
		w.r.Fatalf("resumed %v, queue %v", o, w.queue)
	}
	w.queue[0].at = o.At
}

func (w *world) noted(n Note) {
	switch n.Kind {
	case NoteDisclosed:
		if w.disclosed || !slices.ContainsFunc(w.every(), func(s *sound) bool { return s.say.Text == w.cfg.Disclosure && s.voiced && s.best >= s.total-lag }) {
			w.r.Fatalf("disclosed twice, or without being heard")
		}
		w.disclosed = true
	case NoteCaller:
		w.owed = true
	case NoteAgent:
		if !strings.HasPrefix(w.m.cfg.Phrases.Lost, n.Text) && !strings.HasPrefix(w.cfg.Disclosure, n.Text) { // an excuse is no answer
			w.owed = false
		}
		if !strings.HasPrefix(n.Said, n.Text) {
			w.r.Fatalf("heard %q is no beginning of %q", n.Text, n.Said)
		}
		w.agentWords += len(strings.Fields(n.Text))
	}
}

// check tests what must hold after every step.
func (w *world) check(in Input) {
	s := w.m.Snapshot()
	if s.Agent == Paused {
		n := 0
		for _, b := range []bool{s.ResumeArmed, s.Talking, s.Deciding} {
			if b {
				n++
			}
		}
		if n != 1 {
			w.r.Fatalf("after %#v: paused with resume timer %t, talking %t, deciding %t", in, s.ResumeArmed, s.Talking, s.Deciding)
		}
	}
	if s.Agent == Speaking && !slices.Contains(s.Timers, timerVoice) {
		w.r.Fatalf("after %#v: speaking without a watchdog", in)
	}
	if s.Agent == Thinking && !slices.ContainsFunc(s.Timers, isWaiting) {
		w.r.Fatalf("after %#v: thinking without a watchdog: %v", in, s.Timers)
	}
	if s.Agent == Listening && !s.Talking && !s.Deciding && !slices.ContainsFunc(s.Timers, isListening) && len(w.tools) == 0 {
		w.r.Fatalf("after %#v: listening without end: %v", in, s.Timers)
	}
	if most := w.heardWords(); w.agentWords > most {
		w.r.Fatalf("after %#v: %d words credited, %d heard", in, w.agentWords, most)
	}
	if (s.Agent == Leaving || s.Agent == Over) && len(s.Timers) > 0 {
		w.r.Fatalf("after %#v: timers %v outlive the call", in, s.Timers)
	}
}

func isWaiting(t Timer) bool {
	return slices.Contains([]Timer{timerVoice, timerGiveUp, timerFiller, timerTool}, t)
}

func isListening(t Timer) bool { return t == timerIdle || t == timerDigits || t == timerGreeting }

// heardWords counts the words whose sound was played to its end.
func (w *world) heardWords() int {
	n := 0
	for _, s := range w.every() {
		for _, word := range s.words {
			if word.To <= s.best {
				n++
			}
		}
	}
	return n
}

// every returns all utterances that were ever said.
func (w *world) every() []*sound { return append(slices.Clone(w.all), w.queue...) }

// calmDown lets everybody behave: the machine must come to rest, with an answer
// to the last words, or the call over.
func (w *world) calmDown() {
	if w.talking {
		w.callerActs()
	}
	for range 400 {
		for w.finalizes > 0 {
			w.finalizes--
			w.step(Heard{Final: true, Flushed: true})
		}
		for gen := range w.lastGen + 1 {
			if w.model[gen] {
				w.step(ModelText{Gen: gen, Text: "Here you are, that is all."})
				delete(w.model, gen)
				w.step(ModelDone{Gen: gen})
			}
		}
		for len(w.tools) > 0 {
			id := w.tools[0]
			w.tools = w.tools[1:]
			w.toolOver(ToolDone{ID: id})
			w.step(ToolDone{ID: id, Result: "done"})
		}
		for _, s := range slices.Clone(w.queue) {
			if !s.voiced && slices.Contains(w.queue, s) {
				w.voice(s)
			}
		}
		if s := w.m.Snapshot(); s.Agent == Listening && !s.Deciding && !w.owed || w.hungUp {
			break
		}
		w.pass(100 * time.Millisecond)
	}
	leaving := w.m.Snapshot().Agent == Leaving // the tool that ends the call has done it
	if w.owed && !w.hungUp && !leaving {
		w.r.Fatalf("the caller's last words were not answered: %+v\n%v", w.m.Snapshot(), w.m.History())
	}
	w.step(HungUp{Remote: true})
	if !w.m.Ended() {
		w.r.Fatal("not over after the hang-up")
	}
	w.replay()
}

// replay checks that the journal of the call gives the same outputs again.
func (w *world) replay() {
	again := New(w.cfg)
	for _, s := range w.journal {
		var out []string
		for _, o := range again.Step(s.at, s.in) {
			out = append(out, fmt.Sprintf("%#v", o))
		}
		if diff := cmp.Diff(s.out, out); diff != "" {
			w.r.Fatalf("replay differs at %v %#v:\n%s", s.at, s.in, diff)
		}
	}
}
