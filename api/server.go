package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/telephony"
)

// CallController ends live calls. call.Exchange implements it.
type CallController interface {
	// End hangs up a call, or stops it from being dialled, and returns when
	// that was asked for; e.HeadersOut go with the hang-up. A call that nobody runs
	// is a NotFound.
	End(ctx context.Context, environmentID string, e sidetone.Ending) error
	// PauseRecording makes both sides of a call's recording silent, or ends that, and
	// returns when it is so. A call that this node does not run is a NotFound, one that
	// is not recorded a Conflict.
	PauseRecording(ctx context.Context, environmentID, callID string, paused bool) error
}

// Feed hands out the live events of a call. cluster/local implements it.
type Feed interface {
	// Subscribe returns the events of the call from now on and the function
	// that ends the subscription. A closed channel means that the reader was
	// too slow or the feed is gone; the store has what was missed.
	Subscribe(callID string) (<-chan sidetone.Event, func())
}

// Recordings opens the sound of calls.
type Recordings interface {
	// Open returns the WAV file at path, as a call names it; an error with
	// code NotFound or fs.ErrNotExist when there is none. The caller closes it.
	Open(path string) (io.ReadSeekCloser, error)
}

// Ladders has the signalling of calls. recording/ladder implements it.
type Ladders interface {
	// Ladder returns the signalling of a call; an error with fs.ErrNotExist when there
	// is none.
	Ladder(callID string) (sidetone.Ladder, error)
	// Capture opens the capture file of a call, with the packets of its sound if they
	// are asked for and were kept; an error with fs.ErrNotExist when there is nothing.
	Capture(callID string, sound bool) (Capture, error)
}

// Capture is a capture file.
type Capture interface {
	io.WriterTo
	io.Closer
	// Size is its length in bytes.
	Size() int64
}

// Journals has the journals of calls. recording/journals implements it.
type Journals interface {
	// Text returns the journal of a call of an environment; an error with fs.ErrNotExist
	// when there is none.
	Text(ctx context.Context, environmentID, callID string) ([]byte, error)
}

// Copies opens recordings in another form. recording/mp3 implements it.
type Copies interface {
	// Open returns the copy of the WAV file at path, made when absent; an
	// errors.ErrUnsupported when copies cannot be made here, fs.ErrNotExist when
	// there is no such recording. The caller closes it.
	Open(ctx context.Context, path string) (io.ReadSeekCloser, error)
}

