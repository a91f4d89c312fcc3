package journal

import (
	"fmt"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
)

// Difference is the first output that a machine of this program gave otherwise than the
// one that wrote the journal. It is an error.
type Difference struct {
	// At is the time of the input, Line where it stands, Input its text.
	At    time.Duration
	Line  int
	Input string
	// Turn counts the caller's turns: 0 is what came before the caller's first words.
	Turn int
	// Output is which output of the input it is, from 1.
	Output int
	// Recorded is the kind of the recorded output and Got the text of this program's;
	// "" for none.
	Recorded, Got string
	// Notes say what else is known to be different, such as the build.
	Notes []string
}

// Error names the first differing output and its turn.
func (d *Difference) Error() string {
	got, recorded := d.Got, d.Recorded
	switch {
	case got == "":
		got = "no output"
	case recorded == "":
		recorded = "no output"
	case recorded == string(kindOf([]byte(got))):
		recorded = "another " + recorded
	}
	text := fmt.Sprintf("turn %d, at %.6f s: output %d differs: recorded %s, now %s\nthe input was line %d: %s",
		d.Turn, d.At.Seconds(), d.Output, recorded, got, d.Line, d.Input)
	for _, n := range d.Notes {
		text += "\n" + n
	}
	return text
}

// Played is a step as a machine went through it.
type Played struct {
	Step
	// Turn is the caller's turn after the input.
	Turn int
	// Outputs are what the machine answered.
	Outputs []conversation.Output
}

// Replay runs a machine of this program through the inputs and returns what it did. The
// error is a *Difference when an output is not the recorded one; what was played until
// then is returned with it.
func (j *Journal) Replay() ([]Played, error) {
	p, err := j.run()
	if err != nil {
		return p.played, err
	}
	if sum := fmt.Sprintf("%016x", uint64(p.sum.value())); j.Ending == Whole && sum != j.digest {
		return p.played, fmt.Errorf("the digest of all outputs is %s, recorded was %q: an output differs, and the marks do not tell which", sum, j.digest)
	}
	return p.played, nil
}

// run takes a machine through all inputs, or up to the first difference.
func (j *Journal) run() (*player, error) {
	p := &player{j: j, m: conversation.New(j.Header.Config)}
	for i := range j.Steps {
		if err := p.step(i); err != nil {
			return p, err
		}
	}
	return p, nil
}

type player struct {
	j       *Journal
	m       *conversation.Machine
	sum     digest
	before  digest // sum, before the last step
	turn    int
	played  []Played
	scratch []byte
}

func (p *player) step(i int) error {
	s := p.j.Steps[i]
	outs := p.m.Step(s.At, s.In)
	unmarked := p.j.unmarked(i)
	p.before = p.sum
	for n, o := range outs {
		p.turn += beginsTurn(o)
		var err error
		if p.scratch, err = script.AppendOutput(p.scratch[:0], o); err != nil {
			return fmt.Errorf("replay line %d: %w", s.Line, err)
		}
		p.sum.add(p.scratch)
		switch {
		case unmarked:
		case n >= len(s.Marks):
			return p.difference(s, n, "", string(p.scratch))
		case string(kindOf(p.scratch)) != s.Marks[n].Kind || string(p.sum.appendTag(nil)) != s.Marks[n].Tag:
			return p.difference(s, n, s.Marks[n].Kind, string(p.scratch))
		}
	}
	if len(s.Marks) > len(outs) {
		return p.difference(s, len(outs), s.Marks[len(outs)].Kind, "")
	}
	p.played = append(p.played, Played{Step: s, Turn: p.turn, Outputs: append([]conversation.Output(nil), outs...)})
	return nil
}

// unmarked reports whether the marks of step i may be missing: the process may have died
// between an input and its marks.
func (j *Journal) unmarked(i int) bool {
	return i == len(j.Steps)-1 && j.Ending == Cut && len(j.Steps[i].Marks) == 0
}

// beginsTurn is 1 for a note of words with which a turn of the caller begins.
func beginsTurn(o conversation.Output) int {
	if n, ok := o.(conversation.Note); ok && n.Kind == conversation.NoteCaller && !n.Continues {
		return 1
	}
	return 0
}

func (p *player) difference(s Step, n int, recorded, got string) error {
	d := &Difference{At: s.At, Line: s.Line, Input: s.Text, Turn: p.turn, Output: n + 1, Recorded: recorded, Got: got}
	if tables := conversation.TablesVersion(); p.j.Header.Tables != "" && p.j.Header.Tables != tables {
		d.Notes = append(d.Notes, fmt.Sprintf("the word lists and phrases are others: recorded %s, now %s", p.j.Header.Tables, tables))
	}
	if p.j.Header.Build != "" {
		d.Notes = append(d.Notes, "the journal was written by build "+p.j.Header.Build)
	}
	return d
}
