package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/client"
)

type ladderCommand struct {
	remote
	ID   string `arg:"" help:"Id of the call."`
	Full bool   `help:"Print the messages, too."`
}

// Run shows the signalling of a call.
func (l ladderCommand) Run(a *app) error {
	c, err := l.client(a)
	if err != nil {
		return err
	}
	ladder, err := c.Calls().Ladder(a.ctx, l.ID)
	if err != nil {
		return l.explain(err)
	}
	if l.Output == "json" {
		return json.NewEncoder(a.out).Encode(ladder)
	}
	return drawLadder(a.out, ladder, l.Full)
}

type pcapCommand struct {
	remote
	ID   string `arg:"" help:"Id of the call."`
	File string `short:"f" help:"Where to write; - is standard output. Default: the id and .pcap." placeholder:"FILE"`
}

// Run saves the signalling of a call, whole or not at all.
func (p pcapCommand) Run(a *app) error {
	c, err := p.client(a)
	if err != nil {
		return err
	}
	save := func(w io.Writer) error { return p.explain(c.Calls().PCAP(a.ctx, p.ID, w)) }
	if p.File == "-" {
		return save(a.out)
	}
	path := cmp.Or(p.File, strings.Map(fileRune, p.ID)+".pcap")
	if err := whole(path, save); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, path)
	return err
}

const (
	// rungWidth is the room between two lines of a ladder, rungTime that of the time
	// before the first one.
	rungWidth, rungTime = 38, 10
	// rungHosts is how many hosts stand beside ours in one ladder; the others follow in
	// one of their own.
	rungHosts = 2
)

// drawLadder draws our line and one for each other end, in groups that a terminal is
// wide enough for.
func drawLadder(w io.Writer, l client.Ladder, full bool) error {
	var hosts []string
	for _, m := range l.Messages {
		if !slices.Contains(hosts, m.Remote) {
			hosts = append(hosts, m.Remote)
		}
	}
	var out strings.Builder
	for group := range slices.Chunk(hosts, rungHosts) {
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		drawHosts(&out, l.Messages, group)
	}
	if l.Dropped > 0 {
		fmt.Fprintf(&out, "%d later messages were not kept.\n", l.Dropped)
	}
	if full {
		for i, m := range l.Messages {
			fmt.Fprintf(&out, "\n[%d] %s %s, %s, %s\n", i+1, m.At.UTC().Format("2006-01-02 15:04:05.000"), m.Direction, m.Transport, m.Remote)
			for line := range strings.SplitSeq(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\n") {
				out.WriteString(strings.TrimRight("    "+strings.Map(printable, line), " ") + "\n")
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// drawHosts draws the messages between us and a few hosts.
func drawHosts(out *strings.Builder, messages []client.SignalMessage, hosts []string) {
	first := messages[0].At
	lines := len(hosts) + 1
	head := strings.Repeat(" ", rungTime) + center(messages[0].Local+" (sidetone)", rungWidth)
	for _, host := range hosts {
		head += center(host, rungWidth)
	}
	out.WriteString(strings.TrimRight(head, " ") + "\n")
	for i, m := range messages {
		at := slices.Index(hosts, m.Remote) + 1
		if at == 0 {
			continue
		}
		rung := []byte(strings.Repeat(" ", rungTime+rungWidth*lines))
		for line := range lines {
			rung[rungTime+rungWidth/2+line*rungWidth] = '|'
		}
		copy(rung, fmt.Sprintf("%*.3f", rungTime-1, m.At.Sub(first).Seconds()))
		from, to := rungTime+rungWidth/2+1, rungTime+rungWidth/2+at*rungWidth
		copy(rung[from:to], arrow(messageText(m.Text), fmt.Sprintf(" [%d]", i+1), to-from, m.Direction == "sent"))
		out.WriteString(strings.TrimRight(string(rung), " ") + "\n")
	}
}

// arrow is a text and its number on an arrow of a width, to the right or to the left.
func arrow(text, number string, width int, right bool) string {
	text = strings.Map(ascii, text)
	if most := width - 6 - len(number); len(text) > most {
		text = text[:most-2] + ".."
	}
	text += number
	left := (width - len(text) - 2) / 2
	line := strings.Repeat("-", left) + " " + text + " " + strings.Repeat("-", width-len(text)-2-left)
	if right {
		return line[:width-1] + ">"
	}
	return "<" + line[1:]
}

// ascii keeps a column a byte.
func ascii(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// center puts a text into the middle of a column.
func center(text string, width int) string {
	text = strings.Map(ascii, text)
	text = text[:min(len(text), width-1)]
	left := (width - len(text)) / 2
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", width-left-len(text))
}

// messageText is a message in a few words: what it asks or answers, and what of a
// session description it has.
func messageText(text string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	start, headers, _ := strings.Cut(head, "\r\n")
	what, _, _ := strings.Cut(start, " ")
	if code, ok := strings.CutPrefix(start, "SIP/2.0 "); ok {
		what = code
		if _, cseq, ok := strings.Cut(headers, "CSeq: "); ok {
			cseq, _, _ = strings.Cut(cseq, "\r\n")
			if _, method, ok := strings.Cut(cseq, " "); ok && method != "INVITE" {
				what += " (" + method + ")"
			}
		}
	}
	if strings.Contains(body, "m=audio") {
		what += ", SDP"
	}
	return what
}
