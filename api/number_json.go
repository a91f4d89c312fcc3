package api

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/telephony"
)

// decodeNumberChange reads what numbers/update may change, except the agent.
func decodeNumberChange(d *decoder) sidetone.NumberChange {
	return sidetone.NumberChange{
		Label: d.Text("label"), Description: d.Text("description"), OutboundOnly: d.Bool("outbound_only"),
		MaxCalls:       d.Int("max_concurrent_calls"),
		ExampleContext: d.JSON("example_context"), Config: d.JSON("config"), Tags: d.Strings("tags"),
	}
}

// placement is what a request says about the agent of a number.
type placement struct {
	ref   wire.Reference
	patch agentPatch
}

func decodePlacement(d *decoder) (placement, error) {
	p := placement{ref: d.agentReference("inbound_agent")}
	if p.ref.Fields == nil {
		return p, nil
	}
	patch, err := decodeAgent(d.profile, p.ref.Fields)
	p.patch = patch
	return p, below("inbound_agent", err)
}

// renderNumber renders a number; agent is its inbound agent, nil for none.
func renderNumber(v view, n sidetone.Number, agent *sidetone.Snapshot) object {
	o := object{}
	o["active"] = n.Active
	o["config"] = jsonObject(n.Config)
	o["example_context"] = json.RawMessage(n.ExampleContext)
	o["id"] = n.ID
	// No number here forwards calls for others or takes text messages.
	o["is_routing_number"] = false
	o["number"] = n.Number
	o["outbound_only"] = n.OutboundOnly
	o["sms_enabled"] = false
	o["tags"] = n.Tags
	o["telephony_provider"] = n.Provider
	o["user_id"] = v.account
	setText(o, "label", n.Label)
	setText(o, "description", n.Description)
	if n.Carrier.State != "" {
		o["carrier_state"] = n.Carrier.State
		setTime(o, "carrier_state_since", n.Carrier.Since)
		setText(o, "carrier_state_cause", n.Carrier.Cause)
	}
	if n.MaxCalls > 0 {
		o["max_concurrent_calls"] = n.MaxCalls
	}
	v.setConnection(o, n.ConnectionID)
	if agent == nil {
		return v.profile.Adapt(dialect.Number(), o)
	}
	setText(o, "inbound_agent_name", agent.Agent.Name)
	if v.list && !v.expand["inbound_agent"] {
		o["inbound_agent"] = agent.Agent.ID
	} else {
		v.list = false
		o["inbound_agent"] = renderAgent(v, *agent)
	}
	return v.profile.Adapt(dialect.Number(), o)
}

// renderAvailable renders a number for sale. Its id follows from provider and
// number, so that the same offer has the same id every time.
func renderAvailable(v view, provider string, n telephony.AvailableNumber) object {
	o := object{
		"id":      uuid.NewSHA1(uuid.NameSpaceURL, []byte("tel:"+provider+":"+n.Number)).String(),
		"user_id": v.account, "number": n.Number, "active": false,
		"example_context": object{}, "telephony_provider": provider,
	}
	setText(o, "locality", n.Locality)
	setText(o, "country", n.Country)
	return v.profile.Adapt(dialect.NumberForSale(), o)
}
