package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"time"
)

// Number is a phone line.
type Number struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// UserID is the account.
	UserID string `json:"user_id,omitempty"`
	// Number is E.164 with plus.
	Number string `json:"number,omitempty"`
	// Active is false for cancelled and detached numbers.
	Active bool `json:"active"`
	// Label is a name for people.
	Label string `json:"label,omitempty"`
	// Description is for people.
	Description string `json:"description,omitempty"`
	// InboundAgent is who answers; in lists the id alone, unless expanded.
	InboundAgent Ref[Agent] `json:"inbound_agent,omitzero"`
	// InboundAgentName is the name of who answers.
	InboundAgentName string `json:"inbound_agent_name,omitempty"`
	// OutboundOnly refuses incoming calls.
	OutboundOnly bool `json:"outbound_only"`
	// CarrierState is unverified, verified or failed for a number that was linked:
	// whether its carrier says that it is the account's. "" for bought ones.
	CarrierState string `json:"carrier_state,omitempty"`
	// CarrierStateSince is when that state began, CarrierStateCause why it is not
	// verified.
	CarrierStateSince time.Time `json:"carrier_state_since,omitzero"`
	CarrierStateCause string    `json:"carrier_state_cause,omitempty"`
	// MaxConcurrentCalls is how many incoming calls it takes at a time; 0 means
	// no limit.
	MaxConcurrentCalls int `json:"max_concurrent_calls,omitempty"`
	// ExampleContext is sample data for the prompt's placeholders; calls do not
	// use it.
	ExampleContext map[string]any `json:"example_context,omitempty"`
	// TelephonyProvider is the carrier.
	TelephonyProvider string `json:"telephony_provider,omitempty"`
	// TelephonyAccountConnection is the account at the carrier; none for the
	// server's own. In lists it can be expanded.
	TelephonyAccountConnection Ref[AccountConnection] `json:"telephony_account_connection,omitzero"`
	// Tags are for people.
	Tags []string `json:"tags,omitempty"`
	// Config is what the account keeps about the number; the server does not act
	// on it.
	Config map[string]any `json:"config,omitempty"`
	// IsRoutingNumber and SMSEnabled are false: no number of the server forwards
	// calls for others or takes text messages.
	IsRoutingNumber bool `json:"is_routing_number"`
	SMSEnabled      bool `json:"sms_enabled"`
}

// Offer is a number for sale.
type Offer struct {
	// ID is empty or the carrier's; a bought number has another.
	ID string `json:"id,omitempty"`
	// UserID is the account that asked.
	UserID string `json:"user_id,omitempty"`
	// Number is E.164 with plus.
	Number string `json:"number,omitempty"`
	// Active is false.
	Active bool `json:"active"`
	// ExampleContext is empty.
	ExampleContext map[string]any `json:"example_context,omitempty"`
	// TelephonyProvider is the carrier.
	TelephonyProvider string `json:"telephony_provider,omitempty"`
	// Locality is the place of the number, as the carrier calls it.
	Locality string `json:"locality,omitempty"`
	// Country is a two-letter code.
	Country string `json:"country,omitempty"`
}

// OfferQuery describes numbers for sale; the zero value is any 20.
type OfferQuery struct {
	// Limit is 1 to 100; 0 means 20.
	Limit int
	// TelephonyProvider is whose numbers; "" means the server's choice.
	TelephonyProvider string
	// TelephonyAccountConnection is the id of the account to buy with.
	TelephonyAccountConnection string
	// AreaCode is what the national number begins with.
	AreaCode string
	// Contains is what the number contains.
	Contains string
	// Country is a two-letter code.
	Country string
	// Locality is a place.
	Locality string
}

