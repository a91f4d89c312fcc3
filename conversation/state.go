package conversation

// AgentState is what the agent is doing.
type AgentState string

// The states of the agent.
const (
	// Starting: no sound flows yet.
	Starting AgentState = "starting"
	// Greeting: the greeting is still to come.
	Greeting AgentState = "greeting"
	// Listening: the caller may speak, or speaks.
	Listening AgentState = "listening"
	// Thinking: a reply is being made and is not audible.
	Thinking AgentState = "thinking"
	// Speaking: sound of the agent is being played.
	Speaking AgentState = "speaking"
	// Paused: the agent is silent while a possible interruption is judged.
	Paused AgentState = "paused"
	// ToolWait: a tool is running and nothing is audible.
	ToolWait AgentState = "tool_wait"
	// OnHold: the far end has put the call on hold.
	OnHold AgentState = "on_hold"
	// Leaving: the agent hung up, and the leg is not over yet.
	Leaving AgentState = "leaving"
	// Over: the leg is over.
	Over AgentState = "over"
)

// Snapshot is the observable state of a Machine, for tests and displays.
type Snapshot struct {
	// Agent is what the agent is doing.
	Agent AgentState
	// Talking says that the caller's voice is heard; Deciding that the caller
	// fell silent and the end of the turn is being decided.
	Talking, Deciding bool
	// ResumeArmed says that a pause ends by itself.
	ResumeArmed bool
	// Turn counts the caller turns, Gen the generations.
	Turn int
	// Gen is the last generation's number.
	Gen uint64
	// Pending is what the caller said in the turn that is not over.
	Pending string
	// Timers lists the timers that run.
	Timers []Timer
}

// Snapshot returns the machine's observable state.
func (m *Machine) Snapshot() Snapshot {
	s := Snapshot{
		Agent: m.agent(), Talking: m.turn.talking, Deciding: m.turn.open, ResumeArmed: m.armed(timerResume),
		Turn: m.turns, Gen: m.gen, Pending: m.turn.text(),
	}
	for _, name := range timerNames() {
		if _, ok := m.timers.armed[name]; ok {
			s.Timers = append(s.Timers, name)
		}
	}
	return s
}

// agent derives the agent's state; it is stored nowhere, so it cannot be wrong.
func (m *Machine) agent() AgentState {
	switch {
	case m.ended:
		return Over
	case m.closing:
		return Leaving
	case !m.started:
		return Starting
	case m.held:
		return OnHold
	case m.pause != nil:
		return Paused
	case m.speech != nil && m.speech.sounding():
		return Speaking
	case m.speech != nil && !m.speech.model && len(m.speech.utts) == 0 && len(m.tools) > 0:
		return ToolWait
	case m.speech != nil:
		return Thinking
	case m.greet.waiting:
		return Greeting
	default:
		return Listening
	}
}
