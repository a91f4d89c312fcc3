package call

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
)

// Misused is the error of a tool that was called with wrong arguments: nothing was begun,
// and the model may call it again with others.
type Misused struct{ Reason string }

// Error is the reason.
func (m *Misused) Error() string { return m.Reason }

// Uncertain is the error of a tool of which nobody knows whether it has done what it was
// asked for.
type Uncertain struct{ Reason string }

// Error is the reason.
func (u *Uncertain) Error() string { return u.Reason }

// detail is what the record shows of a run beside its result.
type detail struct {
	call    ToolCall
	action  Action
	outcome sidetone.RunState
	result  ToolResult
	failure string
}

// data are the members of the run's event.
func (d *detail) data(into map[string]any) {
	into["outcome"], into["key"] = d.outcome, d.call.Key
	if json.Valid(d.call.Args) {
		into["parameters"] = d.call.Args
	}
	if d.action.ID != "" {
		into["action_id"] = d.action.ID
	}
	if d.action.Type != "" {
		into["action_type"] = d.action.Type
	}
	result := map[string]any{}
	if d.result.JSON != nil {
		result["json"] = d.result.JSON
	}
	if d.result.Status != 0 {
		result["http_status_code"] = d.result.Status
	}
	if d.failure != "" {
		result["error"] = d.failure
	}
	if len(result) > 0 {
		into["result"] = result
	}
}

// details are those of the runs that the record does not show yet, in the order in which
// they were begun. Its methods may be called concurrently.
type details struct {
	mu  sync.Mutex
	all []*detail
}

// add notes a run that begins.
func (d *details) add(c ToolCall, a Action) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, &detail{call: c, action: a, outcome: sidetone.RunUnknown})
}

// settle notes what came of it.
func (d *details) settle(key string, outcome sidetone.RunState, result ToolResult, failure string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.all {
		if one.call.Key == key {
			one.outcome, one.result, one.failure = outcome, result, failure
		}
	}
}

// take returns the run with that id of the model's, or the oldest of the tool when id is
// "", and forgets it; nil for none.
func (d *details) take(id, name string) *detail {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, one := range d.all {
		if one.call.Name == name && (id == "" || one.call.ID == id) {
			d.all = append(d.all[:i:i], d.all[i+1:]...)
			return one
		}
	}
	return nil
}

// left returns the runs that the record does not show, and forgets them.
func (d *details) left() []*detail {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.all
	d.all = nil
	return all
}

// carryOut runs a tool, and says what the machine is told. Of an action that is to be done
// once at most there is a row before it is begun, and its outcome is in the row before the
// machine knows it.
func (r *toolRunner) carryOut(t Tool, c ToolCall) conversation.ToolDone {
	a := r.actions[c.Name]
	row := sidetone.ActionRun{ID: c.Key, EnvironmentID: c.EnvironmentID, CallID: c.CallID, ActionID: a.ID, Name: c.Name, ToolID: c.ID,
		Digest: digest(c), Repeatable: a.Rule.Repeatable, State: sidetone.RunBegun, Begun: r.clock.Now()}
	kept := a.Once && r.kept != nil // also when the arguments are wrong, which the tool alone knows
	if kept {
		if err := r.store(func(ctx context.Context) error { return r.kept.BeginRun(ctx, row) }); err != nil {
			return r.done(c, sidetone.RunFailed, ToolResult{}, notBegun(err))
		}
	}
	result, err := r.runOnce(t, c)
	result, err = withheld(result, err, c.Secrets)
	row.State = stateOf(err)
	switch {
	case r.private:
	case err != nil:
		row.Result = Public(err)
	default:
		row.Result = result.Text
	}
	if kept {
		row.Settled = r.clock.Now()
		if failed := r.store(func(ctx context.Context) error { return r.kept.SettleRun(ctx, row) }); failed != nil {
			r.log.Error("the outcome of an action cannot be stored", slog.String("run", c.Key), slog.Any("error", failed))
			return r.done(c, sidetone.RunUnknown, result, errors.New("its outcome could not be stored: it is not known whether it was done"))
		}
	}
	return r.done(c, row.State, result, err)
}

// done notes the outcome of a run, and returns what the machine is told of it.
func (r *toolRunner) done(c ToolCall, state sidetone.RunState, result ToolResult, err error) conversation.ToolDone {
	if err == nil {
		r.details.settle(c.Key, state, result, "")
		return conversation.ToolDone{ID: c.ID, Result: result.Text, Say: result.Say}
	}
	text := Public(err)
	r.details.settle(c.Key, state, result, text)
	var misused *Misused
	return conversation.ToolDone{ID: c.ID, Failed: true, Unknown: state == sidetone.RunUnknown, Misused: errors.As(err, &misused), Result: text}
}

// notBegun says why a run was not begun.
func notBegun(err error) error {
	if sidetone.CodeOf(err) == sidetone.Conflict {
		return errors.New(sidetone.MessageOf(err))
	}
	return errors.New("not begun: it could not be stored that it is")
}

