package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sidetone/sidetone/client"
)

// noun is what the commands of a kind of resource have to know about it.
type noun struct {
	path string
	// columns are the table's.
	columns []string
	// by is the query parameter that names one; "" means id.
	by string
}

// nouns are the kinds of resources by the names of their commands.
func nouns() map[string]noun {
	return map[string]noun{
		"numbers":          {"/v1/numbers", []string{"number", "label", "inbound_agent", "telephony_provider", "carrier_state", "id"}, "phone_number"},
		"calls":            {"/v1/calls", []string{"id", "status", "from_number", "to_number", "start_time", "end_reason"}, ""},
		"agents":           {"/v1/agents", []string{"id", "key", "name", "language", "prompt"}, ""},
		"prompts":          {"/v1/prompts", []string{"id", "key", "label", "content"}, ""},
		"actions":          {"/v1/actions", []string{"id", "key", "type", "label"}, ""},
		"voices":           {"/v1/voices", []string{"id", "type", "label"}, ""},
		"webhooks":         {"/v1/webhooks", []string{"id", "url", "subscriptions", "active"}, ""},
		"deliveries":       {"/v1/webhook_deliveries", []string{"created_at", "type", "call_id", "sequence", "state", "attempts", "failure", "id"}, ""},
		"connections":      {"/v1/account_connections", []string{"id", "type", "label", "default", "state", "state_cause"}, ""},
		"vector-databases": {"/v1/vector_databases", []string{"id", "type", "index", "api_environment"}, ""},
		"trunks":           {"/v1/trunks", []string{"name", "host", "transport", "numbers", "preset", "id"}, "name"},
		"dnc":              {"/v1/dnc_numbers", []string{"id", "phoneNumber", "writtenAs", "reason"}, ""},
		"api-keys":         {"/v1/api_keys", []string{"id", "ends_in", "label", "scopes", "active"}, ""},
		"environments":     {"/v1/environments", []string{"id", "name"}, ""},
		"members":          {"/v1/members", []string{"id", "subject", "role"}, ""},
		"refusals":         {"/v1/refusals", []string{"created_at", "trunk", "from_number", "to_number", "cause", "reason", "tried", "count"}, ""},
		"audit-log":        {"/v1/audit_log", []string{"created_at", "action", "resource", "resource_id", "actor"}, ""},
	}
}

// nounOf is the noun whose command was chosen.
func nounOf(k *kong.Context) noun { return nouns()[k.Selected().Parent.Name] }

// list is the path of its list.
func (n noun) list() string {
	if n.path == "/v1/refusals" { // it is nothing but a list
		return n.path
	}
	return n.path + "/list"
}

// idLength is the length of an id; no phone number is as long.
const idLength = len("00000000-0000-7000-8000-000000000000")

// one is the query that names a resource; a number goes by its id, too.
func (n noun) one(id string) url.Values {
	if n.by != "" && len(id) != idLength {
		return url.Values{n.by: {id}}
	}
	return url.Values{"id": {id}}
}

// plainNoun has the five commands.
type plainNoun struct {
	List   listCommand   `cmd:"" help:"Show a page, or all of them."`
	Get    getCommand    `cmd:"" help:"Show one."`
	Create createCommand `cmd:"" help:"Make one."`
	Update updateCommand `cmd:"" help:"Change the properties given; null clears one."`
	Delete deleteCommand `cmd:"" help:"Delete one that nothing uses."`
}

// ownNoun is without deletion.
type ownNoun struct {
	List   listCommand   `cmd:"" help:"Show a page, or all of them."`
	Get    getCommand    `cmd:"" help:"Show one."`
	Create createCommand `cmd:"" help:"Make one."`
	Update updateCommand `cmd:"" help:"Change the properties given."`
}

// readNoun can only be read.
type readNoun struct {
	List listCommand `cmd:"" help:"Show a page, or all of them."`
	Get  getCommand  `cmd:"" help:"Show one."`
}

// listNoun can only be listed.
type listNoun struct {
	List listCommand `cmd:"" help:"Show a page, or all of them."`
}

type dncCommand struct {
	List   listCommand   `cmd:"" help:"Show a page, or all of them."`
	Create createCommand `cmd:"" help:"Add a number."`
	Bulk   dncBulk       `cmd:"" help:"Add numbers, given as words or a line each on standard input."`
	Delete deleteCommand `cmd:"" help:"Remove an entry."`

	Doubtful doubtfulCommand `cmd:"" help:"Entries that block two numbers until somebody decides which one was meant: list, keep, replace."`
}

