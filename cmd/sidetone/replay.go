package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/handover"
	"github.com/sidetone/sidetone/journal"
)

type replayCommand struct {
	remote
	Call     string   `arg:"" optional:"" help:"Id of the call, or a file of its journal; - is standard input."`
	ToGolden string   `help:"Write the call as a test: its journal without numbers, addresses and names." placeholder:"FILE"`
	With     []string `help:"Let the call run with another dial of the agent, or with an agent's file, and show the difference turn by turn: exact up to the first one, then simulated. May be given again." sep:"none" placeholder:"FILE|DIAL=VALUE"`
	Model    string   `help:"With --with: who answers questions that the call has no answer for: none (what a model would say is left out), or scripted (the playbook in the agent's prompt)." enum:"none,scripted" default:"none" placeholder:"none|scripted"`
	All      bool     `help:"Replay all calls and print a table."`
	Since    string   `help:"With --all: only calls that began within this time." default:"7d" placeholder:"TIME"`
}

// Run replays a call, or all of them.
func (r replayCommand) Run(a *app) error {
	switch {
	case r.All && (r.Call != "" || r.ToGolden != "" || len(r.With) > 0):
		return errors.New("--all goes with --since only")
	case r.Model == modelScripted && len(r.With) == 0:
		return errors.New("--model goes with --with: a call as it was has its model's answers")
	case r.All:
		return r.all(a)
	case r.Call == "":
		return errors.New("name a call, a file, or --all")
	}
	text, err := r.text(a)
	if err != nil {
		return err
	}
	j, err := journal.Read(text)
	if err != nil {
		return err
	}
	if len(r.With) > 0 {
		return r.with(a, j)
	}
	played, err := j.Replay()
	if err != nil {
		return fmt.Errorf("the replay is not exact: %w", err)
	}
	handed, err := handovers(j)
	if err != nil {
		return fmt.Errorf("the replay is not exact: %w", err)
	}
	if r.ToGolden != "" {
		return r.golden(a, j)
	}
	_, err = fmt.Fprintln(a.out, "exact:", summary(j, played))
	for _, line := range append(resumptions(played), handed...) {
		fmt.Fprintln(a.out, line)
	}
	return err
}

// summary says how much was replayed.
func summary(j *journal.Journal, played []journal.Played) string {
	turns, outputs := 0, 0
	for _, p := range played {
		turns, outputs = p.Turn, outputs+len(p.Outputs)
	}
	text := fmt.Sprintf("%d inputs, %d outputs, %d turns of the caller, %.1f s", len(played), outputs, turns, j.Ended.Seconds())
	switch j.Ending {
	case journal.Cut:
		text += "; the journal ends here without the end of the call (the call goes on, or its process died)"
	case journal.Full:
		text += "; the journal ends here before the call: " + j.Why
	}
	return text
}

// resumptions says where the call went on after its process had died.
func resumptions(played []journal.Played) (lines []string) {
	for _, p := range played {
		if in, ok := p.In.(conversation.Resumed); ok {
			lines = append(lines, fmt.Sprintf("line %d: resumed at %.1f s in turn %d, after its process had died; nothing is known of the %.1f s before",
				p.Line, p.At.Seconds(), p.Turn, (p.At-in.Until).Seconds()))
		}
	}
	return lines
}

// handovers replays how callers were handed to people who were asked first, and says what came
// of each.
func handovers(j *journal.Journal) (lines []string, err error) {
	var again handover.Replayed
	for _, c := range j.Comments {
		before := len(again.Outcomes)
		if err := again.Take(c.At, c.Text); err != nil {
			return nil, err
		}
		for _, o := range again.Outcomes[before:] {
			lines = append(lines, fmt.Sprintf("a person was asked to take the caller: %s at %.1f s", o, c.At.Seconds()))
		}
	}
	return lines, nil
}

// text is the journal's, from a file or a server.
func (r replayCommand) text(a *app) ([]byte, error) {
	if r.Call == "-" {
		return io.ReadAll(os.Stdin)
	}
	text, err := os.ReadFile(r.Call)
	if err == nil || strings.ContainsAny(r.Call, `/\.`) {
		return text, err
	}
	c, err := r.client(a)
	if err != nil {
		return nil, fmt.Errorf("there is no file %s, and for the id of a call %w", r.Call, err)
	}
	return r.fetch(a, c, r.Call)
}