func (q OfferQuery) values() (url.Values, error) {
	v := url.Values{}
	for name, value := range map[string]string{
		"telephony_provider": q.TelephonyProvider, "telephony_account_connection": q.TelephonyAccountConnection,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	filters := map[string]string{"area_code": q.AreaCode, "contains": q.Contains, "country": q.Country, "locality": q.Locality}
	maps.DeleteFunc(filters, func(_, value string) bool { return value == "" })
	if len(filters) > 0 {
		raw, err := json.Marshal(filters)
		if err != nil {
			return nil, fmt.Errorf("encode the filters: %w", err)
		}
		v.Set("filters", string(raw))
	}
	return v, nil
}

// Purchase describes the number to buy; the zero value is the first for sale.
type Purchase struct {
	// PhoneNumber is the number, E.164 with plus.
	PhoneNumber string `json:"phone_number,omitempty"`
	// AreaCode buys one of the area, when PhoneNumber is empty.
	AreaCode string `json:"area_code,omitempty"`
	// TelephonyProvider is whose number; "" means the server's choice.
	TelephonyProvider string `json:"telephony_provider,omitempty"`
	// TelephonyAccountConnection is the id of the account to buy with.
	TelephonyAccountConnection string `json:"telephony_account_connection,omitempty"`
	// InboundAgent is who answers: an id, or an Agent; nil for nobody.
	InboundAgent any `json:"inbound_agent,omitempty"`
}

// Link describes a number that the customer has at a carrier.
type Link struct {
	// PhoneNumber is the number, E.164 with plus.
	PhoneNumber string `json:"phone_number"`
	// TelephonyAccountConnection is the id of the account at the carrier.
	TelephonyAccountConnection string `json:"telephony_account_connection,omitempty"`
	// OutboundOnly refuses incoming calls.
	OutboundOnly bool `json:"outbound_only,omitempty"`
	// InboundAgent is who answers: an id, or an Agent; nil for nobody.
	InboundAgent any `json:"inbound_agent,omitempty"`
}

// Numbers are phone lines. Its methods name one by the number itself or by its
// id.
type Numbers struct{ Lister[Number] }

// Numbers are phone lines.
func (c *Client) Numbers() Numbers { return Numbers{Lister[Number]{c, "/v1/numbers"}} }

// idLength is the length of an id; no phone number is as long.
const idLength = len("00000000-0000-7000-8000-000000000000")

// named is the query that names a number.
func named(number string) url.Values {
	if len(number) == idLength {
		return byID(number)
	}
	return url.Values{"phone_number": {number}}
}

// Get returns a number.
func (n Numbers) Get(ctx context.Context, number string) (Number, error) {
	var out Number
	err := n.c.get(ctx, n.path, named(number), &out)
	return out, err
}

// Available returns numbers for sale.
func (n Numbers) Available(ctx context.Context, q OfferQuery) (Page[Offer], error) {
	var out Page[Offer]
	query, err := q.values()
	if err == nil {
		err = n.c.get(ctx, n.path+"/available", query, &out)
	}
	return out, err
}

// Buy buys a number. With an IdempotencyKey it can be repeated safely.
func (n Numbers) Buy(ctx context.Context, p Purchase, options ...Option) (Number, error) {
	var out Number
	err := n.c.post(ctx, n.path+"/buy", nil, p, &out, options...)
	return out, err
}

// Link takes a number into service that the customer has at a carrier. The
// carrier is not told.
func (n Numbers) Link(ctx context.Context, l Link, options ...Option) (Number, error) {
	var out Number
	err := n.c.post(ctx, n.path+"/link", nil, l, &out, options...)
	return out, err
}

// Update changes any of label, description, outbound_only,
// max_concurrent_calls, inbound_agent, example_context, config and tags. The API wants
// example_context in every update: when change has none, the present one is
// read first and sent back, so that it stays. Another client's change of
// example_context between the two is undone; send it to avoid that.
func (n Numbers) Update(ctx context.Context, number string, change Change, options ...Option) (Number, error) {
	var out Number
	_, given := change["example_context"]
	if !given || len(number) == idLength {
		now, err := n.Get(ctx, number)
		if err != nil {
			return out, err
		}
		number = now.Number
		change = withContext(change, now.ExampleContext)
	}
	err := n.c.post(ctx, n.path+"/update", named(number), change, &out, options...)
	return out, err
}

// withContext returns the change with the example context, unless it has one.
func withContext(change Change, present map[string]any) Change {
	full := Change{"example_context": present}
	if present == nil {
		full["example_context"] = map[string]any{}
	}
	maps.Copy(full, change)
	return full
}

// Cancel gives a number back to its carrier.
func (n Numbers) Cancel(ctx context.Context, number string) (Number, error) {
	var out Number
	err := n.c.post(ctx, n.path+"/cancel", named(number), nil, &out)
	return out, err
}

// Detach gives a number up here and leaves it with the customer at the
// carrier.
func (n Numbers) Detach(ctx context.Context, number string) (Number, error) {
	var out Number
	err := n.c.post(ctx, n.path+"/detach", named(number), nil, &out)
	return out, err
}
