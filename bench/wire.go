package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
)

// wireCallers is how the numbers of callers begin whose reports are compared; the number of
// the attempt follows, and that of the call.
const wireCallers = "+1202556"

// wire lets callers interrupt an agent and holds what the server reports of each turn
// against what the callers have heard.
func (b *bench) wire(ctx context.Context) (err error) {
	b.results.Wire, err = WireTruth(ctx, b.target.api, loadgen.Config{
		Target: b.target.sip, Number: b.target.long, Calls: b.size.wireCalls, Turns: b.size.wireCalls * wireTurns, ServerPID: b.target.cmd.Process.Pid,
	}, b.size.attempts)
	return err
}

// wireTurns is how many interruptions each call makes; each has an answer before it and
// one after it.
const wireTurns = 2

// wireLinger is how long calls last after the last interruption, so that it is answered.
const wireLinger = 2 * time.Second

// WireTruth makes the calls, which interrupt the agent, and compares what the server
// reports of their turns with what was heard. It makes them again, at most attempts times in
// all, while the callers were late themselves; the last report says whether that helped.
func WireTruth(ctx context.Context, api *client.Client, c loadgen.Config, attempts int) (*loadgen.Wire, error) {
	c.Scenario, c.FarEnds, c.Linger = loadgen.ScenarioBargeIn, true, wireLinger
	for attempt := 1; ; attempt++ {
		callers := wireCallers + strconv.Itoa(attempt)
		c.From = callers + "%03d"
		began := time.Now()
		report, err := loadgen.Run(ctx, c)
		if err != nil {
			return nil, err
		}
		report.Attempts = attempt
		reported, err := reports(ctx, api, callers, began)
		if err != nil {
			return nil, err
		}
		w := loadgen.Compare(&report, reported)
		if report.Counts() || attempt >= attempts {
			return &w, nil
		}
	}
}

// reports returns what the server says of the calls of callers with a prefix that came
// after a time, once all of them are over.
func reports(ctx context.Context, api *client.Client, prefix string, since time.Time) ([]loadgen.Reported, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		calls, over, err := newest(ctx, api, prefix, since)
		if err != nil {
			return nil, err
		}
		if over {
			return turnsOf(ctx, api, calls)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, errors.Join(errors.New("wait for the end of the calls"), ctx.Err())
		}
	}
}

// newest lists the calls, and reports whether all are over.
func newest(ctx context.Context, api *client.Client, prefix string, since time.Time) (calls []client.Call, over bool, err error) {
	over = true
	for c, err := range api.Calls().All(ctx, client.Query{Size: 100}) {
		if err != nil {
			return nil, false, fmt.Errorf("list calls: %w", err)
		}
		if c.CreatedAt.Before(since.Truncate(time.Second)) {
			break // the newest come first
		}
		if strings.HasPrefix(c.FromNumber, prefix) {
			calls, over = append(calls, c), over && c.Over()
		}
	}
	return calls, over, nil
}

// turnsOf asks for the turns of calls.
func turnsOf(ctx context.Context, api *client.Client, calls []client.Call) ([]loadgen.Reported, error) {
	var all []loadgen.Reported
	for _, c := range calls {
		turns, err := api.Calls().Turns(ctx, c.ID)
		if err != nil {
			return nil, fmt.Errorf("get the turns of call %s: %w", c.ID, err)
		}
		r := loadgen.Reported{From: c.FromNumber}
		for _, t := range turns.Turns {
			if t.Kind == "unanswered" {
				continue
			}
			s := t.Stages
			r.Turns = append(r.Turns, loadgen.ReportedTurn{Gap: t.GapMS, BargeIn: t.BargeInMS, Silence: t.SilenceMS,
				Stages: s.Caller + s.EndpointWait + s.Recogniser + s.Model + s.Voice + s.Action + s.VendorFailure + s.Playout})
		}
		all = append(all, r)
	}
	return all, nil
}