type dncBulk struct {
	remote
	Numbers []string `arg:"" help:"Numbers; - reads them from standard input."`
	Reason  string   `help:"Why." placeholder:"TEXT"`
}

// Run adds numbers to the list.
func (d dncBulk) Run(a *app) error {
	numbers := d.Numbers
	if slices.Equal(numbers, []string{"-"}) {
		raw, err := readInput("-")
		if err != nil {
			return err
		}
		numbers = strings.Fields(string(raw))
	}
	c, err := d.client(a)
	if err != nil {
		return err
	}
	entries := make([]object, len(numbers))
	for i, number := range numbers {
		entries[i] = object{"phoneNumber": number}
		if d.Reason != "" {
			entries[i]["reason"] = d.Reason
		}
	}
	var added []object
	if err := c.Do(a.ctx, http.MethodPost, "/v1/dnc_numbers/bulk", nil, object{"phoneNumbers": entries}, &added); err != nil {
		return d.explain(err)
	}
	return d.table(a, nouns()["dnc"].columns, added)
}

type whoamiCommand struct{ remote }

// Run shows the key's owner.
func (w whoamiCommand) Run(a *app) error { return w.only(a, "/v1/whoami") }

type supportCommand struct {
	remote
	Agent string `help:"Only what of this agent does not act." placeholder:"ID"`
}

// Run lists what acts and what does not.
func (s supportCommand) Run(a *app) error {
	query := url.Values{}
	if s.Agent != "" {
		query.Set("agent", s.Agent)
	}
	answer, err := s.ask(a, http.MethodGet, "/v1/support", query, nil)
	if err != nil {
		return err
	}
	var entries []object
	list, _ := answer["entries"].([]any)
	for _, item := range list {
		if entry, ok := item.(object); ok {
			entries = append(entries, entry)
		}
	}
	return s.table(a, []string{"resource", "property", "value", "status", "reason"}, entries)
}

type usageCommand struct{ remote }

// Run shows the minutes.
func (u usageCommand) Run(a *app) error { return u.only(a, "/v1/usage") }

// only shows the one object that path has.
func (r remote) only(a *app, path string) error {
	o, err := r.ask(a, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	return r.show(a, o)
}

type listCommand struct {
	remote
	Size int  `help:"Items of a page, 1 to 100." default:"20"`
	Page int  `help:"Page, from 1." default:"1"`
	All  bool `help:"All pages."`
	selection
	Expand []string `help:"References to show whole with -o json: inbound_agent, agent, telephony_account_connection." placeholder:"NAME"`
}

// selection is which items of a list are wanted, and in which order.
type selection struct {
	Sort    string   `help:"Column to sort by; newest first without it." placeholder:"COLUMN"`
	Desc    bool     `help:"Sort downwards."`
	Filter  []string `help:"Only items with this: name=value. May be repeated." placeholder:"NAME=VALUE" sep:"none"`
	Filters string   `help:"Filters as the API takes them: a JSON object." placeholder:"JSON"`
}

// Run lists.
func (l listCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	query, err := l.query()
	if err != nil {
		return err
	}
	c, err := l.client(a)
	if err != nil {
		return err
	}
	items, more, err := listed(a.ctx, c, n.list(), query, l.All)
	if err != nil {
		return l.explain(err)
	}
	if err := l.table(a, n.columns, items); err != nil || more == "" || l.Output == "json" {
		return err
	}
	_, err = fmt.Fprintf(a.err, "(%d of %s; --page %d shows the next ones, --all shows all)\n", len(items), more, l.Page+1)
	return err
}

// listed reads a page of a list, or with all that one and those behind it. more
// is how many items the list has when it goes on behind what was read.
func listed(ctx context.Context, c *client.Client, path string, query url.Values, all bool) (items []object, more string, err error) {
	for {
		var page client.Page[object]
		if err := c.Do(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, "", err
		}
		items = append(items, page.Items...)
		switch {
		case all && page.NextCursor != "":
		case !page.HasMore:
			return items, "", nil
		case page.TotalIsEstimated:
			return items, fmt.Sprintf("about %d", page.Total), nil
		default:
			return items, strconv.FormatInt(page.Total, 10), nil
		}
		query.Del("page")
		query.Set("cursor", page.NextCursor)
	}
}

func (l listCommand) query() (url.Values, error) {
	q, err := l.selected()
	if err != nil {
		return nil, err
	}
	q.Set("size", strconv.Itoa(l.Size))
	q.Set("page", strconv.Itoa(l.Page))
	if l.All {
		q.Set("size", "100")
	}
	if len(l.Expand) > 0 {
		q.Set("expand", strings.Join(l.Expand, ","))
	}
	return q, nil
}

// selected is the query of a selection.
func (s selection) selected() (url.Values, error) {
	q := url.Values{}
	if s.Sort != "" {
		q.Set("sort_column", s.Sort)
	}
	if s.Desc {
		q.Set("sort_desc", "true")
	}
	switch {
	case len(s.Filter) > 0 && s.Filters != "":
		return nil, fmt.Errorf("--filter and --filters exclude each other")
	case s.Filters != "":
		q.Set("filters", s.Filters)
	case len(s.Filter) > 0:
		for _, pair := range s.Filter {
			if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
				return nil, fmt.Errorf("--filter %q must be name=value", pair)
			}
		}
		wanted, err := body{Set: s.Filter}.read(nil, "")
		if err != nil {
			return nil, err
		}
		raw, err := jsonText(wanted)
		if err != nil {
			return nil, err
		}
		q.Set("filters", raw)
	}
	return q, nil
}

