package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// hangUpAtOnce is how long the closing of lost calls waits for their far ends.
	hangUpAtOnce = time.Second
	// hangUpAtMost is how long the hang-up itself goes on.
	hangUpAtMost = 40 * time.Second
	// hangUps bounds those under way at a time.
	hangUps = 500
)

// inheritance are the hang-ups of calls whose node is gone.
type inheritance struct {
	closer telephony.DialogCloser
	turns  chan struct{}
	log    *slog.Logger

	mu   sync.Mutex
	left map[string]error // by call; no entry: the far end has confirmed, or there was nothing to hang up
}

// hangUpLost begins to hang up all legs of lost calls and waits a moment for their far
// ends. left says of a call why its far end may still have it; nil that it has not.
func (s *server) hangUpLost(lost []orphan) (left func(callID string) error) {
	h := &inheritance{closer: s.sip, log: s.log, turns: make(chan struct{}, hangUps), left: map[string]error{}}
	if len(lost) == 0 {
		return h.of
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangUpAtMost)
	all := make(chan struct{})
	var legs sync.WaitGroup
	for _, c := range lost {
		for _, dialog := range c.Dialogs {
			h.set(c.ID, telephony.ErrUnconfirmed)
			legs.Add(1)
			s.wg.Go(func() {
				defer legs.Done()
				h.hangUp(ctx, c.ID, dialog)
			})
		}
	}
	s.wg.Go(func() {
		legs.Wait()
		close(all)
	})
	s.wg.Go(func() {
		defer cancel()
		select {
		case <-all:
		case <-s.stop: // who stops the server does not wait for them
		}
	})
	s.clock.Sleep(hangUpAtOnce, all)
	return h.of
}

// hangUp hangs up one leg.
func (h *inheritance) hangUp(ctx context.Context, callID, dialog string) {
	h.turns <- struct{}{}
	defer func() { <-h.turns }()
	err := h.closer.CloseDialog(ctx, dialog)
	if err != nil {
		h.log.Warn("hang up a lost call", slog.String("call", callID), slog.Any("error", err))
	}
	h.set(callID, err)
}

func (h *inheritance) set(callID string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.left, callID)
		return
	}
	h.left[callID] = err
}

func (h *inheritance) of(callID string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.left[callID]
}
