package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// AnalysisLease is how long a claimed analysis is believed to be worked on: longer than an
// attempt may take.
const AnalysisLease = 5 * time.Minute

// planAnalysis stores, with the end of a call, that it is to be analysed, if its agent wants
// that and something was said, and the wake-up of whoever does it.
func (t *Tx) planAnalysis(callID, transcript string) error {
	if transcript == "" {
		return nil
	}
	wanted := false
	if err := t.one([]any{&wanted}, `SELECT analysed FROM calls WHERE id = $1 AND environment_id = $2`, callID, t.environment); err != nil || !wanted {
		return absent(err, "call")
	}
	_, err := t.exec(`INSERT INTO analyses (id, environment_id, attempts, fence, due, lease, created) VALUES ($1, $2, 0, 0, $3, 0, $3)`,
		callID, t.environment, toMillis(t.now))
	if err != nil {
		return err
	}
	waiting := &sidetone.Insights{State: sidetone.InsightsWaiting}
	if _, err := t.exec(`UPDATE calls SET insights = $1 WHERE id = $2 AND environment_id = $3`, document{&waiting}, callID, t.environment); err != nil {
		return err
	}
	return t.enqueue(sidetone.AnalysisJob{EnvironmentID: t.environment, CallID: callID})
}

// DueAnalyses returns the wake-ups of analyses that are due at a time and that nobody works
// on, of all environments, the longest due first, at most limit.
func (s *Store) DueAnalyses(ctx context.Context, now time.Time, limit int) ([]sidetone.AnalysisJob, error) {
	var out []sidetone.AnalysisJob
	err := s.readAcross(ctx, func(t *Tx) error {
		out = nil
		return t.each(func(r *sql.Rows) error {
			var j sidetone.AnalysisJob
			err := r.Scan(&j.EnvironmentID, &j.CallID)
			out = append(out, j)
			return err
		}, `SELECT environment_id, id FROM analyses WHERE due <= $1 AND lease <= $1 ORDER BY due, id LIMIT $2`, toMillis(now), limit)
	})
	return out, err
}

// ReleaseAnalyses lets analyses be claimed again whose claimers are gone: all that there
// were. It is for a process that has the database to itself, at its start.
func (s *Store) ReleaseAnalyses(ctx context.Context) error {
	return s.writeAcross(ctx, func(t *Tx) error {
		_, err := t.exec(`UPDATE analyses SET lease = 0 WHERE lease > 0`)
		return err
	})
}

// ClaimAnalysis takes a due analysis and returns it with the call and its record, once the
// claim is durable. One that another worker has, or that is not due, is a Conflict; one
// that is over is NotFound.
func (s *Store) ClaimAnalysis(ctx context.Context, j sidetone.AnalysisJob) (a sidetone.Analysis, c sidetone.Call, events []sidetone.Event, err error) {
	err = s.Write(ctx, j.EnvironmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE analyses SET attempts = attempts + 1, fence = fence + 1, lease = $1
			WHERE id = $2 AND environment_id = $3 AND due <= $4 AND lease <= $4`,
			toMillis(t.now.Add(AnalysisLease)), j.CallID, t.environment, toMillis(t.now))
		if err != nil {
			return err
		}
		a = sidetone.Analysis{CallID: j.CallID, EnvironmentID: t.environment}
		err = t.one([]any{&a.Attempts, &a.Fence}, `SELECT attempts, fence FROM analyses WHERE id = $1 AND environment_id = $2`, j.CallID, t.environment)
		if err != nil {
			return absent(err, "analysis")
		}
		if n == 0 {
			return sidetone.Errorf(sidetone.Conflict, "the analysis is not due, or somebody works on it")
		}
		if c, err = t.Call(j.CallID); err != nil {
			return err
		}
		events, err = t.Events(j.CallID, 0)
		return err
	})
	return a, c, events, err
}

// RecordOptOut stores that the other party of a claimed analysis' call asked not to be
// called again: with the call, and on the do-not-call list.
func (s *Store) RecordOptOut(ctx context.Context, a sidetone.Analysis) error {
	return s.Write(ctx, a.EnvironmentID, func(t *Tx) error {
		c, err := t.Call(a.CallID)
		if err != nil || c.DoNotCall == "yes" {
			return err
		}
		c.DoNotCall = "yes"
		if err := t.storeInsights(c); err != nil {
			return err
		}
		return t.listOptOut(c)
	})
}

// listOptOut puts the other party's number on the do-not-call list, unless it is there or
// nobody knows it.
func (t *Tx) listOptOut(c sidetone.Call) error {
	number := c.OtherParty()
	if digits, ok := strings.CutPrefix(number, "+"); !ok || len(digits) < 4 {
		return nil
	}
	_, err := t.DNCNumberByPhone(number)
	if sidetone.CodeOf(err) != sidetone.NotFound {
		return err
	}
	return t.InsertDNCNumber(sidetone.DNCNumber{ID: t.store.ids.New(), EnvironmentID: t.environment, Number: number, Written: number, Certain: true,
		Reason: "asked not to be called again, in call " + c.ID, Created: t.now, Updated: t.now})
}

// PostponeAnalysis gives a claim back after an attempt that failed, until due, and stores
// why and what models were used for.
func (s *Store) PostponeAnalysis(ctx context.Context, a sidetone.Analysis, f sidetone.Findings, failure string, due time.Time) error {
	return s.Write(ctx, a.EnvironmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE analyses SET due = $1, lease = 0 WHERE id = $2 AND environment_id = $3 AND fence = $4 AND lease > 0`,
			millis{&due}, a.CallID, t.environment, a.Fence)
		c, err := t.callOfClaim(a, n, err)
		if err != nil {
			return err
		}
		c.Insights = &sidetone.Insights{State: sidetone.InsightsWaiting, Failure: failure, Attempts: a.Attempts}
		addAllUsed(&c, f.Used)
		return t.storeInsights(c)
	})
}

