package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/sidetone/sidetone/client"
)

type turnsCommand struct {
	remote
	ID string `arg:"" help:"Id of the call."`
}

// Run shows what the turns of a call took.
func (t turnsCommand) Run(a *app) error {
	c, err := t.client(a)
	if err != nil {
		return err
	}
	turns, err := c.Calls().Turns(a.ctx, t.ID)
	if err != nil {
		return t.explain(err)
	}
	if t.Output == "json" {
		return json.NewEncoder(a.out).Encode(turns)
	}
	if len(turns.Turns) == 0 {
		fmt.Fprintln(a.err, "no turn of this call was measured (yet)")
		return nil
	}
	return drawTurns(a.out, turns)
}

// leastShown is how many milliseconds a stage must have made to be shown.
const leastShown = 0.5

// barWidth is how many characters the longest bar has.
const barWidth = 40

// silenceStage is how many milliseconds of a silence a stage made.
type silenceStage struct {
	name string
	ms   float64
}

// silenceStages are the stages in the order in which a turn goes through them. That of the
// caller comes first.
func silenceStages(s client.SilenceStages) []silenceStage {
	return []silenceStage{
		{"caller", s.Caller}, {"endpoint wait", s.EndpointWait}, {"recogniser", s.Recogniser}, {"model", s.Model},
		{"voice", s.Voice}, {"action", s.Action}, {"vendor failure", s.VendorFailure}, {"playout", s.Playout}, {"restart", s.Restart},
	}
}

// drawTurns prints a table of the turns, with a bar for each stage that the caller waited
// for: the time in which the caller was to speak has none.
func drawTurns(w io.Writer, t client.Turns) error {
	longest := 0.0
	for _, turn := range t.Turns {
		for _, s := range silenceStages(turn.Stages)[1:] {
			longest = max(longest, s.ms)
		}
	}
	var drawn bytes.Buffer
	table := tabwriter.NewWriter(&drawn, 0, 0, 2, ' ', 0)
	p := &tablePrinter{w: table, longest: longest}
	p.line("turn\tat\tkind\tgap\tbarge-in\tsilence\tstage\tms\t")
	for _, turn := range t.Turns {
		p.turn(turn)
	}
	p.line("all\t\t\t\t\t%.0f ms\t\t\t", t.SilenceMS)
	for _, s := range silenceStages(t.Stages) {
		if s.ms >= leastShown {
			p.line("\t\t\t\t\t\t%s\t%.0f\t%.0f %%", s.name, s.ms, 100*s.ms/t.SilenceMS)
		}
	}
	if err := cmp.Or(p.err, table.Flush()); err != nil {
		return err
	}
	for line := range strings.Lines(drawn.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// tablePrinter prints lines and keeps the first error.
type tablePrinter struct {
	w       io.Writer
	longest float64 // milliseconds of the longest bar
	err     error
}

func (p *tablePrinter) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); p.err == nil {
		p.err = err
	}
}

// turn prints a turn, whose first stage stands beside it.
func (p *tablePrinter) turn(t client.Turn) {
	head := fmt.Sprintf("%d\t%.2f s\t%s\t%s\t%s\t%.0f ms", t.Number, t.FromMS/1000, strings.Map(printable, t.Kind), asMillis(t.GapMS), asMillis(t.BargeInMS), t.SilenceMS)
	for i, s := range silenceStages(t.Stages) {
		if s.ms < leastShown {
			continue
		}
		bar := ""
		if i > 0 {
			bar = strings.Repeat("#", max(1, int(math.Round(barWidth*s.ms/p.longest))))
		}
		p.line("%s\t%s\t%.0f\t%s", head, s.name, s.ms, bar)
		head = strings.Repeat("\t", 5)
	}
	if !strings.HasPrefix(head, "\t") {
		p.line("%s\t\t\t", head)
	}
}

// asMillis is a time of a turn; "" when it was not measured.
func asMillis(ms *float64) string {
	if ms == nil {
		return ""
	}
	return fmt.Sprintf("%.0f ms", *ms)
}
