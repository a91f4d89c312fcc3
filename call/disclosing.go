package call

import (
	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
)

// disclosing is whether the agent of a call says that it is a machine. The other person's
// number comes before ours.
func disclosing(c sidetone.Call) sidetone.Disclosing {
	a, other := c.Snapshot.Agent, c.FromNumber
	if c.Outgoing {
		other = c.ToNumber
	}
	return a.Disclosure().DiscloseTo(conversation.DisclosureOf(a.Language), other, c.AgentNumber)
}
