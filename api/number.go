package api

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// decodeNumberChange reads what numbers/update may change, except the agent.
func decodeNumberChange(d *decoder) sidetone.NumberChange {
	return sidetone.NumberChange{
		Label: d.text("label"), Description: d.text("description"), OutboundOnly: d.truth("outbound_only"),
		MaxCalls:       d.whole("max_concurrent_calls"),
		ExampleContext: d.raw("example_context"), Config: d.raw("config"), Tags: d.texts("tags"),
	}
}

// placement is what a request says about the agent of a number.
type placement struct {
	ref   reference
	patch agentPatch
}

func decodePlacement(d *decoder) (placement, error) {
	p := placement{ref: d.reference("inbound_agent").plain()}
	if p.ref.fields == nil {
		return p, nil
	}
	patch, err := decodeAgent(d.profile, p.ref.fields)
	p.patch = patch
	return p, below("inbound_agent", err)
}

// numberMembers is the most members that a rendered number has.
const numberMembers = 17

// renderNumber renders a number; agent is its inbound agent, nil for none.
func renderNumber(v view, n sidetone.Number, agent *sidetone.Snapshot) object {
	o := make(object, 0, numberMembers)
	o.set("active", n.Active)
	o.set("config", jsonObject(n.Config))
	o.set("example_context", json.RawMessage(n.ExampleContext))
	o.set("id", n.ID)
	// No number here forwards calls for others or takes text messages.
	o.set("is_routing_number", false)
	o.set("number", n.Number)
	o.set("outbound_only", n.OutboundOnly)
	o.set("sms_enabled", false)
	o.set("tags", n.Tags)
	o.set("telephony_provider", n.Provider)
	o.set("user_id", v.account)
	o.text("label", n.Label)
	o.text("description", n.Description)
	if n.MaxCalls > 0 {
		o.set("max_concurrent_calls", n.MaxCalls)
	}
	v.connection(&o, n.ConnectionID)
	if agent == nil {
		return v.finish("number", o)
	}
	o.text("inbound_agent_name", agent.Agent.Name)
	if v.list && !v.expand["inbound_agent"] {
		o.set("inbound_agent", agent.Agent.ID)
	} else {
		v.list = false
		o.set("inbound_agent", renderAgent(v, *agent))
	}
	return v.finish("number", o)
}

// renderAvailable renders a number for sale. Its id follows from provider and
// number, so that the same offer has the same id every time.
func renderAvailable(v view, provider string, n telephony.AvailableNumber) object {
	o := object{
		{"id", uuid.NewSHA1(uuid.NameSpaceURL, []byte("tel:"+provider+":"+n.Number)).String()},
		{"user_id", v.account}, {"number", n.Number}, {"active", false},
		{"example_context", object{}}, {"telephony_provider", provider},
	}
	o.text("locality", n.Locality)
	o.text("country", n.Country)
	return v.finish("offer", o)
}
