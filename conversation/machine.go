package conversation

import (
	"slices"
	"time"
)

// Machine decides who speaks when on one call. It is not safe for concurrent
// use. The zero value is not usable; call New.
type Machine struct {
	cfg     Config
	waits   waits
	lexicon lexicon
	habits  habits
	rules   map[string]*Action
	claims  []claim

	now    time.Duration
	out    []Output
	timers timers

	history []Message
	// gen and utt are the last numbers given out; turns counts caller turns.
	gen, utt uint64
	turns    int

	started, held, closing, ended bool
	// away: nobody listens at the moment; understood: the recogniser that listens
	// has given text.
	away, understood bool
	// spoke: something of the agent was audible in this call.
	spoke bool
	// resumed is when the call last went on in another process: what took time before says
	// nothing about who serves it.
	resumed time.Duration
	// failure is why the machine has given up.
	failure string

	greet  greeting
	turn   turn
	speech *speech
	// early is a generation that was started before the turn was over.
	early *early
	// cut is the speech that was cut off and whose heard text is not known yet.
	cut   *speech
	pause *pause
	// asked is the last thing that the caller heard the agent say.
	asked string
	// correctable is an unstable text that was committed for want of a final.
	correctable string
	queued      []string
	keys        []Digit
	tools       []tool
	// field is the number that the caller is asked for; nil for none. given is what the
	// last turn did to it. covered: what the caller says is hidden; hides: it ever was.
	field          *collection
	given          *fieldTurn
	covered, hides bool
	// disclosed: the caller has heard the disclosure.
	disclosed bool
	// runs are all runs of tools so far, results how the last one of each ended; phrased
	// counts the calls that the agent's words have started.
	runs    []run
	results map[string]outcome
	phrased int
	// unseen says that there is something no generation has seen: a tool's result, or
	// what the model has to say unasked.
	unseen bool
	idle   idle
}

// New returns the machine of a call that has not begun.
func New(cfg Config) *Machine {
	cfg = withDefaults(cfg)
	m := &Machine{cfg: cfg, waits: waitsOf(cfg), lexicon: lexiconOf(cfg.Language), timers: newTimers(),
		results: map[string]outcome{}, rules: rulesOf(cfg.Actions), claims: claimsOf(cfg.Actions)}
	m.habits = habits{pace: usualPace, pause: m.waits.short}
	return m
}

