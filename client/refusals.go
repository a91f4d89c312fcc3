package client

import (
	"context"
	"time"
)

// Signalling is what the signalling of an incoming call said besides the numbers.
// Nothing of it was checked.
type Signalling struct {
	// CallerSaid are the words of the caller's side: headers that the trunk's settings
	// list, by variable.
	CallerSaid map[string]string `json:"caller_said,omitempty"`
	// Attestation says who vouches for the caller's number, by header.
	Attestation map[string]string `json:"attestation,omitempty"`
	// Parts are those of the call's body besides the session description.
	Parts []BodyPart `json:"parts,omitempty"`
}

// BodyPart is a part of a call's body.
type BodyPart struct {
	// Type is its Content-Type.
	Type string `json:"type"`
	// Content is the part, in base64 when Encoding says so.
	Content string `json:"content"`
	// Encoding is base64, or empty.
	Encoding string `json:"encoding,omitempty"`
	// Truncated says that there was more.
	Truncated bool `json:"truncated"`
}

// Refusal is an incoming call that was refused, or several alike.
type Refusal struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// CreatedAt is when the first of the calls came, LastAt the last.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// LastAt is when the last of them came.
	LastAt time.Time `json:"last_at,omitzero"`
	// Count is how many calls it stands for.
	Count int `json:"count"`
	// Trunk is the trunk that the call came by; empty for the local line.
	Trunk string `json:"trunk"`
	// Source is the address that it came from.
	Source string `json:"source"`
	// TelephonyID is the carrier's id of the call.
	TelephonyID string `json:"telephony_id,omitempty"`
	// FromNumber and ToNumber are what the trunk sent.
	FromNumber string `json:"from_number"`
	// ToNumber is the called number as the trunk sent it.
	ToNumber string `json:"to_number"`
	// PhoneNumber is the number of ours that was called; empty when none was found.
	PhoneNumber string `json:"phone_number,omitempty"`
	// Tried are the numbers that were looked for.
	Tried []string `json:"tried"`
	// Cause and Reason say why.
	Cause string `json:"cause"`
	// Reason says it for people.
	Reason string `json:"reason"`
	// Messages are the first ones of a call to a number that nobody has, where they are
	// still kept.
	Messages []SignalMessage `json:"messages,omitempty"`
}

// Refusals returns one page of the incoming calls that were refused; those to numbers
// that nobody has only for who runs the server.
func (c *Client) Refusals(ctx context.Context, q Query) (Page[Refusal], error) {
	var out Page[Refusal]
	err := c.get(ctx, "/v1/refusals", q.values(), &out)
	return out, err
}
