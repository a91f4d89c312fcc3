package client

import (
	"context"
	"net/http"
	"time"
)

// DNCNumber is a number that is not called.
type DNCNumber struct {
	// ID is given by the server.
	ID string `json:"id,omitempty"`
	// PhoneNumber is E.164 with plus.
	PhoneNumber string `json:"phoneNumber,omitempty"`
	// UserID is the account.
	UserID string `json:"userId,omitempty"`
	// Reason is why; may be empty.
	Reason string `json:"reason,omitempty"`
	// WrittenAs is how the number was given; empty for entries of before that was
	// kept.
	WrittenAs string `json:"writtenAs,omitempty"`
	// Certain says that PhoneNumber is what was meant.
	Certain bool `json:"certain"`
	// AlsoBlocks are other numbers that an entry which is not certain blocks until
	// Decide.
	AlsoBlocks []string `json:"alsoBlocks,omitempty"`
	// CreatedAt is when it was listed.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	// UpdatedAt is when it changed last.
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// DNCEntry is a number not to call any more.
type DNCEntry struct {
	// PhoneNumber is E.164 with plus, or as it is dialled in the environment's
	// default country.
	PhoneNumber string `json:"phoneNumber"`
	// Reason is why; may be empty.
	Reason string `json:"reason,omitempty"`
}

// DNC is the environment's do-not-call list.
type DNC struct{ Lister[DNCNumber] }

// DNC is the environment's do-not-call list.
func (c *Client) DNC() DNC { return DNC{Lister[DNCNumber]{c, "/v1/dnc_numbers"}} }

// Create puts a number on the list.
func (d DNC) Create(ctx context.Context, e DNCEntry, options ...Option) (DNCNumber, error) {
	var out DNCNumber
	err := d.c.post(ctx, d.path+"/create", nil, e, &out, options...)
	return out, err
}

// Bulk puts up to 1000 numbers on the list, all or none.
func (d DNC) Bulk(ctx context.Context, entries []DNCEntry, options ...Option) ([]DNCNumber, error) {
	var out []DNCNumber
	err := d.c.post(ctx, d.path+"/bulk", nil, map[string][]DNCEntry{"phoneNumbers": entries}, &out, options...)
	return out, err
}

// Decide says that phoneNumber, the entry's own or one of AlsoBlocks, is the one
// that was meant, and returns the entry that blocks it from now on.
func (d DNC) Decide(ctx context.Context, id, phoneNumber string) (DNCNumber, error) {
	var out DNCNumber
	err := d.c.post(ctx, d.path+"/decide", byID(id), DNCEntry{PhoneNumber: phoneNumber}, &out)
	return out, err
}

// Delete takes a number off the list.
func (d DNC) Delete(ctx context.Context, id string) (Deleted, error) {
	var out Deleted
	err := d.c.Do(ctx, http.MethodDelete, d.path+"/delete", byID(id), nil, &out)
	return out, err
}
