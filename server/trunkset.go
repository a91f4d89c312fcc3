package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
)

// trunkLines are the trunks of this moment: the operator's, which the configuration has, and
// those that environments made, which come and go while the server runs
// (docs/adr/0013-trunks.md).
type trunkLines struct {
	operator []Trunk
	users    []sip.User // of the configuration, without those of trunks
	store    *store.Store
	guard    *outbound.Guard
	log      *slog.Logger
	driver   *sip.Driver // set once, before the first follow

	current atomic.Pointer[trunks]
	mu      sync.Mutex // one follow at a time
	seen    []trunkVersion
}

// trunkVersion is a row of a trunk as it was read.
type trunkVersion struct {
	id      string
	version int64
}

// followEvery is how often a node looks for trunks that another one changed.
const followEvery = time.Second

func newTrunkLines(c SIPConfig, users []sip.User, s *store.Store, g *outbound.Guard, log *slog.Logger) *trunkLines {
	l := &trunkLines{operator: c.Trunks, users: users, store: s, guard: g, log: log}
	l.current.Store(new(newTrunks(nil, c.Trunks)))
	return l
}

// now are the trunks as they are now.
func (l *trunkLines) now() trunks { return *l.current.Load() }

// follow brings the driver into the state of the store, if that has changed. A row that
// cannot be used is left out and logged: it costs no other trunk.
func (l *trunkLines) follow(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, err := l.store.EveryTrunk(ctx)
	if err != nil {
		return fmt.Errorf("read the trunks: %w", err)
	}
	versions := make([]trunkVersion, len(rows))
	for i, row := range rows {
		versions[i] = trunkVersion{row.ID, row.Version}
	}
	if l.current.Load().Driver != nil && slices.Equal(versions, l.seen) {
		return nil
	}
	list := slices.Clone(l.operator)
	for _, row := range rows {
		if t, err := l.usable(row); err != nil {
			l.log.Error("a trunk is not used", slog.String("environment", row.EnvironmentID), slog.String("trunk", row.Name), slog.Any("error", err))
		} else {
			list = append(list, t)
		}
	}
	if err := l.set(list); err != nil {
		list = l.together(list)
		if err := l.set(list); err != nil {
			return err
		}
	}
	l.current.Store(new(newTrunks(l.driver, list)))
	l.seen = versions
	return nil
}

// set hands trunks to the driver.
func (l *trunkLines) set(list []Trunk) error {
	carriers, users, err := sipTrunks(list, l.permit)
	if err == nil {
		err = l.driver.SetTrunks(carriers, append(slices.Clone(l.users), users...))
	}
	if err != nil {
		return fmt.Errorf("set the trunks: %w", err)
	}
	return nil
}

// together leaves out the environments' trunks that are good alone and not beside those
// before them.
func (l *trunkLines) together(list []Trunk) []Trunk {
	var out []Trunk
	for _, t := range list {
		more := append(slices.Clone(out), t)
		if err := checkSIP(more...); err != nil && t.EnvironmentID != "" {
			l.log.Error("a trunk is not used", slog.String("environment", t.EnvironmentID), slog.String("trunk", t.Name), slog.Any("error", err))
			continue
		}
		out = more
	}
	return out
}

// usable reads a row and checks that the driver takes it.
func (l *trunkLines) usable(row sidetone.Trunk) (Trunk, error) {
	t, err := storedTrunk(row)
	if err != nil {
		return t, err
	}
	return t, checkSIP(t)
}

// checkSIP asks the driver what it thinks of trunks.
func checkSIP(list ...Trunk) error {
	carriers, users, err := sipTrunks(list, nil)
	if err != nil {
		return err
	}
	return sip.Check(carriers, users) //nolint:wrapcheck // it names the trunk
}

// keepFollowing follows until done.
func (l *trunkLines) keepFollowing(done <-chan struct{}) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*followEvery)
		if err := l.follow(ctx); err != nil {
			l.log.Warn("follow the trunks of environments", slog.Any("error", err))
		}
		cancel()
	}
}

// permit says whether SIP may be sent to an address on behalf of a customer's trunk.
func (l *trunkLines) permit(host string, to netip.AddrPort) error {
	return l.guard.CheckTrunk(host, to.Port(), to.Addr()) //nolint:wrapcheck // it names the setting that allows it
}

// choose says to which of several trunks a call belongs that may come from all of them:
// the one that lists the called number and whose environment has it.
func (l *trunkLines) choose(called string, among []string) (string, bool) {
	now, first, found := l.now(), "", false
	for _, key := range among {
		t, e164, ok := now.listing(key, called)
		switch {
		case !ok:
		case t.EnvironmentID == "" || l.store.Owner(e164) == t.EnvironmentID:
			return key, true
		case !found:
			first, found = key, true
		}
	}
	return first, found
}

// CallerID implements api.CallerIDs.
func (l *trunkLines) CallerID(ours sidetone.Number, from string) error {
	return l.now().in(ours.EnvironmentID).CallerID(ours, from)
}

// trunkShop is the shop of the numbers that trunks list.
type trunkShop struct {
	lines         *trunkLines
	environmentID string
}

// In is the shop as an environment sees it, with the numbers of its own trunks.
func (s trunkShop) In(environmentID string) telephony.NumberShop {
	return trunkShop{s.lines, environmentID}
}

func (s trunkShop) trunks() trunks { return s.lines.now().in(s.environmentID) }

// Search implements telephony.NumberShop.
func (s trunkShop) Search(ctx context.Context, q telephony.NumberQuery) ([]telephony.AvailableNumber, error) {
	return s.trunks().Search(ctx, q)
}

// Buy implements telephony.NumberShop.
func (s trunkShop) Buy(ctx context.Context, number string) error { return s.trunks().Buy(ctx, number) }

// Release implements telephony.NumberShop.
func (s trunkShop) Release(ctx context.Context, number string) error {
	return s.trunks().Release(ctx, number)
}
