package call

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/telephony"
)

const (
	routeTimeout  = 100 * time.Millisecond
	storeTimeout  = 2 * time.Second
	hangupTimeout = 5 * time.Second
	// closeTimeout is what Close gives live calls: to hang up, and to store it.
	closeTimeout = confirmTimeout + storeTimeout
	// LeaseLength is how long a node is believed to run a call since it has last said so,
	// and LeaseRenewal how often it says so.
	LeaseLength  = 20 * time.Second
	LeaseRenewal = 5 * time.Second
)

// Config is what an Exchange works with. All fields are required unless they
// say otherwise.
type Config struct {
	// Node names this process in the record.
	Node string
	// Clock is the source of time.
	Clock Clock
	// Directory finds who answers; Ledger keeps the record; Publisher shows it
	// live; Recordings keeps the sound (nil: nothing is recorded); Planner
	// chooses drivers.
	Directory  Directory
	Ledger     Ledger
	Publisher  Publisher
	Recordings Recordings
	Planner    Planner
	// Tapes keeps the packets of calls that are recorded; nil: they are not kept.
	Tapes Tapes
	// Runs keeps what actions were run that are to be done once at most; nil: nobody does,
	// and they are run all the same.
	Runs Runs
	// Refusals keeps calls that were refused; nil: only the rows of calls to numbers
	// of ours are kept.
	Refusals Refusals
	// Signalling keeps the signalling of inbound calls; nil: nobody does. Drivers tell
	// it themselves which calls they place.
	Signalling Signalling
	// Journals keeps what becomes of the machines, but of calls that may keep no text;
	// nil: nobody does. Build is the version that they show.
	Journals Journals
	Build    string
	// Wheels pace the calls, each of which is dealt to one of them when it is
	// answered; whoever made them runs them. One for each processor core keeps all
	// cores busy. At least one.
	Wheels []*Wheel
	// IDs makes call ids.
	IDs *sidetone.IDs
	// Carriers finds who places a call.
	Carriers Carriers
	// Contexts is asked for what is known of who calls; nil: nobody is.
	Contexts Contexts
	// Numbers is asked when a carrier redirects a call; nil: none is redirected.
	Numbers Numbers
	// Handovers is asked when a caller is handed to somebody else; nil: nothing is forbidden,
	// no trunk says anything and nobody is recorded.
	Handovers Handovers
	// AnswerAfter is how long inbound calls ring.
	AnswerAfter time.Duration
	// MaxCalls bounds the live calls of the node; 0 means 1000. The calls that one
	// environment has placed take at most nine tenths of it.
	MaxCalls int
	// Comfort sends comfort noise while the agent is silent.
	Comfort bool
	// Phrases caches often-said sounds; nil means none.
	Phrases *Phrases
	// Refused is told of each credential that a vendor does not accept; nil: nobody
	// is. It returns at once and may be called concurrently.
	Refused func(Refused)
	// Accepted is told of each credential that a vendor accepts, once in a call, and
	// again when it was refused in between. As Refused otherwise.
	Accepted func(Accepted)
	// Measured is told how the line of each call was; nil: nobody is. As Refused
	// otherwise.
	Measured func(sidetone.LineQuality)
	// Turned is told of each turn that is over, once it is in the call's record; nil:
	// nobody is. As Refused otherwise.
	Turned func(TurnTaken)
	// Log receives one line a call and warnings.
	Log *slog.Logger
}

// Exchange admits and runs the live calls of one node. Its methods are safe for
// concurrent use.
type Exchange struct {
	c       Config
	scribe  *scribe
	refused *refusedCalls
	broken  *breakers
	tables  string          // the version of the machine's word lists
	ctx     context.Context // of all calls; ends at the drain's deadline
	cancel  context.CancelFunc

	mu       sync.Mutex
	live     map[string]*Session
	dialling map[string]placing // calls that are being placed
	admitted int                // calls that were let in and are not over
	placed   map[string]int     // those that were placed, by environment
	draining bool               // no calls are let in
	closing  bool               // none are placed either, and the live ones end
	wg       sync.WaitGroup
}

// New returns an Exchange and starts its helpers (event writer, lease keeper,
// recorder of refused calls); Close ends them.
func New(c Config) *Exchange {
	ctx, cancel := context.WithCancel(context.Background())
	if c.MaxCalls == 0 {
		c.MaxCalls = 1000
	}
	x := &Exchange{c: c, ctx: ctx, cancel: cancel, live: map[string]*Session{}, dialling: map[string]placing{}, placed: map[string]int{},
		tables: conversation.TablesVersion(), broken: newBreakers(c.Clock), scribe: newScribe(c.Ledger, c.Publisher, c.Clock, c.Log)}
	x.refused = newRefusedCalls(x)
	x.wg.Go(func() { x.scribe.run(ctx) })
	x.wg.Go(func() { x.refused.run(ctx) })
	x.wg.Go(func() { x.keepLeases(ctx) })
	return x
}

