package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/sidetone/sidetone"
)

// cursorMAC is how many bytes of the signature a cursor carries.
const cursorMAC = 16

// maxCursor bounds what is decoded, in characters.
const maxCursor = 4096

// position is where a page begins: behind the row with ID and sort value Key,
// or at the page's number when ID is empty. Page counts pages for the envelope.
type position struct {
	Page int    `json:"p"`
	Key  any    `json:"k"`
	ID   string `json:"i"`
}

// cursorList is everything a cursor is bound to.
type cursorList struct {
	// owner is the id of the environment whose rows are listed, or of the
	// account whose environments are.
	owner any
	table string
	own   []condition
	q     sidetone.PageQuery
}

// mac signs a position of the list.
func (l cursorList) mac(key, payload []byte) ([]byte, error) {
	own := make([]any, 0, 2*len(l.own))
	for _, c := range l.own {
		own = append(own, c.column, c.value)
	}
	bound, err := json.Marshal([]any{l.owner, l.table, own, l.q.SortColumn, l.q.SortDesc, l.q.Filters})
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "cursor %d %s%s", len(bound), bound, payload)
	return h.Sum(nil)[:cursorMAC], nil
}

// position is where the query begins. A cursor that is not of this list is
// NotFound, like one that was never made.
func (t *Tx) position(l cursorList, o order) (position, error) {
	if l.q.Cursor == "" {
		return position{Page: l.q.Page}, nil
	}
	unknown := sidetone.Errorf(sidetone.NotFound, "cursor not found")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(l.q.Cursor)
	if err != nil || len(raw) < cursorMAC || len(l.q.Cursor) > maxCursor {
		return position{}, unknown
	}
	key, err := t.signingKey()
	if err != nil {
		return position{}, err
	}
	mac, err := l.mac(key, raw[cursorMAC:])
	if err != nil || !hmac.Equal(mac, raw[:cursorMAC]) {
		return position{}, unknown
	}
	var p position
	decoder := json.NewDecoder(bytes.NewReader(raw[cursorMAC:]))
	decoder.UseNumber()
	if err := decoder.Decode(&p); err != nil {
		return position{}, fmt.Errorf("read a cursor for %s: %w", o.column, err)
	}
	if n, ok := p.Key.(json.Number); ok {
		if p.Key, err = n.Int64(); err != nil {
			return position{}, fmt.Errorf("read a cursor for %s: %w", o.column, err)
		}
	}
	return p, nil
}

// cursor is the text for the page that follows the row last.
func (t *Tx) cursor(l cursorList, page int, last []column, o order) (string, error) {
	value, err := stored(named(last, o.column))
	if err != nil {
		return "", err
	}
	key, err := t.signingKey()
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(position{Page: page, Key: value, ID: *named(last, "id").(*string)})
	if err != nil {
		return "", err
	}
	mac, err := l.mac(key, payload)
	return base64.RawURLEncoding.EncodeToString(append(mac, payload...)), err
}

// signingKey is the installation's, read once for all transactions.
func (t *Tx) signingKey() ([]byte, error) {
	if known := t.store.signing.Load(); known != nil {
		return *known, nil
	}
	var text string
	if err := t.one([]any{&text}, "SELECT value FROM installation WHERE name = $1", signingSecret); err != nil {
		return nil, fmt.Errorf("read the key of cursors: %w", err)
	}
	key := []byte(text)
	t.store.signing.Store(&key)
	return key, nil
}
