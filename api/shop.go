package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// searched is how many offers a search asks the carrier for.
const searched = 100

// shop chooses a carrier by name or by the account connection to buy with. The
// default one serves for "" and for carriers that clients know and that sell nothing
// here; otherShop warns about the latter.
func (s *server) shop(r *request, provider, connection string) (string, telephony.NumberShop, error) {
	if connection != "" {
		err := s.read(r, func(w work) error {
			_, err := w.carrierAccount(connection)
			return err
		})
		if err == nil {
			err = invalid("telephony_account_connection names a carrier that sells no numbers here; link the numbers you have there")
		}
		return "", nil, err
	}
	if shop := s.Shops[provider]; shop != nil {
		return provider, r.shopOf(shop), nil
	}
	if ok, names := s.table.Possible("number", "telephony_provider", provider); !ok {
		return "", nil, invalid("telephony_provider must be one of %s: no other is known", strings.Join(names, ", "))
	}
	if shop := s.Shops[s.DefaultProvider]; shop != nil {
		return s.DefaultProvider, r.shopOf(shop), nil
	}
	return "", nil, unavailable("no numbers are sold here", nil)
}

// shopOf is a shop as the request's environment sees it: some sell to each environment
// what it brought itself.
func (r *request) shopOf(shop telephony.NumberShop) telephony.NumberShop {
	if own, ok := shop.(interface {
		In(environmentID string) telephony.NumberShop
	}); ok {
		return own.In(r.who.EnvironmentID)
	}
	return shop
}

func (s *server) listAvailable(r *request) (any, error) {
	provider, shop, err := s.shop(r, r.query.Get("telephony_provider"), r.query.Get("telephony_account_connection"))
	if err != nil {
		return nil, err
	}
	search, err := parseNumberQuery(r.query.Get("filters"))
	if err != nil {
		return nil, err
	}
	limit := intOr(r.query.Get("limit"), 20)
	offers, err := s.search(r, shop, search)
	if err != nil {
		return nil, err
	}
	offers = offers[:min(limit, len(offers))]
	page := sidetone.Page[telephony.AvailableNumber]{Items: offers, Page: 1, Size: limit, Total: int64(len(offers))}
	return renderPage(page, func(n telephony.AvailableNumber) object { return renderAvailable(r.view, provider, n) }), nil
}

// search asks the carrier and leaves out what somebody here already has.
func (s *server) search(r *request, shop telephony.NumberShop, q telephony.NumberQuery) ([]telephony.AvailableNumber, error) {
	q.Limit = searched
	offers, err := shop.Search(r.ctx, q)
	if err != nil {
		return nil, unavailable("the carrier does not answer", err)
	}
	return slices.DeleteFunc(slices.Clone(offers), func(n telephony.AvailableNumber) bool {
		_, err := s.Store.Route(r.ctx, n.Number)
		return err == nil
	}), nil
}

func unavailable(message string, cause error) error {
	return &sidetone.Error{Code: sidetone.Unavailable, Message: message, Cause: cause}
}

// parseNumberQuery reads the filters of numbers/available.
func parseNumberQuery(text string) (telephony.NumberQuery, error) {
	var q telephony.NumberQuery
	filters, err := parseFilters(text)
	if err != nil {
		return q, err
	}
	for _, f := range filters {
		if err := narrow(&q, f); err != nil {
			return q, err
		}
	}
	return q, nil
}

func narrow(q *telephony.NumberQuery, f sidetone.Filter) error {
	dest := map[string]*string{
		"area_code": &q.AreaCode, "contains": &q.Contains, "country": &q.Country, "locality": &q.Locality,
	}[f.Column]
	if dest == nil {
		return invalid("filters.%s must be area_code, contains, country or locality", wire.Clip(f.Column))
	}
	switch v := f.Values[0].(type) {
	case string:
		*dest = v
	case float64:
		*dest = fmt.Sprint(v)
	}
	if f.Op != "eq" || *dest == "" {
		return invalid("filters.%s must be a text", f.Column)
	}
	return nil
}

// purchase is a decoded numbers/buy.
type purchase struct {
	phone, areaCode, provider, connection string
	where                                 placement
}

func decodePurchase(r *request) (purchase, error) {
	d := newDecoder(r.view.profile, r.body)
	p := purchase{
		phone: d.Text("phone_number").Value, areaCode: d.Text("area_code").Value,
		provider: d.Text("telephony_provider").Value, connection: d.Text("telephony_account_connection").Value,
	}
	var err error
	p.where, err = decodePlacement(d)
	return p, firstOf(d.Err(), err)
}

func (s *server) buyNumber(r *request) (any, error) {
	p, err := decodePurchase(r)
	if err != nil {
		return nil, err
	}
	provider, shop, err := s.shop(r, p.provider, p.connection)
	if err != nil {
		return nil, err
	}
	candidates, err := s.candidates(r, shop, p)
	if err != nil {
		return nil, err
	}
	for _, candidate := range candidates {
		bought, err := s.buy(r, shop, provider, candidate, p.where)
		if !errors.Is(err, telephony.ErrTaken) {
			return bought, err
		}
	}
	if p.phone != "" {
		return nil, sidetone.Errorf(sidetone.NotFound, "phone_number names no number for sale")
	}
	return nil, sidetone.Errorf(sidetone.NotFound, "area_code has no number for sale")
}

