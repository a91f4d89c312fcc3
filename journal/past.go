package journal

import (
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// Past is a call whose process died, as far as its journal has it. What Missing has, and
// what Writer writes then, belongs behind the last whole line of the journal, and both
// together are one journal.
type Past struct {
	Header Header
	// Machine is as it was after the last input; conversation.Resumed is the next one.
	Machine *conversation.Machine
	// Played is what the machine went through.
	Played []Played
	// Until is the time of the last line.
	Until time.Duration
	// Missing is the line of marks that the last input lacks; empty when it has them.
	Missing []byte
	// Writer goes on where the journal was cut.
	Writer Writer
}

// Past returns the call of a journal that was cut. The error is a *Difference when this
// program's machine did something else, ErrWhole and ErrFull when the journal was not cut.
func (j *Journal) Past() (Past, error) {
	switch j.Ending {
	case Whole:
		return Past{}, ErrWhole
	case Full:
		return Past{}, ErrFull
	}
	p, err := j.run()
	if err != nil {
		return Past{}, err
	}
	past := Past{Header: j.Header, Machine: p.m, Played: p.played, Until: j.Ended, Writer: Writer{at: j.Ended, sum: p.sum}}
	for _, c := range j.Comments {
		past.Until = max(past.Until, c.At)
	}
	last := len(j.Steps) - 1
	if last < 0 || !j.unmarked(last) {
		return past, nil
	}
	w := Writer{sum: p.before}
	past.Missing, _, err = w.Outputs(nil, nil, p.played[last].Outputs)
	return past, err
}
