package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sidetone/sidetone/client"
)

type callsCommand struct {
	List      listCommand      `cmd:"" help:"Show a page, or all of them."`
	Get       getCommand       `cmd:"" help:"Show one, with its transcript."`
	Create    placeCommand     `cmd:"" help:"Place a call."`
	End       endCommand       `cmd:"" help:"Hang up a call, or stop it from being placed."`
	Events    eventsCommand    `cmd:"" help:"Follow a call's events, with the time between them, until it is over."`
	Turns     turnsCommand     `cmd:"" help:"Show what each turn of a call took, and what its silence was made of."`
	Recording recordingCommand `cmd:"" help:"Save a call's recording."`
	Pause     pauseCommand     `cmd:"" name:"pause-recording" help:"Make the recording of a live call silent, or go on with it (--resume)."`
	Ladder    ladderCommand    `cmd:"" help:"Show a call's SIP messages as a ladder."`
	PCAP      pcapCommand      `cmd:"" name:"pcap" help:"Save a call's SIP messages, and its RTP packets where they are kept, for Wireshark, tcpdump or sngrep."`

	Journal journalCommand `cmd:"" help:"Save a call's journal, for sidetone replay."`
	Export  exportCalls    `cmd:"" help:"Export calls and what was found out about them, as CSV or JSON Lines."`

	Transcript transcriptCommand `cmd:"" help:"Show who said what and when, and follow a call until it is over."`
}

type placeCommand struct {
	making
	From  string `help:"Our number." placeholder:"NUMBER"`
	To    string `help:"Number to call." placeholder:"NUMBER"`
	Agent string `help:"Id of the agent." placeholder:"ID"`
}

// Run places a call.
func (p placeCommand) Run(a *app) error {
	return p.post(a, "/v1/calls/create", map[string]string{"from_number": p.From, "to_number": p.To, "agent": p.Agent})
}

type endCommand struct {
	remote
	body
	ID string `arg:"" help:"Id of the call."`
}

// Run ends a call.
func (e endCommand) Run(a *app, k *kong.Context) error {
	const path = "/v1/calls/end"
	fields, err := e.read(a, path)
	if err != nil {
		return err
	}
	if err := e.known(a, path); err != nil {
		return err
	}
	var how any // nothing, as a request of older versions
	if len(fields) > 0 {
		how = fields
	}
	ended, err := e.ask(a, http.MethodPost, path, nounOf(k).one(e.ID), how)
	if err != nil {
		return err
	}
	return e.show(a, ended)
}

type pauseCommand struct {
	remote
	ID     string `arg:"" help:"Id of the call."`
	Resume bool   `help:"Go on with the recording."`
}

// Run pauses a recording.
func (p pauseCommand) Run(a *app) error {
	call, err := p.ask(a, http.MethodPost, "/v1/calls/recording", url.Values{"id": {p.ID}}, map[string]bool{"paused": !p.Resume})
	if err != nil {
		return err
	}
	return p.show(a, call)
}

type eventsCommand struct {
	remote
	ID    string `arg:"" help:"Id of the call."`
	After int64  `help:"Only events after this sequence number."`
}

// Run follows a call.
func (e eventsCommand) Run(a *app) error {
	before := int64(-1)
	return e.follow(a, e.ID, e.After, func(event client.Event) error {
		since := ""
		if before >= 0 {
			since = fmt.Sprintf("+%.2f", float64(event.OffsetMS-before)/1000)
		}
		before = event.OffsetMS
		text := strings.Map(printable, eventText(event))
		_, err := fmt.Fprintf(plainWriter{a.out}, "%8.2f s  %7s  %-12s %s\n", float64(event.OffsetMS)/1000, since, event.Type, text)
		return err
	})
}

// follow hands each event of a call to show, or prints it as JSON.
func (r remote) follow(a *app, id string, after int64, show func(client.Event) error) error {
	c, err := r.client(a)
	if err != nil {
		return err
	}
	if r.Output == "json" {
		show = func(event client.Event) error { return json.NewEncoder(a.out).Encode(event) }
	}
	for event, err := range c.Calls().Events(a.ctx, id, after) {
		if err != nil {
			return r.explain(err)
		}
		if err := show(event); err != nil {
			return err
		}
	}
	return nil
}

// eventText is what an event says in one line.
func eventText(e client.Event) string {
	switch e.Type {
	case "connected":
		codec, _ := e.Data["codec"].(string)
		return codec
	case "agent":
		return spokenText(e)
	case "turn":
		return turnText(e)
	case "measured":
		return measuredText(e)
	}
	return e.Text
}

// lineText is how the line of a call was, in one line.
func lineText(q object) string {
	var parts []string
	for _, end := range []struct{ name, text string }{{"near", "received"}, {"far", "sent"}} {
		if r, ok := q[end.name].(object); ok {
			parts = append(parts, fmt.Sprintf("%s: loss %v %%, jitter %v ms, MOS %v", end.text, r["loss_percent"], r["jitter_ms"], r["mos"]))
		}
	}
	if trip, ok := q["round_trip_ms"]; ok {
		parts = append(parts, fmt.Sprintf("round trip %v ms", trip))
	}
	return strings.Join(parts, "; ")
}

