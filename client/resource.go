package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Change is a partial update: a member that is absent stays as it is, nil
// removes the value (or restores the default), and anything else becomes the
// value. Members have the names of the API's document. References take an id,
// or a Change (or struct) that is applied to what is referred to.
type Change map[string]any

// Credential is a secret on its way to the server: it prints as stars and is
// sent as it is. What the server answers is masked, unless the key has the
// scope secrets:read.
type Credential string

// String returns stars.
func (c Credential) String() string { return "********" }

// GoString returns stars.
func (c Credential) GoString() string { return "********" }

// Format writes stars for every verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("********")) }

// LogValue returns stars.
func (c Credential) LogValue() slog.Value { return slog.StringValue("********") }

// Reveal returns the text.
func (c Credential) Reveal() string { return string(c) }

// Ref is a reference in an answer: the id alone, or the object, where the
// operation gives it or Query.Expand asks for it.
type Ref[T any] struct {
	// ID names what is referred to; empty for none.
	ID string
	// Object is what is referred to; nil when the answer has the id alone.
	Object *T
}

// UnmarshalJSON reads an id or an object.
func (r *Ref[T]) UnmarshalJSON(data []byte) error {
	*r = Ref[T]{}
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, &r.ID)
	}
	var named struct {
		ID string `json:"id"`
	}
	r.Object = new(T)
	if err := json.Unmarshal(data, r.Object); err != nil {
		return err
	}
	err := json.Unmarshal(data, &named)
	r.ID = named.ID
	return err
}

// MarshalJSON writes the object, or the id when there is none.
func (r Ref[T]) MarshalJSON() ([]byte, error) {
	if r.Object != nil {
		return json.Marshal(r.Object)
	}
	return json.Marshal(r.ID)
}

// Page is one page of a list.
type Page[T any] struct {
	// Items are newest first unless sorted otherwise.
	Items []T `json:"items"`
	// Page counts from 1; Size is the most items.
	Page int `json:"page"`
	// Size is the most items of the page.
	Size int `json:"size"`
	// HasMore says that a later page exists.
	HasMore bool `json:"has_more"`
	// Total counts all items; an estimate above 10,000.
	Total int64 `json:"total"`
	// TotalIsEstimated says that Total is an estimate.
	TotalIsEstimated bool `json:"total_is_estimated"`
	// NextCursor leads to the next page as Query.Cursor; empty on the last.
	NextCursor string `json:"next_cursor,omitempty"`
}

// Query asks for one page of a list; the zero value is the first ten, newest
// first.
type Query struct {
	// Page counts from 1; 0 means 1.
	Page int
	// Size is 1 to 100; 0 means 10.
	Size int
	// Cursor is an earlier page's NextCursor; Page is then ignored.
	Cursor string
	// SortColumn is a documented column; "" means newest first.
	SortColumn string
	// SortDesc reverses SortColumn's order.
	SortDesc bool
	// Filters is a JSON object as the API documents it, such as
	// {"status":{"in":["ended","error"]}}; "" means none.
	Filters string
	// Expand names the references that come as objects: inbound_agent, agent,
	// telephony_account_connection. Numbers and calls know them.
	Expand []string
}

func (q Query) values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Page > 0 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.Size > 0 {
		v.Set("size", strconv.Itoa(q.Size))
	}
	set("cursor", q.Cursor)
	if q.SortColumn != "" {
		v.Set("sort_column", q.SortColumn)
		v.Set("sort_desc", strconv.FormatBool(q.SortDesc))
	}
	set("filters", q.Filters)
	set("expand", strings.Join(q.Expand, ","))
	return v
}

func byID(id string) url.Values { return url.Values{"id": {id}} }

// Lister is a kind of resource that can be listed.
type Lister[T any] struct {
	c    *Client
	path string
}

// List returns one page.
func (l Lister[T]) List(ctx context.Context, q Query) (Page[T], error) {
	var out Page[T]
	err := l.c.get(ctx, l.path+"/list", q.values(), &out)
	return out, err
}

// All yields every item from the query's page on, fetching pages as the loop
// goes (of 100 items unless q.Size says otherwise). It follows the cursor where
// the list has one, so that what is added or deleted meanwhile neither skips
// nor repeats others. An error is yielded last.
func (l Lister[T]) All(ctx context.Context, q Query) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := q
		if q.Size == 0 {
			q.Size = 100
		}
		for {
			page, err := l.List(ctx, q)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if q.Cursor = page.NextCursor; q.Cursor != "" {
				continue
			}
			if !page.HasMore {
				return
			}
			q.Page = page.Page + 1
		}
	}
}

// Reader is a kind of resource that can be read.
type Reader[T any] struct{ Lister[T] }

// Get returns the one with the id.
func (r Reader[T]) Get(ctx context.Context, id string) (T, error) {
	var out T
	err := r.c.get(ctx, r.path, byID(id), &out)
	return out, err
}

// Editor is a kind of resource that can be read and changed.
type Editor[T any] struct{ Reader[T] }

// Update changes the one with the id and returns what it is now. Of the options
// an idempotency key counts with agents only: other updates come out the same
// when they are repeated.
func (e Editor[T]) Update(ctx context.Context, id string, change Change, options ...Option) (T, error) {
	var out T
	err := e.c.post(ctx, e.path+"/update", byID(id), change, &out, options...)
	return out, err
}

// Resource is a kind of resource with all operations.
type Resource[T any] struct{ Editor[T] }

// Create makes one. Members that are empty get their defaults.
func (r Resource[T]) Create(ctx context.Context, v T, options ...Option) (T, error) {
	var out T
	err := r.c.post(ctx, r.path+"/create", nil, v, &out, options...)
	return out, err
}

// Deleted says what was deleted.
type Deleted struct {
	// ID named it.
	ID string `json:"id,omitempty"`
	// Deleted is true.
	Deleted bool `json:"deleted,omitempty"`
}

// Delete removes the one with the id. One in use is not deleted: the *Error
// (409) names its users.
func (r Resource[T]) Delete(ctx context.Context, id string) (Deleted, error) {
	var out Deleted
	err := r.c.Do(ctx, http.MethodDelete, r.path+"/delete", byID(id), nil, &out)
	return out, err
}

func readerAt[T any](c *Client, path string) Reader[T] { return Reader[T]{Lister[T]{c, path}} }

func resourceAt[T any](c *Client, path string) Resource[T] {
	return Resource[T]{Editor[T]{readerAt[T](c, path)}}
}
