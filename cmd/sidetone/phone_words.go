package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/softphone"
)

const (
	// callAppears bounds the wait for a call that was answered to be known to the API.
	callAppears = 5 * time.Second
	// wordsAfterEnd bounds the wait for the agent's last words when the call is over.
	wordsAfterEnd = 3 * time.Second
)

// withWords returns the phone so that the agent's own words, as the server knows
// them, are among its events; end waits for the last of them. Without an API key it
// says once, when something was heard, that they could be.
func (c phoneCommand) withWords(a *app, p softphone.Phone) (with softphone.Phone, end func()) {
	ctx, cancel := context.WithCancel(a.ctx)
	var followed sync.WaitGroup
	var once sync.Once
	told := p.Notify
	p.Notify = func(e softphone.Event) {
		told(e)
		switch {
		case c.Key == "" && e.Kind == "heard" && !c.JSON:
			once.Do(func() {
				fmt.Fprintln(a.err, "(with SIDETONE_API_KEY set, the agent's own words stand beside what this phone heard)")
			})
		case c.Key != "" && e.Kind == "answered":
			followed.Go(func() {
				if err := c.words(ctx, a, e.ID, told); err != nil && ctx.Err() == nil {
					fmt.Fprintln(a.err, "the agent's own words are not shown:", err)
				}
			})
		}
	}
	return p, func() {
		late := time.AfterFunc(wordsAfterEnd, cancel)
		defer late.Stop()
		followed.Wait()
		cancel()
	}
}

// words tells what the agent of the call with the carrier's id said, until the call
// is over.
func (c phoneCommand) words(ctx context.Context, a *app, id string, tell func(softphone.Event)) error {
	r := remote{URL: c.URL, Key: c.Key, Environment: c.Env}
	api, err := r.client(a)
	if err != nil {
		return err
	}
	call, err := callOf(ctx, api, id)
	if err != nil {
		return r.explain(err)
	}
	for e, err := range api.Calls().Events(ctx, call, 0) {
		if err != nil {
			return r.explain(err)
		}
		if e.Type == "agent" && e.Text != "" {
			tell(softphone.Event{Kind: "agent", Text: spokenText(e), At: time.Duration(e.OffsetMS) * time.Millisecond})
		}
	}
	return nil
}

// callOf finds a call by the carrier's id of it.
func callOf(ctx context.Context, api *client.Client, id string) (string, error) {
	wanted, err := jsonText(map[string]string{"telephony_id": id})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callAppears, errors.New("the server of --url does not know this call"))
	defer cancel()
	again := time.NewTicker(callAppears / 50)
	defer again.Stop()
	for {
		page, err := api.Calls().List(ctx, client.Query{Filters: wanted})
		switch {
		case err == nil && len(page.Items) > 0:
			return page.Items[0].ID, nil
		case err != nil && ctx.Err() == nil:
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-again.C:
		}
	}
}
