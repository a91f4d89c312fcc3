package conversation

import "time"

// Sensitivity is how easily the caller interrupts the agent.
type Sensitivity string

// The interrupt sensitivities.
const (
	// Low ignores backchannels such as "uh-huh" while the agent speaks.
	Low Sensitivity = "low"
	// High lets any word, or half a second of speech, interrupt.
	High Sensitivity = "high"
)

// Endpointing is how soon a caller's pause ends the turn.
type Endpointing string

// The endpointing sensitivities.
const (
	// Auto waits 0.5 s, 2.5 s when the sentence is unfinished.
	Auto Endpointing = "auto"
	// Relaxed waits 0.7 s and 3.0 s.
	Relaxed Endpointing = "relaxed"
	// Sensitive waits 0.3 s and 1.2 s.
	Sensitive Endpointing = "sensitive"
)

// Config is everything that a Machine needs to know about the agent and the call.
type Config struct {
	// Greeting is the first message; empty means that the caller speaks first.
	Greeting string
	// GreetingDelay is waited before the greeting.
	GreetingDelay time.Duration
	// Outbound says that we called. With WaitForGreeting the callee speaks
	// first; after 2.5 s without speech the agent says the greeting.
	Outbound, WaitForGreeting bool
	// ProtectGreeting makes the greeting uninterruptible.
	ProtectGreeting bool
	// Interrupt is Low when empty.
	Interrupt Sensitivity
	// Endpoint is Auto when empty.
	Endpoint Endpointing
	// DynamicTurns turns on completeness rules, learned pauses and adaptive
	// speed; without it the short wait of Endpoint always applies.
	DynamicTurns bool
	// Speed divides the waits for the end of a turn, in thousandths: 500 to
	// 2000, 0 means 1000, which leaves them as they are.
	Speed int
	// Language is a two-letter code; "" means "en".
	Language string
	// AskOnIdle asks whether anyone is there after IdleTime of silence, at
	// most MaxIdleChecks times (0 means 2); then the agent says goodbye.
	AskOnIdle     bool
	MaxIdleChecks int
	// IdleTime is 15 s with AskOnIdle and 30 s without when zero.
	IdleTime time.Duration
	// MaxDuration ends the call politely; zero means 2 h.
	MaxDuration time.Duration
	// FinalWait is how long the recogniser's final may be awaited after the
	// caller fell silent (its P99); zero means 1 s.
	FinalWait time.Duration
	// FirstTextWait is the recogniser's first-text p95: after a short burst the
	// agent resumes when no word came by then (at least 0.3 s, at most 1 s).
	// Zero means 0.6 s; anything above 0.65 s makes a cough cost more than the
	// 0.9 s of silence that is promised.
	FirstTextWait time.Duration
	// Eager says that the model may be asked when the caller's turn is probably
	// over. Its answer is used if the turn ends with the same words.
	Eager bool
	// Carrier says that a modem's carrier replaces the voice detector (TTY):
	// two characters interrupt, and turns end by TurnYielded or final text.
	Carrier bool
	// Phrases are the agent's fixed phrases; zero fields mean those of its language.
	Phrases Phrases
	// Actions are the tools that need more than to be run and told of; others need not be
	// here.
	Actions []Action
	// Disclosure is what the agent says first of all, and again until it was heard to its
	// last word; "" for nothing.
	Disclosure string
	// Fields are the numbers that the agent may ask for.
	Fields []Field
}