func (r replayCommand) fetch(a *app, c *client.Client, id string) ([]byte, error) {
	var text bytes.Buffer
	if err := c.Calls().Journal(a.ctx, id, &text); err != nil {
		return nil, r.explain(err)
	}
	return text.Bytes(), nil
}

// golden writes the call as a test, whole or not at all.
func (r replayCommand) golden(a *app, j *journal.Journal) error {
	text, err := j.Golden()
	if err != nil {
		return err
	}
	err = whole(r.ToGolden, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "numbers, addresses of e-mail and the names that the call knew are masked: read %s before you give it away\n", r.ToGolden)
	_, err = fmt.Fprintln(a.out, r.ToGolden)
	return err
}

// replayed is a line of the table.
type replayed struct {
	id, length, turns, result string
	failed, done              bool
}

// all replays the calls of a time, as many at once as there are processor cores.
func (r replayCommand) all(a *app) error {
	since, err := parseAge(r.Since)
	if err != nil {
		return err
	}
	c, err := r.client(a)
	if err != nil {
		return err
	}
	ids, err := r.calls(a, c, time.Now().Add(-since))
	if err != nil {
		return err
	}
	lines := make([]replayed, len(ids))
	work := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				lines[i] = r.one(a, c, ids[i])
			}
		})
	}
	for i := range ids {
		if a.ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	if err := a.ctx.Err(); err != nil {
		return err
	}
	return table(a.out, lines)
}

// calls are the ids of calls that began after a time, newest first.
func (r replayCommand) calls(a *app, c *client.Client, after time.Time) ([]string, error) {
	var ids []string
	for call, err := range c.Calls().All(a.ctx, client.Query{Size: 100}) {
		if err != nil {
			return nil, r.explain(err)
		}
		if call.CreatedAt.Before(after) {
			break
		}
		ids = append(ids, call.ID)
	}
	return ids, nil
}

// one replays a call for the table.
func (r replayCommand) one(a *app, c *client.Client, id string) replayed {
	line := replayed{id: id, length: "-", turns: "-", done: true}
	text, err := r.fetch(a, c, id)
	var refused *client.Error
	if errors.As(err, &refused) && refused.StatusCode == 404 {
		line.result, line.done = "no journal", false
		return line
	}
	var j *journal.Journal
	if err == nil {
		j, err = journal.Read(text)
	}
	if errors.Is(err, journal.ErrEmpty) {
		line.result, line.done = "nothing happened", false
		return line
	}
	var played []journal.Played
	if err == nil {
		played, err = j.Replay()
		line.length = fmt.Sprintf("%.1fs", j.Ended.Seconds())
		if len(played) > 0 {
			line.turns = strconv.Itoa(played[len(played)-1].Turn)
		}
	}
	if err != nil {
		line.failed = true
		line.result, _, _ = strings.Cut(err.Error(), "\n")
		return line
	}
	line.result = "exact"
	switch n := len(resumptions(played)); n {
	case 0:
	case 1:
		line.result += ", resumed"
	default:
		line.result += fmt.Sprintf(", resumed %d times", n)
	}
	if j.Ending != journal.Whole {
		line.result += ", " + string(j.Ending)
	}
	return line
}

// table prints the lines; it fails when a replay has.
func table(out io.Writer, lines []replayed) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "CALL\tLENGTH\tTURNS\tREPLAY")
	done, failed := 0, 0
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.id, l.length, l.turns, strings.Map(printable, l.result))
		if l.done {
			done++
		}
		if l.failed {
			failed++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d calls were not replayed exactly", failed, done)
	}
	_, err := fmt.Fprintf(out, "%d of %d calls were replayed, all of them exactly\n", done, len(lines))
	return err
}

// parseAge reads a time such as 7d or 36h.
func parseAge(s string) (time.Duration, error) {
	text := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			text = strconv.Itoa(24*n) + "h"
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--since %q must be a time such as 7d or 36h", s)
	}
	return d, nil
}