// Config is what the interface needs. Store is required; what else is absent
// is absent in the responses.
type Config struct {
	// Store has everything that is stored.
	Store *store.Store
	// Calls ends live calls; nil when this node runs none.
	Calls CallController
	// Feed has the live events; nil means that streams read the store only.
	Feed Feed
	// Recordings opens recordings; nil means that there are none.
	Recordings Recordings
	// MP3 opens recordings as MP3; nil means that there are only WAV files.
	MP3 Copies
	// Ladders has the signalling of calls; nil means that there is none.
	Ladders Ladders
	// Journals has the journals of calls; nil means that there is none.
	Journals Journals
	// Shops are the carriers that sell numbers, by provider name.
	Shops map[string]telephony.NumberShop
	// DefaultProvider is the shop of a request that names none; "" means
	// simulated.
	DefaultProvider string
	// CallerIDs knows which numbers calls may show; nil: each one itself.
	CallerIDs CallerIDs
	// Tokens checks JSON Web Tokens; nil means that only keys are accepted.
	Tokens TokenVerifier
	// TryWebhook sends a test to a webhook; nil where nothing is sent.
	TryWebhook func(context.Context, sidetone.Webhook) sidetone.DeliveryAttempt
	// TrustedProxies are the networks of the reverse proxies in front of the server,
	// whose X-Forwarded-For names the client.
	TrustedProxies []netip.Prefix
	// Operator is the bearer of this machine's command line; "" for none.
	Operator sidetone.Secret
	// RotateMaster wraps the data keys with a new master key and says which; nil
	// means that it is not possible here.
	RotateMaster func(context.Context) (MasterRotation, error)
	// Ready says whether the server can take work; nil asks the store.
	Ready func(context.Context) error
	// Stopping closes when the server begins to shut down: it is then not ready, and
	// refuses what would begin a call or a purchase. Nil never closes.
	Stopping <-chan struct{}
	// Drain closes when event streams must end for the shutdown. Nil never closes.
	Drain <-chan struct{}
	// IDs makes ids; nil makes them from Now.
	IDs *sidetone.IDs
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Poll is how often an event stream looks into the store for events that
	// no live one announced; 0 means a second.
	Poll time.Duration
	// Heartbeat is how often an event stream writes a comment; 0 means 15 s.
	Heartbeat time.Duration
	// Document is what requests are held against; nil loads the embedded one.
	Document *contract.Document
	// CheckInsights returns what is wrong with the schemas of what an agent wants to know after
	// its calls, nil when they may be stored; nil: they are not looked at.
	CheckInsights func(sidetone.Agent) error
	// CheckPrompt returns what is wrong with the text of a prompt, nil when it may
	// be stored; nil checks nothing.
	CheckPrompt func(content string) error
	// CheckSchema returns what is wrong with the JSON Schema of an action's input, nil when
	// arguments can be held against it; nil: nothing is checked.
	CheckSchema func(schema json.RawMessage) error
	// CheckAddress returns why nothing may be sent to an address that a setting names,
	// as far as can be told beforehand; nil checks nothing.
	CheckAddress func(address string) error
	// CheckAccount returns why a connection leads to no vendor, such as the member of its
	// config that is missing; nil checks nothing.
	CheckAccount func(c sidetone.Connection) error
	// CheckThinks returns why agents of a provider do not think with an account; nil
	// checks nothing.
	CheckThinks func(provider string, c sidetone.Connection) error
	// Unreadable says in a sentence, without what the text of a prompt says, what of it
	// cannot be read though it may be stored; "" for nothing. nil asks nothing.
	Unreadable func(content string) string
	// Lacking lists what calls of an agent have to do without as the server and the
	// environment are set up, in sentences that say nothing of what the agent says. nil
	// asks nothing.
	Lacking func(ctx context.Context, c sidetone.Call) ([]support.Warning, error)
	// LackingEnvironment does that for an environment: for whom it names, and, when it is
	// new, for the server's own keys. nil asks nothing.
	LackingEnvironment func(ctx context.Context, e sidetone.Environment, made bool) ([]support.Warning, error)
	// Speaks returns the type and the configuration of the voice that agents of an
	// environment speak with when they name none. nil: the built-in one.
	Speaks func(ctx context.Context, environmentID string) (sidetone.Voice, error)
	// TryConnection asks the vendor of a connection for a little with each driver that
	// works with it; none means that the type has no driver. nil tries nothing.
	TryConnection func(ctx context.Context, c sidetone.Connection) ([]Trial, error)
	// Trunks is what the server knows of trunks; nil: they are stored, and nothing is
	// checked.
	Trunks Trunks
	// Metrics counts requests and is what /metrics shows; nil makes one.
	Metrics *metrics.Registry
	// Log receives one line for each request; nil discards.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.DefaultProvider == "" {
		c.DefaultProvider = "simulated"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.IDs == nil {
		c.IDs = sidetone.NewIDs(c.Now)
	}
	if c.Ready == nil {
		c.Ready = c.Store.Ready
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Metrics == nil {
		c.Metrics = &metrics.Registry{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Calls == nil {
		c.Calls = nobody{}
	}
	if c.CallerIDs == nil {
		c.CallerIDs = ownCallerIDs{}
	}
	if c.Document == nil {
		doc, err := contract.Load()
		if err != nil {
			panic(err)
		}
		c.Document = doc
	}
	return c
}

// nobody is the CallController of a node without calls.
type nobody struct{}

// End knows no call.
func (nobody) End(context.Context, string, sidetone.Ending) error {
	return sidetone.Errorf(sidetone.NotFound, "call not found")
}

// PauseRecording knows no call.
func (nobody) PauseRecording(context.Context, string, string, bool) error {
	return sidetone.Errorf(sidetone.NotFound, "call not found")
}

// server carries out requests.
type server struct {
	Config
	counters requestCounters
	gzips    sync.Pool
	// table says what acts.
	table *support.Table
	// operatorHash is that of Operator.
	operatorHash [32]byte
	// inflight are the idempotency keys of requests that are being carried out.
	inflight sync.Map
}

// New returns the handler of the whole interface. It panics when the embedded
// document and the list of routes do not fit together, which a test excludes.
func New(c Config) http.Handler {
	c = c.withDefaults()
	s := &server{Config: c, operatorHash: c.Operator.Hash(), table: support.NewTable()}
	s.counters = newRequestCounters(s.Metrics)
	s.gzips.New = func() any { return gzip.NewWriter(io.Discard) }
	paths := map[string]methods{}
	for _, route := range s.routes() {
		method, path, _ := strings.Cut(route.pattern, " ")
		operation, err := c.Document.Operation(method, path)
		if err != nil {
			panic(err)
		}
		route.operation = operation
		if err := route.guarded(); err != nil {
			panic(err)
		}
		if paths[path] == nil {
			paths[path] = methods{}
		}
		paths[path][method] = route
	}
	mux := http.NewServeMux()
	for path, methods := range paths {
		mux.Handle(path, s.dispatch(methods))
	}
	mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound)) // until there is a page
	mux.Handle("/", http.HandlerFunc(s.unknownRoute))
	return s.observed(newSpellings(slices.Collect(maps.Keys(paths))).correct(mux))
}
