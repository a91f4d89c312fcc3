package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// recover closes the calls that a previous process did not live to end, with
// the true reason, and makes their recordings readable.
func (s *server) recover(ctx context.Context) error {
	// this process holds the data directory: nobody else can run calls of it
	lost, err := s.store.LostCalls(ctx, s.clock.Now().Add(24*time.Hour))
	if err != nil {
		return fmt.Errorf("find lost calls: %w", err)
	}
	for _, c := range lost {
		if err := s.closeLost(ctx, c); err != nil {
			return fmt.Errorf("close lost call %s: %w", c.ID, err)
		}
	}
	return nil
}

func (s *server) closeLost(ctx context.Context, c sidetone.Call) error {
	path, length, err := s.disk.Repair(c.ID)
	if err != nil {
		s.log.Warn("repair recording", slog.String("call", c.ID), slog.Any("error", err))
	}
	var events []sidetone.Event
	err = s.store.Read(ctx, c.EnvironmentID, func(tx *store.Tx) error {
		events, err = tx.Events(c.ID, 0)
		return err
	})
	if err != nil {
		return err
	}
	last := int64(0)
	if len(events) > 0 {
		last = events[len(events)-1].Sequence
	}
	end := sidetone.Event{CallID: c.ID, EnvironmentID: c.EnvironmentID, Sequence: last + 1, Kind: sidetone.EventEnded,
		At: s.clock.Now(), Offset: length, Text: "server_restart", Data: []byte(`{"status":"error"}`)}
	s.log.Info("lost call closed", slog.String("call", c.ID))
	return s.store.FinishCall(ctx, c.EnvironmentID, c.ID, sidetone.CallResult{
		Status: sidetone.CallError, Outcome: sidetone.OutcomeBotDisconnected, EndReason: "server_restart",
		ErrorMessage: "the server stopped during the call", Errors: []string{"the server stopped during the call"},
		Transcript: sidetone.Transcript(events), RecordingPath: path, Ended: s.clock.Now(),
	}, []sidetone.Event{end})
}
