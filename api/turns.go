package api

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/sidetone/sidetone"
)

// getTurns returns what the turns of a call took, as far as they are over.
func (s *server) getTurns(r *request) (any, error) {
	var events []sidetone.Event
	err := s.read(r, func(w work) error {
		call, err := w.tx.Call(r.PathValue("id"))
		if err != nil {
			return named(err, "id", "call")
		}
		events, err = w.tx.EventsOf(call.ID, sidetone.EventMeasured)
		return err
	})
	if err != nil {
		return nil, err
	}
	return renderTurns(events)
}

// renderTurns makes the turns and their sums of the events that measured them.
func renderTurns(events []sidetone.Event) (object, error) {
	all, stages, silence := make([]object, 0, len(events)), map[string]float64{}, 0.0
	for _, e := range events {
		var turn object
		if err := json.Unmarshal(e.Data, &turn); err != nil {
			return nil, fmt.Errorf("read turn %d of call %s: %w", len(all)+1, e.CallID, err)
		}
		all = append(all, turn)
		if ms, ok := turn["silence_ms"].(float64); ok {
			silence += ms
		}
		of, _ := turn["stages"].(map[string]any)
		for stage, ms := range of {
			if ms, ok := ms.(float64); ok {
				stages[stage] = tenth(stages[stage] + ms)
			}
		}
	}
	return object{"turns": all, "silence_ms": tenth(silence), "stages": stages}, nil
}

// tenth rounds to one decimal, which sums of such numbers have not.
func tenth(ms float64) float64 { return math.Round(ms*10) / 10 }
