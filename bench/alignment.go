package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/loadgen"
)

// finishPatience bounds the wait until a call that ended is stored.
const finishPatience = 10 * time.Second

// fastClock is by how many millionths the caller's sample clock runs fast.
const fastClock = 200

// RecordingAlignment calls number, which an echo agent answers, from a peer
// whose clock runs 200 ppm fast, clicks once a second for as long as length,
// and compares the call's stored recording with the log of the clicks. sip is
// the server's host:port.
func RecordingAlignment(ctx context.Context, api *client.Client, sip, number string, length time.Duration) (loadgen.Alignment, error) {
	report, err := loadgen.Run(ctx, loadgen.Config{Target: sip, Number: number, Scenario: loadgen.ScenarioClock, ClockPPM: fastClock, Duration: length})
	if err != nil {
		return loadgen.Alignment{}, err
	}
	if report.Failed() > 0 {
		return loadgen.Alignment{}, fmt.Errorf("the call was cut short: %v", report.Failures)
	}
	id, err := lastCall(ctx, api)
	if err != nil {
		return loadgen.Alignment{}, err
	}
	var wav bytes.Buffer
	if _, err := api.Calls().Recording(ctx, id, client.WAV, &wav); err != nil {
		return loadgen.Alignment{}, fmt.Errorf("fetch recording of call %s: %w", id, err)
	}
	return loadgen.Align(&wav, report.Clicks, fastClock)
}

// lastCall waits until the newest call is over and returns its id.
func lastCall(ctx context.Context, api *client.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, finishPatience)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		page, err := api.Calls().List(ctx, client.Query{Size: 1})
		if err != nil {
			return "", fmt.Errorf("list calls: %w", err)
		}
		if len(page.Items) == 1 && page.Items[0].Over() {
			return page.Items[0].ID, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return "", errors.Join(errors.New("wait for the end of the call"), ctx.Err())
		}
	}
}
