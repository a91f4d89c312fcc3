package handover

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a handing over writes into the journal of its call, as comments: its configuration
// first, then each input, and at the end what came of it.
const (
	inputComment  = "handover "
	overComment   = "handed over: "
	configComment = "handing over with language "
)

// Comment is the configuration as a comment of a journal.
func (c Config) Comment() string {
	return configComment + strconv.Quote(c.Language) + " caller " + strconv.Quote(c.Caller)
}

// InputComment is an input as a comment of a journal.
func InputComment(in Input) string { return inputComment + FormatInput(in) }

// OverComment is an outcome as a comment of a journal.
func OverComment(o Outcome) string { return overComment + string(o) }

// Replayed makes handings over again from the comments of a call's journal. Its zero value
// has seen none.
type Replayed struct {
	// Machines are those of the call, in order.
	Machines []*Machine
	// Outcomes are what came of them so far; those that are not over have none.
	Outcomes []Outcome
}

// Take takes the next comment of the journal, made at a time. Comments of others are left out.
// An error says that it is not what the machine led to, or no comment of a handing over.
func (r *Replayed) Take(at time.Duration, comment string) error {
	if text, ok := strings.CutPrefix(comment, overComment); ok {
		if n := len(r.Outcomes); n == 0 || string(r.Outcomes[n-1]) != text {
			return fmt.Errorf("handed over with %q in the call, and with %q now", text, r.Outcomes)
		}
		return nil
	}
	if text, ok := strings.CutPrefix(comment, configComment); ok {
		var c Config
		language, caller, _ := strings.Cut(text, " caller ")
		for _, member := range []struct {
			into *string
			text string
		}{{&c.Language, language}, {&c.Caller, caller}} {
			value, err := strconv.Unquote(member.text)
			if err != nil {
				return err
			}
			*member.into = value
		}
		r.Machines = append(r.Machines, New(c))
		return nil
	}
	text, ok := strings.CutPrefix(comment, inputComment)
	if !ok || len(r.Machines) == 0 {
		return nil
	}
	in, err := ParseInput(text)
	if err != nil {
		return err
	}
	for _, out := range r.Machines[len(r.Machines)-1].Step(at, in) {
		if o, over := out.(Over); over {
			r.Outcomes = append(r.Outcomes, o.Outcome)
		}
	}
	return nil
}