func withDefaults(c Config) Config {
	c.Speed = clamp(orDefault(c.Speed, 1000), 500, 2000)
	c.FinalWait = orDefault(c.FinalWait, time.Second)
	c.FirstTextWait = orDefault(c.FirstTextWait, 600*time.Millisecond)
	c.MaxDuration = orDefault(c.MaxDuration, 2*time.Hour)
	c.MaxIdleChecks = orDefault(c.MaxIdleChecks, 2)
	c.IdleTime = orDefault(c.IdleTime, idleTime(c.AskOnIdle))
	c.Interrupt = orDefault(c.Interrupt, Low)
	c.Endpoint = orDefault(c.Endpoint, Auto)
	c.Phrases = c.Phrases.orElse(PhrasesOf(c.Language))
	return c
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// Step takes in one input at a time since the call's beginning and returns the
// outputs to be carried out in order. The time counts in whole microseconds, the
// rest is dropped, so that a journal has all of it. A time before that of the
// step before counts as the same. The returned slice is valid until the next Step, which
// reuses it; what it points to stays valid.
func (m *Machine) Step(now time.Duration, in Input) []Output {
	m.out = m.out[:0]
	m.now = max(m.now, now.Truncate(time.Microsecond))
	switch {
	case m.closing:
		m.afterwards(in)
	default:
		m.take(in)
	}
	m.uncover()
	m.armStateTimers()
	return m.out
}

// Prepared returns the phrases that are to be synthesised before the call, so that
// the agent can say them at once, even when the voice has failed.
func (m *Machine) Prepared() []string {
	p := m.cfg.Phrases
	return []string{p.Filler, p.Apology, p.Goodbye}
}

// History returns the conversation as the model sees it. The slice is a copy.
func (m *Machine) History() []Message { return slices.Clone(m.history) }

// Ended reports whether the leg is over; Step then only records late results.
func (m *Machine) Ended() bool { return m.ended }

func (m *Machine) emit(o Output) {
	if n, ok := o.(Note); ok && m.hides {
		n.Text, n.Said = cover(n.Text), cover(n.Said)
		o = n
	}
	m.out = append(m.out, o)
}

func (m *Machine) take(in Input) {
	switch in := in.(type) {
	case SpeechStarted, SpeechEnded, Heard, TurnYielded, TurnEnding, TurnGoesOn, CallerLeaves, Digit:
		m.takeCaller(in)
	case ModelText, ModelWaits, ModelCall, ModelDone, ModelFailed, ToolDone:
		m.takeModel(in)
	case Voiced, VoiceFailed, Audible, Played, Stopped, Born, Worded:
		m.takeVoice(in)
	case TimerFired:
		m.onTimer(in)
	default:
		m.takeCall(in)
	}
}

func (m *Machine) takeCaller(in Input) {
	switch in := in.(type) {
	case SpeechStarted:
		m.onSpeechStarted(in)
	case SpeechEnded:
		m.onSpeechEnded(in)
	case Heard:
		m.onHeard(in)
	case TurnYielded:
		m.onYielded()
	case TurnEnding:
		m.askEarly()
	case TurnGoesOn:
		m.cancelEarly()
	case CallerLeaves:
		m.hangUp("goodbye")
	case Digit:
		m.onDigit(in)
	}
}

func (m *Machine) takeModel(in Input) {
	if m.early != nil && m.early.keep(m, in) {
		return
	}
	switch in := in.(type) {
	case ModelText:
		m.onModelText(in)
	case ModelWaits:
		m.onModelWaits()
	case ModelCall:
		m.onModelCall(in)
	case ModelDone:
		m.onModelDone(in)
	case ModelFailed:
		m.onModelFailed(in)
	case ToolDone:
		m.onToolDone(in)
	}
}

func (m *Machine) takeVoice(in Input) {
	switch in := in.(type) {
	case Voiced:
		m.onVoiced(in)
	case VoiceFailed:
		m.onVoiceFailed(in)
	case Audible:
		m.onAudible(in)
	case Played:
		m.onPlayed(in)
	case Stopped:
		m.onStopped(in)
	case Born:
		m.onBorn(in)
	case Worded:
		m.onWorded(in)
	}
}

func (m *Machine) takeCall(in Input) {
	switch in := in.(type) {
	case MediaStarted:
		m.onMediaStarted()
	case Resumed:
		m.onResumed(in)
	case Held:
		m.onHeld()
	case Unheld:
		m.onUnheld()
	case HungUp:
		m.onHungUp(in)
	case Command:
		m.onCommand(in)
	case RecogniserLost:
		m.giveUp("recogniser lost: "+in.Reason, "")
	case RecogniserAway:
		m.onRecogniserAway()
	case RecogniserReplaced:
		m.onRecogniserReplaced(in)
	}
}

// onRecogniserAway tells the caller why there is no answer, unless somebody speaks.
func (m *Machine) onRecogniserAway() {
	m.away = true
	if !m.started || m.greet.waiting || m.blocked() || m.turn.talking || len(m.tools) > 0 {
		return
	}
	m.begin(kindPrompt, "", false, m.cfg.Phrases.BadLine)
}

func (m *Machine) onRecogniserReplaced(in RecogniserReplaced) {
	m.away, m.understood = false, false
	m.cfg.FinalWait, m.cfg.FirstTextWait = in.FinalWait, in.FirstTextWait
	m.cfg = withDefaults(m.cfg)
	m.waits.final = m.cfg.FinalWait
	m.turn.flushes = 0 // what the one before was asked for does not come
	m.decideTurn()
}

// afterwards handles inputs that come after we hung up or the leg ended.
func (m *Machine) afterwards(in Input) {
	switch in := in.(type) {
	case Stopped:
		m.onStopped(in)
	case ToolDone:
		m.onLateTool(in)
	case HungUp:
		m.onHungUp(in)
	}
}
