package store

import (
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
)

// column ties a column of a table to a field of a row: ref is a pointer that
// database/sql can both bind and scan into.
type column struct {
	name string
	ref  any
	// fixed columns are written by the insert only.
	fixed bool
	// secret columns show stars in the audit log.
	secret bool
}

// settler is a ref that can make its field what reading it from the database
// would.
type settler interface{ settle() }

// millis stores a time as milliseconds since 1970; the zero time is 0.
type millis struct{ t *time.Time }

func (m millis) Value() (driver.Value, error) { return toMillis(*m.t), nil }

func (m millis) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("time column holds %T", v)
	}
	*m.t = fromMillis(n)
	return nil
}

func (m millis) settle() { *m.t = fromMillis(toMillis(*m.t)) }

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// durationMillis stores a duration in milliseconds.
type durationMillis struct{ d *time.Duration }

func (d durationMillis) Value() (driver.Value, error) { return d.d.Milliseconds(), nil }

func (d durationMillis) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("duration column holds %T", v)
	}
	*d.d = time.Duration(n) * time.Millisecond
	return nil
}

func (d durationMillis) settle() { *d.d = d.d.Truncate(time.Millisecond) }

// raw stores JSON text byte for byte; empty stands for the given default.
type raw struct {
	b   *[]byte
	def string
}

func (r raw) Value() (driver.Value, error) {
	if len(*r.b) == 0 {
		return r.def, nil
	}
	return string(*r.b), nil
}

func (r raw) Scan(v any) error {
	text, err := textOf(v)
	*r.b = []byte(text)
	return err
}

func (r raw) settle() {
	if len(*r.b) == 0 {
		*r.b = []byte(r.def)
	}
}

// list stores texts as a JSON array; nil is stored as an empty one.
type list struct{ l *[]string }

func (l list) Value() (driver.Value, error) {
	if len(*l.l) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(*l.l)
	return string(b), err
}

func (l list) Scan(v any) error {
	text, err := textOf(v)
	if err != nil {
		return err
	}
	*l.l = []string{}
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), l.l)
}

func (l list) settle() {
	if len(*l.l) == 0 {
		*l.l = []string{}
	}
}

// document stores what a pointer leads to as one JSON text.
type document struct{ to any }

func (d document) Value() (driver.Value, error) {
	b, err := json.Marshal(d.to)
	return string(b), err
}

func (d document) Scan(v any) error {
	text, err := textOf(v)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), d.to)
}

// scopes stores a set of scopes by their names.
type scopes struct{ s *sidetone.Scopes }

func (s scopes) Value() (driver.Value, error) { return s.s.String(), nil }

func (s scopes) Scan(v any) error {
	text, err := textOf(v)
	if err != nil {
		return err
	}
	*s.s, err = sidetone.ParseScopes(text)
	return err
}

// derived is written for sorting and filtering and never read back.
type derived struct{ value any }

func (d derived) Value() (driver.Value, error) { return d.value, nil }

func (d derived) Scan(any) error { return nil }

// folded is the stored form that a search without regard to case compares.
func folded(s string) derived { return derived{fold(s)} }

func fold(s string) string { return strings.ToLower(s) }

// digest stores a SHA-256 as hexadecimal text.
type digest struct{ h *[32]byte }

func (d digest) Value() (driver.Value, error) { return hex.EncodeToString(d.h[:]), nil }

func (d digest) Scan(v any) error {
	s, err := textOf(v)
	if err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d.h) {
		return fmt.Errorf("hash column holds %d bytes: %w", len(b), err)
	}
	copy(d.h[:], b)
	return nil
}

// sealed stores a secret encrypted with the environment's data key and bound to
// its row and column; no secret is stored as the empty text. The noun's table
// encrypts and decrypts; a statement that binds this column without it stores
// stars.
type sealed struct{ s *sidetone.Secret }

func (s sealed) Value() (driver.Value, error) { return s.s.String(), nil }

func (s sealed) Scan(any) error { return fmt.Errorf("a sealed column was read without its table") }

func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("text column holds %T", v)
}
