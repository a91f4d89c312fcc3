package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/outbound"
)

const (
	// vendorsTime bounds all questions to vendors together.
	vendorsTime = time.Minute
	// vendorsAtOnce is how many accounts are tried at a time, and vendorsAsked how many
	// at most.
	vendorsAtOnce, vendorsAsked = 8, 100
)

// vendorAccount is an account at a vendor that is to be tried.
type vendorAccount struct {
	vendor string
	// whose says where its key is, and fix what to do when the vendor refuses it.
	whose, fix string
	try        func(ctx context.Context) ([]client.ConnectionCheck, error)
}

// checkVendors asks the vendors of the server's own keys, and those of the environments'
// default connections, for a little. It keeps with the connections what was said.
func checkVendors(ctx context.Context, c Config, database Finding) []Finding {
	ctx, cancel := context.WithTimeout(ctx, vendorsTime)
	defer cancel()
	guard, err := newGuard(c.Outbound)
	if err != nil {
		return []Finding{{Name: "vendors", Detail: err.Error(), Fix: "correct the setting that it names"}}
	}
	defer guard.Close()
	out := tryAccounts(ctx, serverAccounts(c, guard))
	if proxy := checkProxy(http.ProxyFromEnvironment); proxy.Detail != "" {
		out = append(out, proxy)
	}
	if !hasAgents(c, database) {
		return append(out, doubtful(c, nil)...)
	}
	err = Operate(ctx, c, func(own *client.Client) error {
		accounts, environments, err := defaultConnections(ctx, own)
		out = append(out, doubtful(c, environments)...)
		out = append(out, tryAccounts(ctx, accounts[:min(len(accounts), vendorsAsked)])...)
		if more := len(accounts) - vendorsAsked; more > 0 {
			out = append(out, Finding{Name: "vendors", Detail: fmt.Sprintf("%d more connections were not tried", more), Optional: true})
		}
		return err
	})
	if err != nil {
		out = append(out, Finding{Name: "vendors", Detail: err.Error(), Fix: "start the server, or wait until it has started, and ask again", Optional: true})
	}
	return out
}

// doubtful are findings of what the configuration says of vendors and does not act.
func doubtful(c Config, environments []string) (out []Finding) {
	for _, why := range c.doubts(environments) {
		out = append(out, Finding{Name: "vendors", Detail: why, Fix: "correct the setting", Optional: true})
	}
	return out
}

// serverAccounts are those of the configuration.
func serverAccounts(c Config, guard *outbound.Guard) (out []vendorAccount) {
	list := newVendors()
	for _, s := range suppliers() {
		p := c.Providers[s.name]
		if !p.configured() {
			continue
		}
		a := p.access()
		a.HTTP, a.Base = guard.Operator(""), s.address(a.Base)
		fix := "see providers." + s.name
		if s.variable != "" {
			fix += " in the configuration, or " + s.variable
		}
		out = append(out, vendorAccount{vendor: s.name, whose: "the server's key", fix: fix, try: func(ctx context.Context) ([]client.ConnectionCheck, error) {
			if err := s.addressed(a, "providers."+s.name); err != nil {
				return nil, err
			}
			return checksOf(list.trials(ctx, s.account, a)), nil
		}})
	}
	return out
}

// checksOf is what the interface shows of trials.
func checksOf(trials []api.Trial) (out []client.ConnectionCheck) {
	for _, t := range trials {
		check := client.ConnectionCheck{Part: t.Part, OK: t.Err == nil, LatencyMS: t.Latency.Milliseconds()}
		if t.Err != nil {
			check.Error = t.Err.Error()
		}
		out = append(out, check)
	}
	return out
}

// defaultConnections are the environments' at vendors that have drivers, and the ids of
// all environments.
func defaultConnections(ctx context.Context, own *client.Client) (out []vendorAccount, environments []string, err error) {
	known := map[string]string{}
	for _, s := range suppliers() {
		known[s.account] = s.name
	}
	for e, err := range own.Environments().All(ctx, client.Query{Size: 100}) {
		if err != nil {
			return out, environments, err
		}
		environments = append(environments, e.ID)
		there := *own
		there.Environment = e.ID
		for c, err := range there.AccountConnections().All(ctx, client.Query{Size: 100}) {
			if err != nil {
				return out, environments, fmt.Errorf("environment %s: %w", e.ID, err)
			}
			if c.Default == nil || !*c.Default || known[c.Type] == "" {
				continue
			}
			out = append(out, vendorAccount{vendor: known[c.Type], whose: fmt.Sprintf("connection %s of environment %s", c.ID, cmp.Or(e.Name, e.ID)),
				fix: "`sidetone connect " + known[c.Type] + "` stores another key", try: func(ctx context.Context) ([]client.ConnectionCheck, error) {
					tested, err := there.AccountConnections().Test(ctx, c.ID)
					return tested.Checks, err
				}})
		}
	}
	return out, environments, nil
}

// tryAccounts tries some at a time, and tells in their order what the vendors said.
func tryAccounts(ctx context.Context, all []vendorAccount) []Finding {
	out := make([]Finding, len(all))
	places := make(chan struct{}, vendorsAtOnce)
	var running sync.WaitGroup
	for i, a := range all {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out[i] = a.finding(ctx)
		})
	}
	running.Wait()
	return out
}

// finding tries the account.
func (a vendorAccount) finding(ctx context.Context) Finding {
	f := Finding{Name: "vendor " + a.vendor, Optional: true}
	checks, err := a.try(ctx)
	if err != nil {
		f.Detail, f.Fix = a.whose+" was not tried: "+err.Error(), "ask again"
		return f
	}
	var said []string
	for _, c := range checks {
		if c.OK {
			said = append(said, fmt.Sprintf("%s ok after %d ms", c.Part, c.LatencyMS))
			continue
		}
		said = append(said, c.Part+" failed: "+c.Error)
		f.Fix = a.fix
	}
	f.Detail = a.whose + ": " + strings.Join(said, ", ")
	return f
}

// checkProxy names the proxy that requests to vendors go through; it finds nothing when
// there is none.
func checkProxy(find func(*http.Request) (*url.URL, error)) Finding {
	proxy, err := find(&http.Request{URL: &url.URL{Scheme: "https", Host: "vendor.example"}})
	switch {
	case err != nil:
		return Finding{Name: "proxy", Detail: "HTTPS_PROXY is no address of a proxy", Fix: "correct it", Optional: true}
	case proxy == nil:
		return Finding{}
	}
	return Finding{Name: "proxy", Detail: "vendors are reached through " + proxy.Host +
		"; names and addresses are checked before, and the proxy has the last word on where they lead"}
}