// SettleAnalysis stores what a claimed analysis has found, once: with the call, on the
// do-not-call list, and for the call's webhook. A claim that is not the last one is a
// Conflict, and nothing is stored.
func (s *Store) SettleAnalysis(ctx context.Context, a sidetone.Analysis, f sidetone.Findings) error {
	return s.Write(ctx, a.EnvironmentID, func(t *Tx) error {
		n, err := t.exec(`DELETE FROM analyses WHERE id = $1 AND environment_id = $2 AND fence = $3`, a.CallID, t.environment, a.Fence)
		c, err := t.callOfClaim(a, n, err)
		if err != nil {
			return err
		}
		c.Insights = &sidetone.Insights{State: sidetone.InsightsReady, Failure: f.Failure, Attempts: a.Attempts, Results: f.Results, Settled: t.now}
		if f.Failure != "" {
			c.Insights.State = sidetone.InsightsFailed
		}
		if c.DoNotCall != "yes" && f.DoNotCall != "" {
			c.DoNotCall = f.DoNotCall
		}
		addAllUsed(&c, f.Used)
		if err := t.storeInsights(c); err != nil {
			return err
		}
		if f.DoNotCall == "yes" {
			if err := t.listOptOut(c); err != nil {
				return err
			}
		}
		if err := t.tellEnd(c.ID); err != nil { // of a product whose report of the end has the analysis in it
			return err
		}
		return t.announce(c.ID, webhookOf(&c), webhook.Analysed(c))
	})
}

// callOfClaim returns the call of a claimed analysis whose row was changed; a Conflict when there
// was none with the claim's fence. err is that of the change.
func (t *Tx) callOfClaim(a sidetone.Analysis, changed int64, err error) (sidetone.Call, error) {
	if err == nil && changed == 0 {
		err = sidetone.Errorf(sidetone.Conflict, "somebody else has the analysis")
	}
	if err != nil {
		return sidetone.Call{}, err
	}
	return t.Call(a.CallID)
}

func addAllUsed(c *sidetone.Call, used []sidetone.Used) {
	for _, u := range used {
		c.Used = sidetone.AddUsed(c.Used, u)
	}
}

// storeInsights stores what an analysis changes of a call that is over.
func (t *Tx) storeInsights(c sidetone.Call) error {
	_, err := t.exec(`UPDATE calls SET insights = $1, do_not_call = $2, used = $3, version = version + 1 WHERE id = $4 AND environment_id = $5`,
		document{&c.Insights}, c.DoNotCall, document{&c.Used}, c.ID, t.environment)
	return err
}
