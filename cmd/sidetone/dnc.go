package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// doubtfulCommand is about entries of the do-not-call list whose digits are also
// a number of the environment's country.
type doubtfulCommand struct {
	List    doubtfulList    `cmd:"" help:"Show them with the other numbers that they block."`
	Keep    doubtfulKeep    `cmd:"" help:"The number of the entry was meant: block that one only."`
	Replace doubtfulReplace `cmd:"" help:"The other number was meant: block that one instead."`
}

type doubtfulList struct{ remote }

// Run shows the entries that block more than their number.
func (l doubtfulList) Run(a *app) error {
	items, err := l.doubtful(a, `{"certain":false}`)
	if err != nil {
		return err
	}
	return l.table(a, []string{"id", "phoneNumber", "alsoBlocks", "writtenAs", "reason"}, items)
}

// doubtful reads the entries with other numbers that the filters leave.
func (r remote) doubtful(a *app, filters string) ([]object, error) {
	c, err := r.client(a)
	if err != nil {
		return nil, err
	}
	items, _, err := listed(a.ctx, c, "/v1/dnc_numbers/list", url.Values{"size": {"100"}, "filters": {filters}}, true)
	if err != nil {
		return nil, r.explain(err)
	}
	var out []object
	for _, item := range items {
		if item["alsoBlocks"] != nil {
			out = append(out, item)
		}
	}
	return out, nil
}

// doubtfulOne reads the numbers that the entry with id blocks.
func (r remote) doubtfulOne(a *app, id string) (own string, others []string, err error) {
	filters, err := jsonText(object{"id": id})
	if err != nil {
		return "", nil, err
	}
	items, err := r.doubtful(a, filters)
	if err != nil {
		return "", nil, err
	}
	if len(items) == 0 {
		return "", nil, fmt.Errorf("%s is no doubtful entry (`sidetone dnc doubtful list` shows them)", id)
	}
	own, _ = items[0]["phoneNumber"].(string)
	list, _ := items[0]["alsoBlocks"].([]any)
	for _, v := range list {
		number, _ := v.(string)
		others = append(others, number)
	}
	return own, others, nil
}

// decide says that number was meant by the entry.
func (r remote) decide(a *app, id, number string) (object, error) {
	return r.ask(a, http.MethodPost, "/v1/dnc_numbers/decide", url.Values{"id": {id}}, object{"phoneNumber": number})
}

type doubtfulKeep struct {
	remote
	IDs []string `arg:"" help:"Ids of the entries."`
}

// Run keeps entries as they are.
func (k doubtfulKeep) Run(a *app) error {
	var decided []object
	for _, id := range k.IDs {
		own, _, err := k.doubtfulOne(a, id)
		if err != nil {
			return err
		}
		entry, err := k.decide(a, id, own)
		if err != nil {
			return err
		}
		decided = append(decided, entry)
	}
	return k.table(a, nouns()["dnc"].columns, decided)
}

type doubtfulReplace struct {
	remote
	IDs    []string `arg:"" help:"Ids of the entries."`
	Number string   `help:"The number that was meant, when an entry blocks several others." placeholder:"NUMBER"`
}

// Run replaces entries by such for their other number.
func (d doubtfulReplace) Run(a *app) error {
	var decided []object
	for _, id := range d.IDs {
		number, err := d.meant(a, id)
		if err != nil {
			return err
		}
		entry, err := d.decide(a, id, number)
		if err != nil {
			return err
		}
		decided = append(decided, entry)
	}
	return d.table(a, nouns()["dnc"].columns, decided)
}

// meant is the number given, or the only other one that the entry blocks.
func (d doubtfulReplace) meant(a *app, id string) (string, error) {
	if d.Number != "" {
		return d.Number, nil
	}
	_, others, err := d.doubtfulOne(a, id)
	if err != nil {
		return "", err
	}
	if len(others) > 1 {
		return "", fmt.Errorf("%s also blocks %s: choose one with --number", id, strings.Join(others, " and "))
	}
	return others[0], nil
}
