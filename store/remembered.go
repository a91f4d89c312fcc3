package store

import (
	"context"
	"errors"

	"github.com/sidetone/sidetone"
)

// errBeyondMemory says that what a transaction asks for is not in memory.
const errBeyondMemory Error = "not in memory"

// ReadConfiguration runs fn as Read does, but without the database where memory
// is sure to hold everything that fn asks for: gets and lists of numbers, agents
// and what agents name, as of the last acknowledged write. Otherwise, and always
// where other processes write to the database too, fn runs as in Read.
//
// fn may therefore run twice and must assign, not append to, what it hands out.
// Changes of the configuration wait for it: it must not call the store or wait
// for anything. Slices in what it reads must not be modified.
func (s *Store) ReadConfiguration(ctx context.Context, environmentID string, fn func(*Tx) error) error {
	if !s.lines.shared && s.lines.refresh(ctx) == nil {
		if ok, err := s.lines.read(ctx, environmentID, fn); ok {
			return s.answer(err)
		}
	}
	return s.Read(ctx, environmentID, fn)
}

// read runs fn on memory; ok is false when that does not hold what fn asks for.
func (l *lines) read(ctx context.Context, environmentID string, fn func(*Tx) error) (ok bool, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := l.environments[environmentID]
	if !l.loaded || c == nil || c.partial {
		return false, nil
	}
	t := &Tx{ctx: ctx, environment: environmentID, store: l.store, now: l.store.now(), memory: c, reading: true}
	err = t.run(fn)
	return !errors.Is(t.failed, errBeyondMemory), err
}

// rememberedNumber is NumberByPhone from memory.
func (t *Tx) rememberedNumber(e164 string) (sidetone.Number, error) {
	if o := t.store.lines.byPhone[e164]; o.environmentID == t.environment {
		return t.store.tables.numbers.get(t, o.numberID)
	}
	return sidetone.Number{}, notFound("number")
}
