package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sidetone/sidetone/journal/rerun"
)

// plain keeps what others said from controlling the terminal.
func plain(text string) string { return strings.Map(printable, text) }

// printReport shows what is exact, where the call goes another way, and what would have
// followed, turn by turn.
func printReport(out io.Writer, r *rerun.Report) error {
	var b bytes.Buffer
	f := r.Fork
	fmt.Fprintf(&b, "exact until turn %d, at %.6f s: %d inputs with the same outputs\n", f.Turn, f.At.Seconds(), f.Inputs)
	fmt.Fprintf(&b, "then line %d: %s\n", f.Line, plain(f.Input))
	fmt.Fprintf(&b, "  was  %s\n  is   %s\n", orNothing(f.Was), orNothing(f.Is))
	if r.Born {
		fmt.Fprintln(&b, "what follows is not simulated: the model of this call speaks itself, and what it would have said is not known")
		_, err := out.Write(b.Bytes())
		return err
	}
	fmt.Fprintln(&b, "all that follows is simulated")
	if len(r.Blocks) == 0 {
		fmt.Fprintln(&b, "\nnobody says or does anything after it")
	}
	for _, block := range r.Blocks {
		printBlock(&b, block)
	}
	fmt.Fprintf(&b, "\nsimulated up to %.2f s", r.Ended.Seconds())
	if r.Unheard > 0 {
		fmt.Fprintf(&b, "; the call is over then, and %d inputs of the caller's were left", r.Unheard)
	}
	fmt.Fprintln(&b)
	_, err := out.Write(b.Bytes())
	return err
}

func orNothing(text string) string {
	if text == "" {
		return "(nothing)"
	}
	first, _, more := strings.Cut(text, "\n")
	if more {
		first += " ..."
	}
	return plain(first)
}

func printBlock(b *bytes.Buffer, block rerun.Block) {
	title := turnNumbers(block.Is)
	switch was := turnNumbers(block.Was); {
	case title == "":
		title = was + " is not reached"
	case was == "":
		title += " is new"
	case was != title:
		title += ", was " + was
	}
	fmt.Fprintf(b, "\n%s, simulated", title)
	if block.Same {
		fmt.Fprintf(b, ": %s\n", shift(block.Later))
		return
	}
	fmt.Fprintln(b)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	printEvents(w, "was", block.Was)
	printEvents(w, "is", block.Is)
	w.Flush() //nolint:errcheck // into memory
}

// turnNumbers names turns: "turn 2", "turns 2 to 4"; "" when there are none.
func turnNumbers(turns []rerun.Turn) string {
	if len(turns) == 0 {
		return ""
	}
	first, last := turns[0].Number, turns[len(turns)-1].Number
	if first == last {
		return "turn " + strconv.Itoa(first)
	}
	return fmt.Sprintf("turns %d to %d", first, last)
}

// shift says how much later something was.
func shift(d time.Duration) string {
	const least = 10 * time.Millisecond
	switch {
	case d >= least:
		return fmt.Sprintf("the same, %.2f s later", d.Seconds())
	case d <= -least:
		return fmt.Sprintf("the same, %.2f s sooner", -d.Seconds())
	default:
		return "the same"
	}
}

func printEvents(w io.Writer, head string, turns []rerun.Turn) {
	for _, t := range turns {
		for _, e := range t.Events {
			fmt.Fprintf(w, "  %s\t%.2f s\t%s\t%s\n", head, e.At.Seconds(), e.Who, plain(describe(e)))
			head = ""
		}
	}
	if head != "" {
		fmt.Fprintf(w, "  %s\t\t\t(nothing)\n", head)
	}
}

// describe says what happened.
func describe(e rerun.Event) string {
	switch {
	case e.Who == rerun.Agent && e.Done:
		return fmt.Sprintf("%s: %s", e.Text, e.Said)
	case e.Who == rerun.Agent && e.Interrupted && e.Text == "":
		return "cut off before a word was heard"
	case e.Who == rerun.Agent && e.Interrupted:
		return fmt.Sprintf("%q, cut off before %q", e.Text, strings.TrimSpace(strings.TrimPrefix(e.Said, e.Text)))
	case e.Who == rerun.Agent && e.Said != "":
		return fmt.Sprintf("%q of %q", e.Text, e.Said)
	case e.Who == rerun.Agent:
		return strconv.Quote(e.Text)
	case e.Who == rerun.Caller && e.Ignored:
		return fmt.Sprintf("%q, ignored", e.Text)
	case e.Who == rerun.Caller && e.Gap > 0:
		return fmt.Sprintf("%q; waited %.2f s (%s), answered after %.2f s", e.Text, e.Wait.Seconds(), e.Rule, e.Gap.Seconds())
	case e.Who == rerun.Caller:
		return strconv.Quote(e.Text)
	default:
		return e.Text
	}
}