// stateOf is what an error of a tool says about its run.
func stateOf(err error) sidetone.RunState {
	var unknown *Uncertain
	switch {
	case err == nil:
		return sidetone.RunSucceeded
	case errors.As(err, &unknown):
		return sidetone.RunUnknown
	}
	return sidetone.RunFailed
}

// digest stands for what a run asks for: its name and its arguments, however they are
// written.
func digest(c ToolCall) string {
	var value any
	text := []byte(c.Args)
	if json.Unmarshal(c.Args, &value) == nil {
		text, _ = json.Marshal(value) // which was JSON
	}
	sum := sha256.Sum256(append([]byte(c.Name+"\x00"), text...))
	return hex.EncodeToString(sum[:])
}

const (
	// runStoreTries is how often a row of a run is tried to be stored, each time for at
	// most storeTimeout, with a pause in between.
	runStoreTries = 3
	runStorePause = 200 * time.Millisecond
	// longestStore is how long the rows of a run hold it up at most, with what is needed
	// beside them.
	longestStore = 2*runStoreTries*(storeTimeout+runStorePause) + commitTimeout + time.Second
)

// store changes a row, several times if it must; a Conflict is final.
func (r *toolRunner) store(change func(context.Context) error) (err error) {
	for try := range runStoreTries {
		if try > 0 {
			r.clock.Sleep(runStorePause, nil)
		}
		ctx, cancel := withTimeout(r.clock, storeTimeout)
		err = change(ctx)
		cancel()
		if err == nil || sidetone.CodeOf(err) == sidetone.Conflict {
			return err
		}
	}
	return err
}

// recallRuns reads what the process before has written down of the call's runs. What it has
// begun is not known to be done from now on.
func (s *Session) recallRuns() {
	if s.tools.kept == nil {
		return
	}
	within, cancel := withTimeout(s.clock, storeTimeout)
	defer cancel()
	runs, err := s.tools.kept.LoseRuns(within, s.call.EnvironmentID, s.call.ID)
	if err != nil {
		s.log.Error("find what actions were run", slog.Any("error", err))
		s.addError("it is not known which actions were run before the server died")
	}
	s.before = map[string]sidetone.ActionRun{}
	for _, run := range runs {
		s.before[run.ID] = run
	}
}

// recallRun takes in a run that the machine wished of the process before.
func (s *Session) recallRun(c ToolCall, unoffered bool) {
	if _, ok := s.tools.tools[c.Name]; !ok || unoffered {
		return
	}
	s.tools.details.add(c, s.tools.actions[c.Name])
	switch run := s.before[c.Key]; run.State {
	case sidetone.RunSucceeded:
		s.tools.details.settle(c.Key, run.State, ToolResult{}, "")
	case sidetone.RunFailed, sidetone.RunUnknown:
		s.tools.details.settle(c.Key, run.State, ToolResult{}, run.Result)
	case sidetone.RunBegun:
	}
}

// regainRuns tells the machine of the runs whose outcome was stored before the process
// died, and notes those that were begun and are not in the journal.
func (s *Session) regainRuns(ctx context.Context) {
	written := s.tools.runs // in the journal
	for _, key := range slices.Sorted(maps.Keys(s.before)) {
		run := s.before[key]
		settled := run.State == sidetone.RunSucceeded || run.State == sidetone.RunFailed
		switch {
		case s.machine.Waits(run.ToolID) && s.wished[run.ToolID] == key && settled: // models may give a name twice
			s.step(ctx, conversation.ToolDone{ID: run.ToolID, Failed: run.State == sidetone.RunFailed, Result: run.Result})
		case run.State == sidetone.RunBegun && written < numberOf(key):
			s.tools.details.add(ToolCall{Key: key, EnvironmentID: run.EnvironmentID, CallID: run.CallID, ID: run.ToolID, Name: run.Name}, s.tools.actions[run.Name])
			s.noteRun(s.now(), conversation.Note{Kind: conversation.NoteAction, Text: run.Name, Said: conversation.FailedResult + conversation.UnknownResult})
		}
		s.tools.runs = max(s.tools.runs, numberOf(key)) // no key is used again
	}
	s.before, s.wished = nil, nil
}

// numberOf is the number of a run in its call.
func numberOf(key string) int {
	n, _ := strconv.Atoi(key[strings.LastIndexByte(key, ':')+1:]) // of another key it is 0
	return n
}

// reportLeft puts runs into the record that the machine has not spoken of, such as one that
// it gave up before it was over.
func (s *Session) reportLeft() {
	for _, d := range s.tools.details.left() {
		switch {
		case !d.action.Once:
		case s.call.HIPAA:
			s.event(sidetone.EventAction, "", nil)
		default:
			data := map[string]any{}
			d.data(data)
			s.event(sidetone.EventAction, d.call.Name, data)
		}
	}
}
