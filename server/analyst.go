package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/aftercall"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/store"
)

// analyst analyses calls with the models of their agents. It implements jobs.Analyst.
type analyst struct {
	providers *providers
	store     *store.Store
}

// OptsOut implements jobs.Analyst.
func (a analyst) OptsOut(c sidetone.Call, events []sidetone.Event) bool {
	return aftercall.OptsOut(c.Snapshot.Agent.Language, events)
}

// Analyse implements jobs.Analyst. It asks the agent's model, and its fallbacks in turn when
// that does not answer.
func (a analyst) Analyse(ctx context.Context, c sidetone.Call, events []sidetone.Event) (sidetone.Findings, error) {
	var drivers closers
	defer func() { drivers.close() }()
	models, missing, err := a.models(ctx, c, &drivers)
	if err != nil {
		return sidetone.Findings{}, err
	}
	if len(models) == 0 {
		return sidetone.Findings{Failure: "no language model is configured for the agent" + missing}, nil
	}
	var used []sidetone.Used
	var failed []string
	q := aftercall.NewQuestion(c, events)
	for _, m := range models {
		meter := &provider.Meter{}
		found, err := aftercall.Ask(provider.WithMeter(ctx, meter), m.driver, m.wish.model, q)
		if total := meter.Total(); total.Requests > 0 {
			used = sidetone.AddUsed(used, call.UsedOf("model", m.source, total))
		}
		if err == nil {
			found.Used = used
			return found, nil
		}
		failed = append(failed, call.Public(err))
		if ctx.Err() != nil {
			break
		}
	}
	return sidetone.Findings{Used: used}, fmt.Errorf("no model answered: %s", strings.Join(failed, "; "))
}

// models are those that the agent thinks with and that can be asked about a call; missing
// says why others do not serve.
func (a analyst) models(ctx context.Context, c sidetone.Call, drivers *closers) (found []served[llm.Driver], missing string, err error) {
	if followsPlaybook(c.Snapshot) {
		return nil, ": its prompt is a playbook, and it names no provider", nil
	}
	if own := c.Snapshot.ModelAccount; own != nil { // its secrets are gone with the call
		err := a.store.Read(ctx, c.EnvironmentID, func(tx *store.Tx) error {
			now, err := tx.Connection(own.ID)
			c.Snapshot.ModelAccount = &now
			return err
		})
		switch {
		case sidetone.CodeOf(err) == sidetone.NotFound:
			return nil, ": its account connection was deleted", nil
		case err != nil:
			return nil, "", internal("read the agent's account connection", err)
		}
	}
	settings, err := a.providers.settings(ctx, c.EnvironmentID)
	if err != nil {
		return nil, "", internal("read the settings of the environment", err)
	}
	models, err := a.providers.seekModels(ctx, c, settings, drivers)
	if err != nil {
		return nil, "", internal("find the agent's model", err)
	}
	for _, m := range models.found {
		if analyses(m) {
			found = append(found, m)
		} else {
			missing = ": a program of the customer's own is not asked about calls"
		}
	}
	if len(models.missing) > 0 {
		missing = ": " + why(models.missing)
	}
	return found, missing, nil
}

// internal is an error that customers may read, and its cause for the log.
func internal(what string, cause error) error {
	return &sidetone.Error{Code: sidetone.Internal, Message: "could not " + what, Cause: cause}
}

// analyses reports whether a model can be asked about a call: a program that follows calls
// by itself cannot.
func analyses(m served[llm.Driver]) bool { return m.wish.kind != "harness" }

// followsPlaybook says that the agent's prompt is a playbook and the agent names no vendor,
// so that nothing of its calls is to leave the server.
func followsPlaybook(s sidetone.Snapshot) bool {
	_, playbook, bad := scripted.InPrompt(s.Prompt.Content)
	return (playbook || bad != nil) && (s.Agent.Provider == "" || s.Agent.Provider == "scripted")
}