// insightsText is what was found out about a call, a line for each result.
func insightsText(q object) string {
	lines := []string{strings.TrimSuffix(fmt.Sprintf("%v: %v", q["status"], cell(q["error"], 200)), ": -")}
	results, _ := q["results"].([]any)
	for _, item := range results {
		r, _ := item.(object)
		text := cell(r["value"], 200)
		if r["error"] != nil {
			text = "error: " + cell(r["error"], 200)
		}
		lines = append(lines, fmt.Sprintf("%s: %s", cell(r["name"], 64), text))
	}
	return strings.Join(lines, "\n\t")
}

// turnText is where the time of a turn went, counted from the caller's last sound.
func turnText(e client.Event) string {
	var parts []string
	for _, figure := range []struct{ name, text string }{
		{"gap_ms", "gap %.0f ms"}, {"wait_ms", "wait %.0f"}, {"final_ms", "words at %.0f"}, {"commit_ms", "turn over at %.0f"},
		{"model_first_ms", "model at %.0f"}, {"say_ms", "voice asked at %.0f"},
	} {
		if ms, ok := e.Data[figure.name].(float64); ok {
			parts = append(parts, fmt.Sprintf(figure.text, ms))
		}
	}
	return strings.Join(parts, ", ")
}

// measuredText is what the silence of a turn was made of.
func measuredText(e client.Event) string {
	data, err := json.Marshal(e.Data)
	var turn client.Turn
	if err != nil || json.Unmarshal(data, &turn) != nil {
		return e.Text
	}
	parts := []string{fmt.Sprintf("silence %.0f ms", turn.SilenceMS)}
	for _, s := range silenceStages(turn.Stages) {
		if s.ms >= leastShown {
			parts = append(parts, fmt.Sprintf("%s %.0f", s.name, s.ms))
		}
	}
	return strings.Join(parts, ", ")
}

// spokenText is what the caller heard of an agent's utterance, and what the caller
// did not.
func spokenText(e client.Event) string {
	if e.Data["interrupted"] != true {
		return e.Text
	}
	said, _ := e.Data["said"].(string)
	rest := strings.TrimSpace(strings.TrimPrefix(said, e.Text))
	if rest == "" {
		return e.Text + " [interrupted]"
	}
	return fmt.Sprintf("%s [interrupted; not heard: %s]", e.Text, rest)
}

type transcriptCommand struct {
	remote
	ID string `arg:"" help:"Id of the call."`
}

// Run prints the turns of a call.
func (t transcriptCommand) Run(a *app) error {
	turns := 0
	err := t.follow(a, t.ID, 0, func(event client.Event) error {
		who, text := turnOf(event)
		if text == "" {
			return nil
		}
		turns++
		seconds := event.OffsetMS / 1000
		_, err := fmt.Fprintf(a.out, "%3d:%02d.%d  %-7s %s\n", seconds/60, seconds%60, event.OffsetMS%1000/100, who, strings.Map(printable, text))
		return err
	})
	if err == nil && turns == 0 && t.Output != "json" {
		fmt.Fprintln(a.err, "nothing was said in this call, or it keeps no transcript (hipaa_compliant)")
	}
	return err
}

// turnOf is who speaks in an event and what is said; "" for other events. What a
// caller put in while the agent went on speaking stands in brackets.
func turnOf(e client.Event) (who, text string) {
	switch e.Type {
	case "agent":
		return "agent", spokenText(e)
	case "caller":
		return "caller", e.Text
	case "ignored":
		return "caller", "[" + e.Text + "]"
	case "digits":
		return "caller", "keys " + e.Text
	}
	return "", ""
}

type recordingCommand struct {
	remote
	ID     string `arg:"" help:"Id of the call."`
	File   string `short:"f" help:"Where to write; - is standard output. Default: the id, and what the format is called." placeholder:"FILE"`
	Format string `help:"wav, as it is stored, or mp3." enum:"wav,mp3" default:"wav"`
}

// Run saves a recording, whole or not at all.
func (r recordingCommand) Run(a *app) error {
	c, err := r.client(a)
	if err != nil {
		return err
	}
	kind := client.WAV
	if r.Format == "mp3" {
		kind = client.MP3
	}
	if r.File == "-" {
		_, err := c.Calls().Recording(a.ctx, r.ID, kind, a.out)
		return r.explain(err)
	}
	path := cmp.Or(r.File, strings.Map(fileRune, r.ID)+"."+r.Format)
	err = whole(path, func(f io.Writer) error {
		came, err := c.Calls().Recording(a.ctx, r.ID, kind, f)
		if err == nil && kind == client.MP3 && came != kind {
			err = fmt.Errorf("the server has no MP3 of it (it needs the program lame); --format wav gets the recording")
		}
		return r.explain(err)
	})
	if err == nil {
		_, err = fmt.Fprintln(a.out, path)
	}
	return err
}

// whole makes a file of what write writes, or none when it fails.
func whole(path string, write func(io.Writer) error) error {
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what went wrong before says more
		return err
	}
	return os.Rename(f.Name(), path)
}

// fileRune keeps an id from naming another directory.
func fileRune(r rune) rune {
	if r == '/' || r == os.PathSeparator || r < ' ' {
		return '_'
	}
	return r
}
