package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
)

const (
	// wireTurns is how many interruptions each call makes; each has an answer before it and
	// one after it.
	wireTurns = 2
	// wireWave is how many calls are made at the same time.
	wireWave = 20
	// wireLinger is how long calls last after the last interruption, so that it is answered.
	wireLinger = 2 * time.Second
)

// wire lets callers interrupt an agent and holds what the server reports of each turn
// against what the callers have heard.
func (b *bench) wire(ctx context.Context) (err error) {
	b.results.Wire, err = WireTruth(ctx, b.target.api, loadgen.Config{Target: b.target.sip, Number: b.target.long, Calls: b.size.wireCalls}, b.size.attempts)
	return err
}

// WireTruth makes c.Calls calls to an agent that gives long answers, in waves, and
// interrupts it. It compares what the server reports of their turns with what was heard. A
// wave in which the callers were late themselves is made again; no more than attempts times
// as many waves as are needed are made in all. Wire.Run says whether that was enough.
func WireTruth(ctx context.Context, api *client.Client, c loadgen.Config, attempts int) (*loadgen.Wire, error) {
	c.Scenario, c.FarEnds, c.Linger = loadgen.ScenarioBargeIn, true, wireLinger
	var all *loadgen.Report
	var reported []loadgen.Reported
	left := c.Calls
	spare := (attempts - 1) * ((left + wireWave - 1) / wireWave)
	for wave := 0; left > 0; wave++ {
		c.Calls = min(left, wireWave)
		c.Turns = c.Calls * wireTurns
		callers := fmt.Sprintf("+1646%03d", wave) // of this wave alone: its calls are found by them
		c.From = callers + "%04d"
		report, err := loadgen.Run(ctx, c)
		if err != nil {
			return nil, err
		}
		if !report.Counts() && spare > 0 {
			spare--
			continue
		}
		said, err := reports(ctx, api, callers)
		if err != nil {
			return nil, err
		}
		left -= c.Calls
		all, reported = together(all, &report), append(reported, said...)
	}
	w := loadgen.Compare(all, reported)
	return &w, nil
}

// together adds a wave to those before it. It counts as much as the worst of them.
func together(all, wave *loadgen.Report) *loadgen.Report {
	if all == nil {
		return wave
	}
	all.Placed, all.Answered, all.FarEnds = all.Placed+wave.Placed, all.Answered+wave.Answered, append(all.FarEnds, wave.FarEnds...)
	all.Received, all.Lost = all.Received+wave.Received, all.Lost+wave.Lost
	if wave.Lateness.P99 > all.Lateness.P99 {
		all.Lateness = wave.Lateness
	}
	for reason, n := range wave.Failures {
		if all.Failures == nil {
			all.Failures = map[string]int{}
		}
		all.Failures[reason] += n
	}
	return all
}

// reports returns what the server says of the calls of callers with a prefix, once all of
// them are over.
func reports(ctx context.Context, api *client.Client, prefix string) ([]loadgen.Reported, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		calls, over, err := callsFrom(ctx, api, prefix)
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

// callsFrom lists the calls, and reports whether all are over.
func callsFrom(ctx context.Context, api *client.Client, prefix string) (calls []client.Call, over bool, err error) {
	over = true
	for c, err := range api.Calls().All(ctx, client.Query{}) {
		if err != nil {
			return nil, false, fmt.Errorf("list calls: %w", err)
		}
		if !strings.HasPrefix(c.FromNumber, prefix) {
			if len(calls) > 0 {
				break // the newest come first
			}
			continue
		}
		calls, over = append(calls, c), over && c.Over()
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
				Stages: s.Caller + s.EndpointWait + s.Recogniser + s.Model + s.Voice + s.Action + s.VendorFailure + s.Playout + s.Restart})
		}
		all = append(all, r)
	}
	return all, nil
}