type getCommand struct {
	remote
	ID string `arg:"" help:"Id of the resource; of numbers, the number; of trunks, the name."`
}

// Run shows one.
func (g getCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	o, err := g.ask(a, http.MethodGet, n.path, n.one(g.ID), nil)
	if err != nil {
		return err
	}
	return g.show(a, o)
}

type createCommand struct{ making }

// Run creates.
func (c createCommand) Run(a *app, k *kong.Context) error {
	return c.post(a, nounOf(k).path+"/create", nil)
}

// oneCommand does to one resource what its name says: end, cancel, revoke.
type oneCommand struct {
	remote
	ID string `arg:"" help:"Id of the resource; of numbers, the number; of trunks, the name."`
}

// Run does it.
func (o oneCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	changed, err := o.ask(a, http.MethodPost, n.path+"/"+k.Selected().Name, n.one(o.ID), nil)
	if err != nil {
		return err
	}
	return o.show(a, changed)
}

type updateCommand struct {
	remote
	body
	ID string `arg:"" help:"Id of the resource; of numbers, the number; of trunks, the name."`
}

// Run changes.
func (u updateCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	fields, err := u.read(a, n.path+"/update")
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return fmt.Errorf("nothing to change: give --set or --file")
	}
	if err := u.known(a, n.path+"/update"); err != nil {
		return err
	}
	if n.path == "/v1/numbers" && fields["example_context"] == nil {
		current, err := u.ask(a, http.MethodGet, n.path, n.one(u.ID), nil)
		if err != nil {
			return err
		}
		fields["example_context"] = current["example_context"] // the operation requires it
	}
	o, err := u.ask(a, http.MethodPost, n.path+"/update", n.one(u.ID), fields)
	if err != nil {
		return err
	}
	if o, err = withoutSent(a, n.path+"/update", fields, o); err != nil {
		return err
	}
	return u.show(a, o)
}

type deleteCommand struct {
	remote
	ID string `arg:"" help:"Id of the resource; of trunks, the name."`
}

// Run deletes.
func (d deleteCommand) Run(a *app, k *kong.Context) error {
	n := nounOf(k)
	if _, err := d.ask(a, http.MethodDelete, n.path+"/delete", n.one(d.ID), nil); err != nil {
		return err
	}
	if d.Output == "json" {
		return printJSON(a.out, object{"id": d.ID, "deleted": true})
	}
	_, err := fmt.Fprintf(plainWriter{a.out}, "deleted %s\n", d.ID)
	return err
}

// memberOrder puts what people look for first.
func memberOrder(o object) []string {
	names := slices.Sorted(maps.Keys(o))
	rank := func(name string) int {
		return slices.Index([]string{"label", "status", "name", "number", "key", "id"}, name)
	}
	slices.SortStableFunc(names, func(x, y string) int { return rank(y) - rank(x) })
	return names
}