// candidates are the numbers to try, best first.
func (s *server) candidates(r *request, shop telephony.NumberShop, p purchase) ([]string, error) {
	if p.phone != "" {
		country, err := s.defaultCountry(r)
		if err != nil {
			return nil, err
		}
		e164, err := readPhone(r.view.profile, country, "phone_number", p.phone)
		return []string{e164}, err
	}
	offers, err := s.search(r, shop, telephony.NumberQuery{AreaCode: p.areaCode})
	var numbers []string
	for _, offer := range offers {
		numbers = append(numbers, offer.Number)
	}
	return numbers, err
}

// buy reserves the number with a row of ours, which nobody else can have, then
// takes it from the carrier, and then places the agent: what the request says
// about that is checked before anything is spent and written only once the
// number is ours. When something fails, number and row are given up; when this
// process does not live to do so, whoever finds the row still reserved does. A
// number that somebody else has is telephony.ErrTaken.
func (s *server) buy(r *request, shop telephony.NumberShop, provider, e164 string, where placement) (any, error) {
	number, err := s.reserve(r, provider, e164, where)
	if err != nil {
		return nil, err
	}
	if err := shop.Buy(r.ctx, e164); err != nil {
		s.giveUp(r, number)
		if errors.Is(err, telephony.ErrTaken) {
			return nil, err
		}
		return nil, unavailable("the carrier does not sell the number now", err)
	}
	late, stop := r.late()
	defer stop()
	out, err := s.putIntoService(late, number, where)
	r.agent = late.agent
	if errors.Is(err, store.ErrOutcomeUnknown) {
		return nil, err // if the row is still reserved, the purchase is settled as one that was cut off
	}
	if err != nil {
		if err := shop.Release(late.ctx, e164); err != nil {
			s.Log.Error("give back a number that could not be put into service", slog.String("number", e164), slog.Any("error", err))
		}
		s.giveUp(r, number)
	}
	return out, err
}

// reserve stores the number without agent.
func (s *server) reserve(r *request, provider, e164 string, where placement) (number sidetone.Number, err error) {
	err = s.write(r, func(w work) error {
		number = sidetone.NewNumber(w.ids.New(), w.tx.EnvironmentID(), e164, provider, w.tx.Now())
		number.Reserved = w.tx.Now()
		if _, err := w.plan(where, ""); err != nil {
			return err
		}
		err := w.tx.InsertNumber(number)
		if sidetone.CodeOf(err) == sidetone.Conflict {
			return fmt.Errorf("reserve a number: %w", telephony.ErrTaken)
		}
		return firstOf(err, r.reserveResponse(w))
	})
	return number, err
}

// putIntoService places the agent of a number that was bought, unless its
// purchase was taken for one that was cut off.
func (s *server) putIntoService(r *request, reserved sidetone.Number, where placement) (any, error) {
	return s.effect(r, func(w work) (any, error) {
		number, err := w.tx.Number(reserved.ID)
		if err != nil {
			return nil, err
		}
		if number.Reserved.UnixMilli() != reserved.Reserved.UnixMilli() {
			return nil, unavailable("the purchase took too long", nil)
		}
		number.Reserved = time.Time{}
		if number.InboundAgentID, _, err = w.place(where, ""); err != nil {
			return nil, err
		}
		number.Updated = w.tx.Now()
		if err := firstOf(w.tx.UpdateNumber(number), r.releaseResponse(w)); err != nil {
			return nil, err
		}
		agent, err := w.inbound(&r.view, number)
		r.agent = agent
		return renderNumber(r.view, number, agent), err
	})
}

// late is the request for what has to be completed although the client is gone
// or the request's time is up.
func (r *request) late() (*request, context.CancelFunc) {
	later := *r
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.ctx), writeWithin)
	later.ctx = ctx
	return &later, stop
}

// giveUp takes the row of a number that was not bought out of use.
func (s *server) giveUp(r *request, number sidetone.Number) {
	late, stop := r.late()
	defer stop()
	err := s.write(late, func(w work) error {
		_, err := w.deactivate(number.ID)
		return firstOf(err, r.releaseResponse(w))
	})
	if err != nil {
		s.Log.Error("give up a number that was not bought", slog.String("number", number.Number), slog.Any("error", err))
	}
}

func (w work) deactivate(id string) (sidetone.Number, error) {
	n, err := w.tx.Number(id)
	if err != nil {
		return n, err
	}
	n.Active, n.Reserved, n.Updated = false, time.Time{}, w.tx.Now()
	return n, w.tx.UpdateNumber(n)
}

// cancelNumber gives the number back first: releasing is idempotent, so a
// failure afterwards is mended by asking again.
func (s *server) cancelNumber(r *request) (any, error) {
	var number sidetone.Number
	err := s.read(r, func(w work) (err error) {
		number, err = w.number(r.query)
		return err
	})
	if err != nil {
		return nil, err
	}
	if shop := s.Shops[number.Provider]; shop != nil {
		if err := shop.Release(r.ctx, number.Number); err != nil {
			return nil, unavailable("the carrier does not take the number back now", err)
		}
	}
	var out object
	err = s.write(r, func(w work) error {
		gone, err := w.deactivate(number.ID)
		if err != nil {
			return named(err, "phone_number", "number")
		}
		agent, err := w.inbound(&r.view, gone)
		out = renderNumber(r.view, gone, agent)
		return err
	})
	return out, err
}
