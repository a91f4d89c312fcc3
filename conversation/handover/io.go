package handover

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Input is something that happened.
type Input interface{ inputText() string }

// The inputs.
type (
	// Began says that the agent wants to hand the caller over, who hears music.
	Began struct{}
	// Summary is what the person is told of the call.
	Summary struct{ Text string }
	// Answered says that the person's line was answered.
	Answered struct{}
	// Refused says that it was not, with an Outcome: Busy, Declined, NoAnswer or TrunkError.
	Refused struct{ Outcome Outcome }
	// Said says that all that was to be told the person was heard.
	Said struct{}
	// Unsaid says that it cannot be told.
	Unsaid struct{}
	// Heard are words of the person's, which are final.
	Heard struct{ Text string }
	// Digit is a key that the person pressed.
	Digit struct{ Key rune }
	// PersonLeft says that the person hung up.
	PersonLeft struct{}
	// CallerLeft says that the caller did, or that the call is ended for another reason.
	CallerLeft struct{}
	// Fired says that the timer armed with this number is due.
	Fired struct{ Epoch uint64 }
)

func (Began) inputText() string      { return "began" }
func (i Summary) inputText() string  { return "summary " + strconv.Quote(i.Text) }
func (Answered) inputText() string   { return "answered" }
func (i Refused) inputText() string  { return "refused " + string(i.Outcome) }
func (Said) inputText() string       { return "said" }
func (Unsaid) inputText() string     { return "unsaid" }
func (i Heard) inputText() string    { return "heard " + strconv.Quote(i.Text) }
func (i Digit) inputText() string    { return "digit " + string(i.Key) }
func (PersonLeft) inputText() string { return "person left" }
func (CallerLeft) inputText() string { return "caller left" }
func (i Fired) inputText() string    { return "fired " + strconv.FormatUint(i.Epoch, 10) }

// Output is an instruction of the machine; outputs are carried out in order.
type Output interface{ output() }

// The outputs.
type (
	// Dial rings the person. The machine is told Answered or Refused.
	Dial struct{}
	// CancelDial gives that up; nothing comes of it any more.
	CancelDial struct{}
	// Say tells the person something, behind what is being said. Said comes when all of it
	// was heard.
	Say struct{ Text string }
	// Hush ends what is being said; no Said comes.
	Hush struct{}
	// Arm arms the timer, in place of the one before.
	Arm struct {
		Epoch uint64
		At    time.Duration
	}
	// Disarm stops it.
	Disarm struct{}
	// Join lets the person and the caller talk; the agent leaves.
	Join struct{}
	// HangUp hangs up the person's line.
	HangUp struct{}
	// Over ends the handing over. After any outcome but Connected and LeftBefore the caller
	// is the agent's again.
	Over struct{ Outcome Outcome }
)

func (Dial) output()       {}
func (CancelDial) output() {}
func (Say) output()        {}
func (Hush) output()       {}
func (Arm) output()        {}
func (Disarm) output()     {}
func (Join) output()       {}
func (HangUp) output()     {}
func (Over) output()       {}

// Outcome is what came of it.
type Outcome string

// The outcomes.
const (
	Connected  Outcome = "connected"
	Declined   Outcome = "declined"
	Busy       Outcome = "busy"
	NoAnswer   Outcome = "no_answer"
	Voicemail  Outcome = "voicemail"
	LeftBefore Outcome = "caller_left"
	TrunkError Outcome = "trunk_error"
)

// FormatInput returns the text form of an input.
func FormatInput(in Input) string { return in.inputText() }

// ParseInput reads what FormatInput returns.
func ParseInput(text string) (Input, error) {
	for _, in := range []Input{Began{}, Answered{}, Said{}, Unsaid{}, PersonLeft{}, CallerLeft{}} {
		if text == in.inputText() {
			return in, nil
		}
	}
	name, rest, _ := strings.Cut(text, " ")
	switch name {
	case "summary", "heard":
		said, err := strconv.Unquote(rest)
		if err != nil || !strings.HasPrefix(rest, `"`) {
			return nil, fmt.Errorf("%q: expected a text in double quotes", text)
		}
		if name == "summary" {
			return Summary{said}, nil
		}
		return Heard{said}, nil
	case "refused":
		switch o := Outcome(rest); o {
		case Busy, Declined, NoAnswer, TrunkError:
			return Refused{o}, nil
		}
	case "digit":
		if key, size := utf8.DecodeRuneInString(rest); size > 0 && size == len(rest) && strings.ContainsRune("0123456789*#ABCD", key) {
			return Digit{key}, nil
		}
	case "fired":
		if epoch, err := strconv.ParseUint(rest, 10, 64); err == nil {
			return Fired{epoch}, nil
		}
	}
	return nil, fmt.Errorf("%q is no input", text)
}
