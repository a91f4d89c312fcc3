package store

import (
	"context"
	"errors"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

func callTable() *table[sidetone.Call] {
	return newTable("calls", "call", callColumns, map[string]listed{
		"id": text("id"), "start_time": instant("start_sort"), "end_time": instant("ended"), "created": instant("created"), "created_at": instant("created"),
		"status": filterOnly(text("status")), "stage_outcome": filterOnly(text("outcome")),
		"from_number": digits("from_number"), "to_number": digits("to_number"),
		"agent_phone_number": filterOnly(digits("agent_number")), "agent": filterOnly(text("agent_id")),
		"is_outgoing": filterOnly(boolean("outgoing")), "telephony_id": filterOnly(text("carrier_id")),
	}).quiet()
}

func callColumns(c *sidetone.Call) []column {
	start := c.Started
	if start.IsZero() {
		start = c.Created
	}
	return append([]column{
		{name: "id", ref: &c.ID, fixed: true}, {name: "environment_id", ref: &c.EnvironmentID, fixed: true},
		{name: "outgoing", ref: &c.Outgoing, fixed: true}, {name: "from_number", ref: &c.FromNumber, fixed: true},
		{name: "to_number", ref: &c.ToNumber, fixed: true}, {name: "agent_number", ref: &c.AgentNumber, fixed: true},
		{name: "agent_id", ref: &c.AgentID, fixed: true}, {name: "provider", ref: &c.Provider, fixed: true},
		{name: "connection_id", ref: &c.ConnectionID, fixed: true}, {name: "snapshot", ref: document{&c.Snapshot}, fixed: true},
		{name: "context", ref: raw{&c.Context, "{}"}, fixed: true}, {name: "params", ref: raw{&c.Params, "{}"}, fixed: true},
		{name: "on_no_human", ref: &c.OnNoHuman, fixed: true}, {name: "hipaa", ref: &c.HIPAA, fixed: true},
		{name: "run_do_not_call", ref: &c.RunDoNotCall, fixed: true},
		{name: "headers_out", ref: document{&c.HeadersOut}, fixed: true}, {name: "signalling", ref: document{&c.Signalling}, fixed: true},
		{name: "refused_count", ref: &c.RefusedCount, fixed: true}, {name: "created", ref: millis{&c.Created}, fixed: true},
		{name: "start_sort", ref: derived{toMillis(start)}}, {name: "terminal", ref: derived{c.Status.Terminal()}},
		{name: "webhook_id", ref: derived{webhookOf(c)}, fixed: true}, {name: "analysed", ref: derived{c.WantsAnalysis()}, fixed: true},
	}, progressColumns(c)...)
}

// webhookOf is the webhook that is told of a call; "" for none.
func webhookOf(c *sidetone.Call) string {
	if c.Snapshot.Webhook == nil {
		return ""
	}
	return c.Snapshot.Webhook.ID
}

func progressColumns(c *sidetone.Call) []column {
	return []column{
		{name: "status", ref: (*string)(&c.Status)}, {name: "stage", ref: (*string)(&c.Stage)},
		{name: "outcome", ref: (*string)(&c.Outcome)}, {name: "carrier_id", ref: &c.CarrierID},
		{name: "recording_path", ref: &c.RecordingPath}, {name: "transcript", ref: &c.Transcript},
		{name: "error_message", ref: &c.ErrorMessage}, {name: "errors", ref: list{&c.Errors}}, {name: "used", ref: document{&c.Used}}, {name: "line", ref: document{&c.Line}},
		{name: "insights", ref: document{&c.Insights}},
		{name: "end_reason", ref: &c.EndReason}, {name: "started", ref: millis{&c.Started}},
		{name: "ended", ref: millis{&c.Ended}}, {name: "node", ref: &c.Node}, {name: "lease", ref: millis{&c.Lease}},
		{name: "deaths", ref: &c.Deaths},
		{name: "version", ref: &c.Version},
		{name: "human_detection", ref: &c.HumanDetection}, {name: "do_not_call", ref: &c.DoNotCall},
		{name: "metadata", ref: raw{&c.Metadata, "{}"}},
	}
}

// Call returns the call with id.
func (t *Tx) Call(id string) (sidetone.Call, error) { return t.store.tables.calls.get(t, id) }

// Calls lists the calls.
func (t *Tx) Calls(q sidetone.PageQuery) (sidetone.Page[sidetone.Call], error) {
	return page(t, t.store.tables.calls, q)
}

// Talked returns how long the calls that were answered since the given time
// lasted; one that goes on counts until now.
func (t *Tx) Talked(since time.Time) (time.Duration, error) {
	var millis int64
	err := t.one([]any{&millis}, `SELECT CAST(coalesce(sum(CASE WHEN ended > 0 THEN ended - started ELSE $1 - started END), 0) AS BIGINT)
		FROM calls WHERE environment_id = $2 AND started >= $3`, toMillis(t.now), t.environment, toMillis(since))
	return time.Duration(millis) * time.Millisecond, err
}

// InsertCall stores a new call. The audit log holds who placed one and who ended
// it, and nothing of what becomes of it.
func (t *Tx) InsertCall(c sidetone.Call) error {
	if c.Snapshot.Webhook != nil { // a call signs nothing
		h := *c.Snapshot.Webhook
		h.Secret, h.PreviousSecret = "", ""
		c.Snapshot.Webhook = &h
	}
	if err := t.store.tables.calls.insert(t, &c); err != nil {
		return err
	}
	if !c.Status.Terminal() {
		if err := errors.Join(t.sealSnapshot(c), t.sealDialogs(c)); err != nil {
			return err
		}
		if err := t.announce(c.ID, webhookOf(&c), webhook.Started(c)); err != nil {
			return err
		}
	} else { // it never began
		if err := t.appendEnd(c.ID, sidetone.CallResult{Status: c.Status, Outcome: c.Outcome, EndReason: c.EndReason, Ended: c.Ended}, nil); err != nil {
			return err
		}
		if err := t.tellEnd(c.ID); err != nil {
			return err
		}
	}
	if !c.Outgoing {
		return nil
	}
	return t.audit(sidetone.AuditEntry{Action: sidetone.AuditCreate, Noun: "call", ResourceID: c.ID}, map[string]any{}, map[string]any{
		"from_number": c.FromNumber, "to_number": c.ToNumber, "agent_id": c.AgentID, "agent_version": c.Snapshot.Agent.Version,
	})
}

// EndingCall writes into the audit log that somebody asked for the call's end, and
// stores c.HeadersOut, with which it is hung up.
func (t *Tx) EndingCall(c sidetone.Call) error {
	if len(c.HeadersOut) > 0 {
		_, err := t.exec(`UPDATE calls SET headers_out = $1 WHERE id = $2 AND environment_id = $3 AND terminal = $4`,
			document{&c.HeadersOut}, c.ID, t.environment, false)
		if err != nil {
			return err
		}
	}
	return t.audit(sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: "call", ResourceID: c.ID},
		map[string]any{"status": string(c.Status), "ending": false}, map[string]any{"status": string(c.Status), "ending": true})
}