// wheel returns the wheel that paces the fewest calls.
func (x *Exchange) wheel() *Wheel {
	return slices.MinFunc(x.c.Wheels, func(a, b *Wheel) int { return cmp.Compare(a.load(), b.load()) })
}

// Mended tells that the credential of an account was tried and serves a part, which is
// "recogniser", "model" or "voice": it is not passed over any more for what came before.
func (x *Exchange) Mended(served, account string) { x.broken.mend(part(served), account) }

// Live returns how many calls are under way.
func (x *Exchange) Live() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.live)
}

// Runs reports whether this node runs or places the call.
func (x *Exchange) Runs(callID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, live := x.live[callID]
	_, dialling := x.dialling[callID]
	return live || dialling
}

// End asks the call to end politely, or gives up placing it; an error with code
// NotFound when this node does neither. e.HeadersOut go with the hang-up.
func (x *Exchange) End(_ context.Context, environmentID string, e sidetone.Ending) error {
	x.mu.Lock()
	s, live := x.live[e.CallID]
	a, dialling := x.dialling[e.CallID]
	x.mu.Unlock()
	switch {
	case live && s.call.EnvironmentID == environmentID:
		s.end(e)
	case dialling && a.environmentID == environmentID:
		a.cancel(ended{e})
	default:
		return sidetone.Errorf(sidetone.NotFound, "call is not live")
	}
	return nil
}

// Drain lets no more calls in and waits until those under way are over, or ctx
// ends; Close ends what is left. Calls that Dial is asked for are still placed:
// whoever asked has promised it already.
func (x *Exchange) Drain(ctx context.Context) {
	x.mu.Lock()
	x.draining = true
	x.mu.Unlock()
	for ctx.Err() == nil && x.busy() {
		x.c.Clock.Sleep(50*time.Millisecond, ctx.Done())
	}
}

func (x *Exchange) busy() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.admitted > 0
}

// Close ends the live calls and returns when nothing of the Exchange runs any
// more.
func (x *Exchange) Close() {
	x.mu.Lock()
	x.draining, x.closing = true, true
	for _, s := range x.live {
		s.inbox.postUrgent(leave{"shutdown"})
	}
	x.mu.Unlock()
	deadline, cancel := withTimeout(x.c.Clock, closeTimeout)
	defer cancel()
	x.Drain(deadline)
	x.cancel()
	x.wg.Wait()
}

// admit makes room for a call that came in, unless the node is full or lets none
// in.
func (x *Exchange) admit() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.draining:
		return &telephony.Refusal{Cause: telephony.CauseOverload, Reason: "the server is being stopped"}
	case x.admitted >= x.c.MaxCalls:
		return &telephony.Refusal{Cause: telephony.CauseOverload, Reason: "no room for another call"}
	}
	x.admitted++
	return nil
}

func (x *Exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.admitted--
}

// admitPlaced makes room for a call that an environment places; one place in ten
// is for others, so that a campaign does not fill the node.
func (x *Exchange) admitPlaced(environmentID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing || x.admitted >= x.c.MaxCalls || x.placed[environmentID] >= max(1, x.c.MaxCalls*9/10) {
		return false
	}
	x.admitted++
	x.placed[environmentID]++
	return true
}

func (x *Exchange) leavePlaced(environmentID string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.admitted--
	if x.placed[environmentID]--; x.placed[environmentID] == 0 {
		delete(x.placed, environmentID)
	}
}

func (x *Exchange) addLive(s *Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.live[s.call.ID] = s
	if x.closing {
		s.inbox.postUrgent(leave{"shutdown"})
	}
}

func (x *Exchange) removeLive(s *Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.live, s.call.ID)
}

// keepLeases tells the record that the live calls are still run, and ends those
// of which the record says so.
func (x *Exchange) keepLeases(ctx context.Context) {
	for ctx.Err() == nil {
		x.c.Clock.Sleep(LeaseRenewal, ctx.Done())
		x.mu.Lock()
		ids := make([]string, 0, len(x.live))
		for id := range x.live {
			ids = append(ids, id)
		}
		x.mu.Unlock()
		if len(ids) == 0 || ctx.Err() != nil {
			continue
		}
		x.renew(ctx, ids)
	}
}

// renew renews the leases of live calls within the time they have left.
func (x *Exchange) renew(ctx context.Context, ids []string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer x.c.Clock.AfterFunc(LeaseRenewal, cancel)()
	end, err := x.c.Ledger.RenewLeases(ctx, x.c.Node, ids, x.c.Clock.Now().Add(LeaseLength))
	if err != nil {
		x.c.Log.Warn("renew leases", slog.Any("error", err))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range end {
		if s := x.live[e.CallID]; s != nil && !s.asked {
			s.asked = true
			s.end(e)
		}
	}
}

// withTimeout returns a context that ends after d of the clock's time.
func withTimeout(c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := c.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() { stop(); cancel(nil) }
}
