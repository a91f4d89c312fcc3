package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone/client"
)

func jsonText(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}

type numbersCommand struct {
	List      listCommand   `cmd:"" help:"Show a page, or all of them."`
	Get       getCommand    `cmd:"" help:"Show one."`
	Available offersCommand `cmd:"" help:"Show numbers for sale."`
	Buy       buyCommand    `cmd:"" help:"Buy a number."`
	Link      linkCommand   `cmd:"" help:"Use a number that you have at a carrier."`
	Update    updateCommand `cmd:"" help:"Change the properties given; null clears one."`
	Cancel    oneCommand    `cmd:"" help:"Give a number back to the carrier."`
	Detach    oneCommand    `cmd:"" help:"Stop using a number; the carrier keeps it for you."`
}

type offersCommand struct {
	remote
	AreaCode   string `help:"Only this area code." placeholder:"CODE"`
	Contains   string `help:"Only numbers with these digits." placeholder:"DIGITS"`
	Country    string `help:"Only this country, in two letters." placeholder:"CODE"`
	Locality   string `help:"Only this place, as the carrier calls it." placeholder:"NAME"`
	Provider   string `help:"Whose numbers." placeholder:"NAME"`
	Connection string `help:"Id of the account connection to buy with." placeholder:"ID"`
	Limit      int    `help:"The most numbers, 1 to 100." default:"20"`
}

// Run shows offers.
func (o offersCommand) Run(a *app) error {
	query := url.Values{"limit": {strconv.Itoa(o.Limit)}}
	filters := map[string]string{"area_code": o.AreaCode, "contains": o.Contains, "country": o.Country, "locality": o.Locality}
	maps.DeleteFunc(filters, func(_, value string) bool { return value == "" })
	if len(filters) > 0 {
		text, err := jsonText(filters)
		if err != nil {
			return err
		}
		query.Set("filters", text)
	}
	if o.Provider != "" {
		query.Set("telephony_provider", o.Provider)
	}
	if o.Connection != "" {
		query.Set("telephony_account_connection", o.Connection)
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	items, _, err := listed(a.ctx, c, "/v1/numbers/available", query, false)
	if err != nil {
		return o.explain(err)
	}
	return o.table(a, []string{"number", "locality", "country", "telephony_provider"}, items)
}

// making is a command that posts properties and shows what came of them.
type making struct {
	remote
	body
	IdempotencyKey string `help:"Name of this request: sent again within a day, it has no second effect and gets the same answer." placeholder:"TEXT"`
}

// post sends the properties that were read, and over them those given by flags.
func (m making) post(a *app, path string, given map[string]string) error {
	fields, err := m.read()
	if err != nil {
		return err
	}
	for name, value := range given {
		if value != "" {
			fields[name] = value
		}
	}
	var options []client.Option
	if m.IdempotencyKey != "" {
		options = append(options, client.IdempotencyKey(m.IdempotencyKey))
	}
	o, err := m.ask(a, http.MethodPost, path, nil, fields, options...)
	if err != nil {
		return err
	}
	return m.show(a, o)
}

type buyCommand struct {
	making
	Number   string `arg:"" optional:"" help:"Number to buy; without it the first for sale."`
	AreaCode string `help:"Area code of the number to buy." placeholder:"CODE"`
	Agent    string `help:"Id of the agent that answers." placeholder:"ID"`
}

// Run buys.
func (b buyCommand) Run(a *app) error {
	return b.post(a, "/v1/numbers/buy", map[string]string{
		"phone_number": b.Number, "area_code": b.AreaCode, "inbound_agent": b.Agent,
	})
}

type linkCommand struct {
	making
	Number     string `arg:"" help:"Number to link."`
	Provider   string `help:"The carrier." placeholder:"NAME"`
	Connection string `help:"Id of the account connection." placeholder:"ID"`
	Agent      string `help:"Id of the agent that answers." placeholder:"ID"`
}

// Run links.
func (l linkCommand) Run(a *app) error {
	return l.post(a, "/v1/numbers/link", map[string]string{
		"phone_number": l.Number, "telephony_provider": l.Provider, "telephony_account_connection": l.Connection, "inbound_agent": l.Agent,
	})
}

type callsCommand struct {
	List      listCommand      `cmd:"" help:"Show a page, or all of them."`
	Get       getCommand       `cmd:"" help:"Show one, with its transcript."`
	Create    placeCommand     `cmd:"" help:"Place a call."`
	End       oneCommand       `cmd:"" help:"Hang up a call, or stop it from being placed."`
	Events    eventsCommand    `cmd:"" help:"Follow a call's events until it is over."`
	Recording recordingCommand `cmd:"" help:"Save a call's recording."`
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

type eventsCommand struct {
	remote
	ID    string `arg:"" help:"Id of the call."`
	After int64  `help:"Only events after this sequence number."`
}

// Run follows a call.
func (e eventsCommand) Run(a *app) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	for event, err := range c.Calls().Events(a.ctx, e.ID, e.After) {
		if err != nil {
			return e.explain(err)
		}
		if e.Output == "json" {
			if err := json.NewEncoder(a.out).Encode(event); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(a.out, "%8.2f s  %-12s %s\n", float64(event.OffsetMS)/1000, event.Type, strings.Map(printable, event.Text)); err != nil {
			return err
		}
	}
	return nil
}

type recordingCommand struct {
	remote
	ID     string `arg:"" help:"Id of the call."`
	File   string `short:"f" help:"Where to write; - is standard output. Default: the id, and what the format is called." placeholder:"FILE"`
	Format string `help:"wav, as it is stored, or mp3." enum:"wav,mp3" default:"wav"`
}

// Run saves a recording, whole or not at all.
func (r recordingCommand) Run(a *app) (err error) {
	c, err := r.client()
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
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	came, err := c.Calls().Recording(a.ctx, r.ID, kind, io.Writer(f))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && kind == client.MP3 && came != kind {
		err = fmt.Errorf("the server has no MP3 of it (it needs the program lame); --format wav gets the recording")
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error of the download says more
		return r.explain(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, path)
	return err
}

// fileRune keeps an id from naming another directory.
func fileRune(r rune) rune {
	if r == '/' || r == os.PathSeparator || r < ' ' {
		return '_'
	}
	return r
}
