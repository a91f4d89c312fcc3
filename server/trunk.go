package server

import (
	"context"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// trunks are the operator's own carriers: a number shop whose inventory is the
// numbers listed in the configuration, and the way out for calls from them.
type trunks struct {
	telephony.Driver
	list []Trunk
}

// Dial implements telephony.Driver: a call goes out through the trunk that owns
// the caller's number.
func (t trunks) Dial(ctx context.Context, req telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	if req.Trunk == "" {
		owner, ok := t.owner(req.From)
		if !ok {
			return nil, &telephony.DialError{Cause: telephony.CauseFailure,
				Err: sidetone.Errorf(sidetone.Invalid, "no trunk in sip.trunks lists %s", req.From)}
		}
		req.Trunk = owner
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

// owners returns the names of the trunks that list number.
func (t trunks) owners(number string) []string {
	var out []string
	for _, trunk := range t.list {
		for _, n := range trunk.Numbers {
			if e164, ok := sidetone.NormalisePhone(n); ok && e164 == number {
				out = append(out, trunk.Name)
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
	for _, trunk := range t.list {
		for _, n := range trunk.Numbers {
			e164, ok := sidetone.NormalisePhone(n)
			if !ok || len(out) == limit || !matches(e164, q) {
				continue
			}
			if !slices.ContainsFunc(out, func(a telephony.AvailableNumber) bool { return a.Number == e164 }) {
				out = append(out, telephony.AvailableNumber{Number: e164})
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
