package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"

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
	c, err := o.client(a)
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
	fields, err := m.read(a, path)
	if err != nil {
		return err
	}
	if err := m.known(a, path); err != nil {
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
	if o, err = withoutSent(a, path, fields, o); err != nil {
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
