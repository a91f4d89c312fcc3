package conversation

import "time"

// Timer names a timer of the machine.
type Timer string

const (
	timerGreeting Timer = "greeting" // the greeting is due
	timerGuard    Timer = "guard"    // the greeting may be interrupted from now on
	timerEndpoint Timer = "endpoint" // the wait after the caller's words is over
	timerFinal    Timer = "final"    // the recogniser's final is not awaited longer
	timerWatchdog Timer = "watchdog" // the turn must be decided now
	timerStuck    Timer = "stuck"    // the voice detector is open without words
	timerResume   Timer = "resume"   // a suspected interruption was none
	timerConfirm  Timer = "confirm"  // speech alone has lasted long enough to interrupt
	timerHedge    Timer = "hedge"    // ask the fallback model too
	timerFiller   Timer = "filler"   // the caller is to be told to wait
	timerGiveUp   Timer = "giveup"   // the model has taken too long
	timerVoice    Timer = "voice"    // sound is overdue
	timerTool     Timer = "tool"     // a tool is overdue
	timerDigits   Timer = "digits"   // no further key
	timerIdle     Timer = "idle"     // nobody speaks
	timerSilence  Timer = "silence"  // no words for very long, whatever the detector says
	timerDuration Timer = "duration" // the call is too long
)

// The timers that tell others where a turn of the caller's stands.
const (
	// TimerEndpoint is due when the wait after the caller's words is over.
	TimerEndpoint = timerEndpoint
	// TimerWatchdog is armed while the caller has fallen silent and the turn is not
	// decided.
	TimerWatchdog = timerWatchdog
)

// TimerTool is due when the results of tools are not awaited any longer.
const TimerTool = timerTool

// The timers that wait for nothing but time: nobody is at work while no others run.
const (
	// TimerGuard is due when the greeting may be interrupted.
	TimerGuard = timerGuard
	// TimerIdle and TimerSilence are due when nobody has spoken for long.
	TimerIdle    = timerIdle
	TimerSilence = timerSilence
	// TimerDuration is due when the call has lasted as long as it may.
	TimerDuration = timerDuration
)

func timerNames() [17]Timer {
	return [...]Timer{
		timerGreeting, timerGuard, timerEndpoint, timerFinal, timerWatchdog, timerStuck, timerResume, timerConfirm,
		timerHedge, timerFiller, timerGiveUp, timerVoice, timerTool, timerDigits, timerIdle, timerSilence, timerDuration,
	}
}

// alarm is an armed timer.
type alarm struct {
	epoch uint64
	at    time.Duration
}

// timers are the armed timers. While frozen (on hold) only the call's maximum
// duration runs; for the others the time that is left is stored.
type timers struct {
	epoch  uint64
	armed  map[Timer]alarm
	frozen bool
	left   map[Timer]time.Duration
}

func newTimers() timers {
	return timers{armed: map[Timer]alarm{}, left: map[Timer]time.Duration{}}
}

func (m *Machine) arm(name Timer, at time.Duration) {
	if m.closing {
		return
	}
	at = wholeMicros(at)
	t := &m.timers
	if t.frozen && name != timerDuration {
		t.left[name] = at - m.now
		return
	}
	if a, ok := t.armed[name]; ok && (a.at == at || a.at <= m.now && at <= m.now) {
		return // it is due either way
	}
	t.epoch++
	t.armed[name] = alarm{epoch: t.epoch, at: at}
	m.emit(Arm{Name: name, Epoch: t.epoch, At: at})
}

// wholeMicros rounds a time up to whole microseconds: the clock of Step counts
// in them, and a timer must not fire before its time.
func wholeMicros(at time.Duration) time.Duration {
	return (at + time.Microsecond - 1).Truncate(time.Microsecond)
}

func (m *Machine) disarm(names ...Timer) {
	for _, name := range names {
		delete(m.timers.left, name)
		if _, ok := m.timers.armed[name]; ok {
			delete(m.timers.armed, name)
			m.emit(Disarm{Name: name})
		}
	}
}

func (m *Machine) armed(name Timer) bool {
	_, running := m.timers.armed[name]
	_, waiting := m.timers.left[name]
	return running || waiting
}

// want arms the timer when on, and disarms it otherwise.
func (m *Machine) want(name Timer, on bool, at time.Duration) {
	if on {
		m.arm(name, at)
	} else {
		m.disarm(name)
	}
}

// freeze stops all timers but the call's maximum duration.
func (m *Machine) freeze() {
	for _, name := range timerNames() {
		a, ok := m.timers.armed[name]
		if !ok || name == timerDuration {
			continue
		}
		m.disarm(name)
		m.timers.left[name] = max(0, a.at-m.now)
	}
	m.timers.frozen = true
}

// thaw restarts the frozen timers.
func (m *Machine) thaw() {
	m.timers.frozen = false
	for _, name := range timerNames() {
		if left, ok := m.timers.left[name]; ok {
			delete(m.timers.left, name)
			m.arm(name, m.now+left)
		}
	}
}

// onTimer acts on a timer, unless it was disarmed or armed anew meanwhile.
func (m *Machine) onTimer(in TimerFired) {
	a, ok := m.timers.armed[in.Name]
	if !ok || a.epoch != in.Epoch {
		return
	}
	delete(m.timers.armed, in.Name)
	switch in.Name {
	case timerGreeting, timerGuard:
		m.onGreetingTimer(in.Name)
	case timerEndpoint, timerFinal, timerWatchdog, timerStuck:
		m.onTurnTimer(in.Name)
	case timerResume:
		m.onResumeTimer()
	case timerConfirm:
		m.onConfirmTimer()
	case timerHedge, timerFiller, timerGiveUp:
		m.onModelTimer(in.Name)
	case timerVoice:
		m.onVoiceTimer()
	case timerTool:
		m.onToolTimer()
	case timerDigits:
		m.deliverKeys()
	case timerIdle, timerSilence:
		m.onIdle(in.Name)
	case timerDuration:
		m.leaveWith("max_duration", m.cfg.Phrases.Goodbye)
	}
}
