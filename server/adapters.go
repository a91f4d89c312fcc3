package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/jobs"
	"github.com/sidetone/sidetone/recording/disk"
	"github.com/sidetone/sidetone/recording/ladder"
	"github.com/sidetone/sidetone/store"
)

// ledger writes the events of calls to the store.
type ledger struct{ *store.Store }

// AppendEvents implements call.Ledger.
func (l ledger) AppendEvents(ctx context.Context, environmentID string, events []sidetone.Event) error {
	return l.Write(ctx, environmentID, func(tx *store.Tx) error { return tx.AppendEvents(events) })
}

// StartCall implements call.Ledger.
func (l ledger) StartCall(ctx context.Context, c sidetone.Call, most int) error {
	return l.StartCallWithin(ctx, c, most)
}

// directory finds the agent of a called number in the store.
type directory struct {
	*store.Store
	trunks func() trunks
}

// Route implements call.Directory.
func (d directory) Route(ctx context.Context, from, to, trunk string) (call.Route, error) {
	called, err := d.trunks().called(trunk, to)
	if err != nil {
		return call.Route{From: from}, err
	}
	r, err := d.Store.Route(ctx, called)
	out := call.Route{Number: r.Number, Snapshot: r.Snapshot, HasAgent: r.HasAgent, Trunks: []string{}, From: from}
	if err != nil {
		if sidetone.CodeOf(err) == sidetone.NotFound {
			why := "no environment has the number"
			if _, owner := d.Trunk(trunk); owner != "" {
				why = call.NotBought
			}
			err = &call.UnknownNumber{Tried: []string{called}, Why: why}
		}
		return out, err
	}
	if r.Number.Provider == "simulated" {
		out.Trunks = append(out.Trunks, "")
	} else { // a trunk may ask for a certificate or encryption, which its numbers are not rung without
		out.Trunks = append(out.Trunks, d.trunks().in(r.Number.EnvironmentID).owners(r.Number.Number)...)
	}
	out.From = d.caller(ctx, r.Number, from, trunk)
	return out, nil
}

// Trunk implements call.Directory.
func (d directory) Trunk(key string) (name, environmentID string) {
	if t := d.trunks().named(key); t != nil {
		return t.Name, t.EnvironmentID
	}
	return key, ""
}

// caller reads the number that a caller shows; what has no certain meaning stays as
// it was sent.
func (d directory) caller(ctx context.Context, called sidetone.Number, from, trunk string) string {
	country := ""
	if !strings.HasPrefix(from, "+") { // only then the country matters
		if e, err := d.EnvironmentByID(ctx, called.EnvironmentID); err == nil {
			country = e.DefaultCountry
		}
	}
	return d.trunks().caller(trunk, from, country, called.Number)
}

// dialer places the calls of jobs.
type dialer struct{ exchange *call.Exchange }

// Dial implements jobs.Dialer.
func (d dialer) Dial(ctx context.Context, _ sidetone.DialIntent, c sidetone.Call) error {
	err := d.exchange.Dial(ctx, c)
	if errors.Is(err, call.ErrNoRoom) {
		return jobs.ErrNoRoom
	}
	return err
}

// recordings records calls to disk.
type recordings struct{ *disk.Recordings }

// Create implements call.Recordings.
func (r recordings) Create(callID string, rate int) (call.Recorder, error) {
	return r.Recordings.Create(callID, rate)
}

// Resume implements call.Recordings.
func (r recordings) Resume(callID string, rate int) (call.Recorder, error) {
	return r.Recordings.Resume(callID, rate)
}

// tapes keeps the packets of calls on disk.
type tapes struct{ *ladder.Book }

// Record implements call.Tapes.
func (t tapes) Record(callID string) (call.Tape, error) { return t.Book.Record(callID) }

// Resume implements call.Tapes.
func (t tapes) Resume(callID string) (call.Tape, error) { return t.Book.Resume(callID) }

// captures has the capture files of calls.
type captures struct{ *ladder.Book }

// Capture implements api.Ladders.
func (c captures) Capture(callID string, sound bool) (api.Capture, error) {
	return c.Book.Capture(callID, sound)
}

// systemClock is the time of this machine.
func systemClock() call.Clock {
	return call.Clock{
		Now: time.Now,
		AfterFunc: func(d time.Duration, f func()) func() bool {
			return time.AfterFunc(d, f).Stop
		},
		Sleep: func(d time.Duration, done <-chan struct{}) {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-done:
			}
		},
	}
}

// insertKey stores a key that may do everything.
func insertKey(ctx context.Context, s *store.Store, environmentID, label string, secret sidetone.Secret, now time.Time) error {
	return s.InsertAPIKey(ctx, sidetone.APIKey{ID: sidetone.NewIDs(time.Now).New(), EnvironmentID: environmentID, Label: label,
		Hint: secret.Hint(), Hash: secret.Hash(), Scopes: sidetone.OperatorScopes(),
		AccountWide: true, Created: now, Updated: now})
}

// WithStore opens the store of a configuration, migrates it, calls do and closes
// it. It fails while another process holds the data directory.
func WithStore(ctx context.Context, c Config, do func(*store.Store) error) error {
	return withStore(ctx, c, func(s *store.Store, _ *masterKeys) error { return do(s) })
}

func withStore(ctx context.Context, c Config, do func(*store.Store, *masterKeys) error) (err error) {
	lock, err := lockData(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = join(err, lock.Close()) }()
	masters, err := newMasterKeys(c)
	if err != nil {
		return err
	}
	s, err := openStore(ctx, c, masters, nil)
	if err != nil {
		return err
	}
	defer func() { err = join(err, s.Close()) }()
	return do(s, masters)
}
