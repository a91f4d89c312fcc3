package api

import (
	"slices"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// link is a decoded numbers/link.
type link struct {
	profile            dialect.Profile
	number, connection string
	outboundOnly       bool
	where              placement
}

func decodeLink(r *request) (link, error) {
	d := newDecoder(r.view.profile, r.body)
	l := link{profile: d.profile, number: d.Text("phone_number").Value, connection: d.Text("telephony_account_connection").Value, outboundOnly: d.Bool("outbound_only").Value}
	var err error
	l.where, err = decodePlacement(d)
	return l, firstOf(d.Err(), err)
}

// linkNumber takes a number into service that the customer has at a carrier.
func (s *server) linkNumber(r *request) (any, error) {
	l, err := decodeLink(r)
	if err != nil {
		return nil, err
	}
	out, err := s.effect(r, func(w work) (any, error) {
		number, err := w.link(l)
		if err != nil {
			return nil, err
		}
		agent, err := w.inbound(&r.view, number)
		r.agent = agent
		return renderNumber(r.view, number, agent), err
	})
	if sidetone.CodeOf(err) == sidetone.Conflict {
		return nil, phoneInUse()
	}
	return out, err
}

func phoneInUse() error { return sidetone.Errorf(sidetone.Conflict, "phone_number is in use") }

func (w work) link(l link) (sidetone.Number, error) {
	var err error
	if l.number, err = w.phone(l.profile, "phone_number", l.number); err != nil {
		return sidetone.Number{}, err
	}
	number := sidetone.NewNumber(w.ids.New(), w.tx.EnvironmentID(), l.number, "", w.tx.Now())
	number.OutboundOnly = l.outboundOnly
	if _, err = w.tx.NumberByPhone(l.number); err == nil {
		return number, phoneInUse()
	}
	if sidetone.CodeOf(err) != sidetone.NotFound {
		return number, err
	}
	if err := w.carrier(&number, l); err != nil {
		return number, err
	}
	if number.InboundAgentID, _, err = w.place(l.where, ""); err != nil {
		return number, err
	}
	number.Carrier = sidetone.AccountState{State: sidetone.AccountUnverified, Since: w.tx.Now(), Cause: neverAsked}
	return number, w.tx.InsertNumber(number)
}

// neverAsked is why a linked number is not verified.
const neverAsked = "The server has no driver that asks the carrier."

// carrier says whose number it is: that of the account connection, else of the
// carrier that had it when it was detached here.
func (w work) carrier(number *sidetone.Number, l link) error {
	before, err := w.tx.DetachedNumber(l.number)
	detached := err == nil
	if err != nil && sidetone.CodeOf(err) != sidetone.NotFound {
		return err
	}
	if detached {
		number.Provider, number.ConnectionID = before.Provider, before.ConnectionID
		before.Detached, before.Updated = false, w.tx.Now()
		if err := w.tx.UpdateNumber(before); err != nil {
			return err
		}
	}
	if l.connection == "" {
		if !detached {
			return invalid("telephony_account_connection is required: no carrier is known to keep the number for you")
		}
		return nil
	}
	account, err := w.carrierAccount(l.connection)
	number.Provider, number.ConnectionID = account.Provider(), account.ID
	return err
}

// carrierAccount is the account connection with id if it is one of a carrier.
func (w work) carrierAccount(id string) (sidetone.Connection, error) {
	const path = "telephony_account_connection"
	account, err := w.tx.Connection(id)
	if err != nil {
		return account, named(err, path, "account connection")
	}
	if !slices.Contains([]string{"twilio", "vonage", "telnyx"}, account.Provider()) {
		return account, invalid("%s must name an account with twilio or telnyx", path)
	}
	return account, nil
}

// detachNumber takes a number out of service; it stays at the carrier for
// the customer.
func (s *server) detachNumber(r *request) (any, error) {
	var out object
	err := s.write(r, func(w work) error {
		n, err := w.number(r.query)
		if err != nil {
			return err
		}
		n.Active, n.Detached, n.Updated = false, true, w.tx.Now()
		if err := w.tx.UpdateNumber(n); err != nil {
			return err
		}
		agent, err := w.inbound(&r.view, n)
		out = renderNumber(r.view, n, agent)
		return err
	})
	return out, err
}
