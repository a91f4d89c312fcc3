package server

import (
	"context"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/telephony"
)

// trunks are carriers, as one environment sees them: a number shop whose inventory is
// the numbers that they list, and the way out for calls from them. Those of the operator
// serve every environment, those of an environment itself alone.
type trunks struct {
	telephony.Driver
	// list has the numbers in E.164.
	list []Trunk
	// environmentID is the environment; "" for none, which sees the operator's only.
	environmentID string
}

// in are the trunks as an environment sees them.
func (t trunks) in(environmentID string) trunks {
	t.environmentID = environmentID
	return t
}

// seen are the trunks that the environment may use, its own first: what it set up for
// itself wins over what there is for everybody.
func (t trunks) seen() []Trunk {
	var own, operators []Trunk
	for _, one := range t.list {
		switch one.EnvironmentID {
		case "":
			operators = append(operators, one)
		case t.environmentID:
			own = append(own, one)
		}
	}
	return append(own, operators...)
}

// listing is the trunk with a key and the number of it, E.164, that a caller on it
// means; false when the trunk does not list the number.
func (t trunks) listing(key, called string) (Trunk, string, bool) {
	e164, err := t.called(key, called)
	if err != nil {
		return Trunk{}, "", false
	}
	for _, one := range t.list {
		if one.key() == key && slices.Contains(one.Numbers, e164) {
			return one, e164, true
		}
	}
	return Trunk{}, "", false
}

// carriers finds who places a call: from a number of the simulated carrier the
// SIP stack itself, from one of the operator's a trunk.
type carriers struct {
	simulated telephony.Driver
	trunks    func() trunks
}

// For implements call.Carriers.
func (c carriers) For(_ context.Context, of sidetone.Call) (telephony.Driver, error) {
	switch of.Provider {
	case "simulated":
		return c.simulated, nil
	case "sip":
		return c.trunks().in(of.EnvironmentID), nil
	}
	return nil, sidetone.Errorf(sidetone.Invalid, "no carrier named %q is configured", of.Provider)
}

// newTrunks returns the trunks of a configuration; texts that are no numbers
// are left out.
func newTrunks(d telephony.Driver, list []Trunk) trunks {
	t := trunks{Driver: d, list: slices.Clone(list)}
	for i := range t.list {
		var numbers []string
		for _, text := range t.list[i].Numbers {
			if e164, err := phonenumber.Read(text, ""); err == nil {
				numbers = append(numbers, e164)
			}
		}
		t.list[i].Numbers = numbers
		t.list[i].Country, _ = phonenumber.Country(t.list[i].Country)
	}
	return t
}

// Dial implements telephony.Driver: a call goes out through the trunk that owns
// the caller's number.
func (t trunks) Dial(ctx context.Context, req telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	trunk, err := t.way(req.Trunk, t.line(req.From, req.Ours), req.From)
	if err != nil {
		return nil, &telephony.DialError{Cause: telephony.CauseFailure, Err: err}
	}
	req.Trunk = trunk
	if callable := req.Redirect; callable != nil {
		req.Redirect = func(ctx context.Context, number string) (string, error) {
			return callable(ctx, t.redirected(trunk, number))
		}
	}
	return t.Driver.Dial(ctx, req, ringing)
}

func (t trunks) owner(number string) (string, bool) {
	all := t.owners(number)
	if len(all) == 0 {
		return "", false
	}
	return all[0], true
}

// of names what carries a call: its trunk, or its provider and the connection.
func (t trunks) of(j sidetone.DialJob) string {
	if j.Provider == "sip" && j.ConnectionID == "" {
		j.ConnectionID = t.in(j.EnvironmentID).carrying(j)
	}
	return j.Provider + " " + j.ConnectionID
}

// owners returns the keys of the environment's trunks that list number.
func (t trunks) owners(number string) []string {
	var out []string
	for _, trunk := range t.seen() {
		for _, n := range trunk.Numbers {
			if n == number {
				out = append(out, trunk.key())
			}
		}
	}
	return out
}

// Search implements telephony.NumberShop.
func (t trunks) Search(_ context.Context, q telephony.NumberQuery) ([]telephony.AvailableNumber, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 20
	}
	var out []telephony.AvailableNumber
	for _, trunk := range t.seen() {
		for _, n := range trunk.Numbers {
			if len(out) == limit || !matches(n, q) {
				continue
			}
			if !slices.ContainsFunc(out, func(a telephony.AvailableNumber) bool { return a.Number == n }) {
				out = append(out, telephony.AvailableNumber{Number: n})
			}
		}
	}
	return out, nil
}

// matches applies what can be known of a configured number.
func matches(e164 string, q telephony.NumberQuery) bool {
	area := strings.HasPrefix(strings.TrimPrefix(e164, "+1"), q.AreaCode) || strings.Contains(e164, q.AreaCode)
	return area && strings.Contains(e164, q.Contains) && (q.Number == "" || q.Number == e164) && q.Country == "" && q.Locality == ""
}

// Buy implements telephony.NumberShop: the carrier was told by its contract.
func (t trunks) Buy(_ context.Context, number string) error {
	if _, ok := t.owner(number); !ok {
		return telephony.ErrTaken
	}
	return nil
}

// Release implements telephony.NumberShop; the carrier is told by its contract.
func (t trunks) Release(context.Context, string) error { return nil }