// PausingRecording writes into the audit log that somebody paused the recording of a call,
// or went on with it.
func (t *Tx) PausingRecording(callID string, paused bool) error {
	return t.audit(sidetone.AuditEntry{Action: sidetone.AuditUpdate, Noun: "call", ResourceID: callID},
		map[string]any{"recording_paused": !paused}, map[string]any{"recording_paused": paused})
}

// UpdateCall stores how far the call has come if c.Version is the stored one,
// else it is a Conflict. Dialogs stay as they are unless c has some. Parties, agent, snapshot and context never change, and
// FinishCall alone ends a call.
func (t *Tx) UpdateCall(c sidetone.Call) error { return t.updateCall(&c) }

func (t *Tx) updateCall(c *sidetone.Call) error {
	if c.Status.Terminal() {
		return sidetone.Errorf(sidetone.Internal, "update a call to the terminal status %q", c.Status)
	}
	if err := t.store.tables.calls.update(t, c); err != nil {
		return err
	}
	return t.sealDialogs(*c)
}

// StartCall stores the row of a call that came in.
func (s *Store) StartCall(ctx context.Context, c sidetone.Call) error {
	return s.StartCallWithin(ctx, c, 0)
}

// StartCallWithin stores the row of a call that came in unless its number takes
// most incoming calls already, on whichever node; then it is Limited. most 0
// means no limit.
func (s *Store) StartCallWithin(ctx context.Context, c sidetone.Call, most int) error {
	return s.Write(ctx, c.EnvironmentID, func(t *Tx) error {
		if most > 0 {
			if err := t.roomFor(c, most); err != nil {
				return err
			}
		}
		return t.InsertCall(c)
	})
}

// roomFor counts the live incoming calls of a number.
func (t *Tx) roomFor(c sidetone.Call, most int) error {
	// On Postgres two calls that do not touch the same row would not see each
	// other.
	if _, err := t.exec(`UPDATE numbers SET max_calls = max_calls WHERE environment_id = $1 AND number = $2 AND active = $3`,
		t.environment, c.AgentNumber, true); err != nil {
		return err
	}
	var live int
	err := t.one([]any{&live}, `SELECT count(*) FROM calls WHERE environment_id = $1 AND agent_number = $2 AND terminal = $3 AND outgoing = $4`,
		t.environment, c.AgentNumber, false, false)
	if err == nil && live >= most {
		err = t.refuse(sidetone.Errorf(sidetone.Limited, "the number takes no more than %d calls at a time", most))
	}
	return err
}

// MarkCall reads the call, lets fn change it and stores it, in one transaction;
// it returns what was stored. A call that is over is a Conflict. fn may run
// more than once.
func (s *Store) MarkCall(ctx context.Context, environmentID, callID string, fn func(*sidetone.Call)) (sidetone.Call, error) {
	var c sidetone.Call
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		var err error
		if c, err = t.Call(callID); err != nil {
			return err
		}
		if c.Status.Terminal() {
			return sidetone.Errorf(sidetone.Conflict, "call is over")
		}
		answered := !c.Started.IsZero()
		fn(&c)
		if err := t.updateCall(&c); err != nil || answered || c.Started.IsZero() {
			return err
		}
		return t.announce(c.ID, webhookOf(&c), webhook.Connected(c))
	})
	return c, err
}

// RequestEnd asks the node that runs the call, whichever it is, to end it; that
// node learns of it when it renews its lease. False means that no node runs the
// call.
func (s *Store) RequestEnd(ctx context.Context, environmentID, callID string) (bool, error) {
	asked := false
	err := s.Write(ctx, environmentID, func(t *Tx) error {
		n, err := t.exec(`UPDATE calls SET ending = $1 WHERE id = $2 AND environment_id = $3 AND terminal = $4 AND lease > $5`,
			true, callID, t.environment, false, toMillis(t.now))
		asked = n == 1
		return err
	})
	return asked, err
}
