package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/aftercall"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/auth"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/cluster/local"
	"github.com/sidetone/sidetone/jobs"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/recording/disk"
	"github.com/sidetone/sidetone/recording/journals"
	"github.com/sidetone/sidetone/recording/ladder"
	"github.com/sidetone/sidetone/recording/mp3"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/simulated"
	"github.com/sidetone/sidetone/telephony/sip"
)

// Options is how a process wants to be served, besides its Config.
type Options struct {
	// ReadyFile is written once calls can be taken; empty: not at all.
	ReadyFile string
	// Hints prints the newcomer's next commands.
	Hints bool
	// Program is how this program was called and ConfigFile the file of its
	// configuration; the hints repeat them. Both may be empty.
	Program, ConfigFile string
	// Out and Log take the hints and the log lines; nil means discarded.
	Out, Log io.Writer
	// Now, when closed, ends live calls at once instead of draining.
	Now <-chan struct{}
	// Version is reported in logs.
	Version string
	// Wheels is how many goroutines pace calls; 0: one for each processor core.
	Wheels int
	// vendors are the drivers of vendors; nil means newVendors.
	vendors *vendors
}

// server holds the running parts, in the order they were started.
type server struct {
	config   Config
	options  Options
	log      *slog.Logger
	clock    call.Clock
	store    *store.Store
	masters  *masterKeys
	bus      *local.Bus
	exchange *call.Exchange
	sip      *sip.Driver
	lines    *trunkLines
	jobs     *jobs.Client
	shop     *simulated.Shop
	disk     *disk.Recordings
	ladders  *ladder.Book
	journals *journals.Book // nil when none are kept
	copies   *mp3.Copies
	figures  metrics.Registry // what /metrics shows
	resumed  *metrics.Counter // calls of processes that died
	lost     *metrics.Counter
	key      sidetone.Secret
	node     string    // this process in the record
	before   []string  // those that had this data directory before and may have left calls
	alive    time.Time // when the last of them is known to have run; zero when there was none
	// operator is the bearer of the command line on this machine.
	operator sidetone.Secret
	tokens   *auth.Verifier // nil when only keys are accepted
	proxies  []netip.Prefix
	guard    *outbound.Guard
	// tryWebhook sends a test to a webhook.
	tryWebhook func(context.Context, sidetone.Webhook) sidetone.DeliveryAttempt
	// providers plan the calls.
	providers *providers
	stop      chan struct{} // ends the wheels
	stopping  chan struct{} // closed when the drain begins
	draining  chan struct{} // closed when event streams must end
	wg        sync.WaitGroup
}

// Run serves until ctx ends, then drains and stops. It returns after everything
// it started has ended.
func Run(ctx context.Context, c Config, o Options) (err error) {
	s := &server{config: c, options: o, clock: systemClock(), stop: make(chan struct{}), stopping: make(chan struct{}), draining: make(chan struct{})}
	if o.Out == nil {
		s.options.Out = io.Discard
	}
	if o.Log == nil {
		s.options.Log = io.Discard
	}
	s.log = newLogger(c.Log, s.options.Log)
	lock, err := lockData(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = join(err, lock.Close()) }()
	if err := s.nameNode(); err != nil {
		return err
	}
	if s.masters, err = newMasterKeys(c); err != nil {
		return err
	}
	if s.store, err = openStore(ctx, c, s.masters, s.log); err != nil {
		return err
	}
	defer func() { err = join(err, s.store.Close()) }()
	if err := s.masters.prepare(ctx, s.store, s.log); err != nil {
		return err
	}
	if err := s.prepareAccess(); err != nil {
		return err
	}
	defer s.guard.Close()
	if err := s.firstKey(ctx); err != nil {
		return err
	}
	if err := s.sayDoubts(ctx); err != nil {
		return err
	}
	if err := s.store.PrepareSecrets(ctx); err != nil {
		return fmt.Errorf("open the stored secrets with this master key: %w", err)
	}
	return s.serve(ctx)
}

// sayDoubts warns about what the configuration says of vendors and does not act.
func (s *server) sayDoubts(ctx context.Context) error {
	all, err := s.store.Environments(ctx)
	if err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	var ids []string
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	for _, why := range s.config.doubts(ids) {
		s.log.Warn("a setting does not act as things are", slog.String("reason", why))
	}
	return nil
}

// prepareAccess prepares the bearers besides API keys: the operator and tokens.
func (s *server) prepareAccess() (err error) {
	if err := s.closeControl(); err != nil { // of a process that was killed
		return err
	}
	s.operator = sidetone.NewKey()
	if s.proxies, err = prefixes("http.trusted_proxies", s.config.HTTP.TrustedProxies); err != nil {
		return err
	}
	if s.guard, err = newGuard(s.config.Outbound); err != nil {
		return err
	}
	for _, why := range s.config.unusedKeys() {
		s.log.Warn("a vendor's key from the environment is not used", slog.String("reason", why))
	}
	s.tokens, err = s.config.Auth.tokens(s.clock.Now, s.log)
	return err
}

// join keeps both errors; nil when there is none.
func join(a, b error) error {
	if a == nil {
		return b
	}
	return errors.Join(a, b)
}

func newLogger(c LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func openStore(ctx context.Context, c Config, masters *masterKeys, log *slog.Logger) (*store.Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := store.Open(ctx, store.Config{URL: c.StoreURL(), Address: c.HTTP.PublicURL, MigrateURL: c.Database.MigrateURL.Reveal(),
		Masters: masters.Masters, Log: log})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the database up to date: %w", err), s.Close())
	}
	if err := s.Isolated(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("keep environments apart: %w", err), s.Close())
	}
	return s, nil
}

// serve starts the parts that take calls and requests, waits for ctx, and stops
// them in reverse order.
func (s *server) serve(ctx context.Context) (err error) {
	if s.disk, err = disk.New(filepath.Join(s.config.Data, "recordings"), s.log); err != nil {
		return err
	}
	defer func() { err = join(err, s.disk.Close()) }()
	s.copies, err = mp3.New(mp3.Config{Source: s.disk, Dir: filepath.Join(s.config.Data, "recordings", "mp3"), Program: s.config.Recordings.Lame, Log: s.log})
	if err != nil {
		return err
	}
	defer func() { err = join(err, s.copies.Close()) }()
	s.ladders = ladder.New(ladder.Config{Dir: s.disk.Dir(), Now: s.clock.Now, Log: s.log})
	defer func() { err = join(err, s.ladders.Close()) }()
	if err := s.openJournals(); err != nil {
		return err
	}
	defer func() { err = join(err, s.closeJournals()) }()
	phone, err := sipConfig(s.config.SIP, s.log)
	if err != nil {
		return err
	}
	if s.config.Recordings.Signalling {
		phone.Watcher = s.ladders
	}
	if s.config.Server.Resume {
		phone.ResumeWithin = resumeWithin
	}
	phone.RefusedCall = func(info telephony.Info, why telephony.Refusal) { s.exchange.Refused(info, why) } // it is there when Serve runs
	phone.Refused, phone.Unconfirmed = countRefusals(&s.figures), countUnconfirmed(&s.figures)
	s.lines = newTrunkLines(s.config.SIP, phone.Users[:len(s.config.SIP.Users)], s.store, s.guard, s.log)
	phone.Choose = s.lines.choose
	if s.sip, err = sip.New(phone); err != nil {
		return fmt.Errorf("listen for SIP on %s: %w", s.config.SIP.Addr, err)
	}
	defer func() { err = join(err, s.sip.Close()) }()
	showTrunks(&s.figures, s.sip.TrunkStates)
	s.lines.driver = s.sip
	if err := s.lines.follow(ctx); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.config.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("listen for HTTP on %s: %w", s.config.HTTP.Addr, err)
	}
	if err := s.openShop(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	stopWebhooks, err := s.startWebhooks(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopWebhooks() // what calls tell when they end is told, too
	s.startCalls()
	defer s.stopCalls()
	if err := s.makeJobs(); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := s.signNode(append(s.before, s.node)...); err != nil { // before any call is this one's
		return errors.Join(err, listener.Close())
	}
	s.wg.Go(func() { s.noteAlive(s.stop) })
	if err := errors.Join(s.recover(ctx), s.signNode(s.node)); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.purchases().settle(ctx, s.abandoned())
	s.wg.Go(func() { s.reap(s.stop) })
	s.wg.Go(func() { s.tidy(s.stop) })
	s.wg.Go(func() { s.lines.keepFollowing(s.stop) })
	if err := s.jobs.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("start job engine: %w", err), listener.Close())
	}
	return s.open(ctx, listener)
}

// startCalls makes the exchange and the wheels that pace its calls.
func (s *server) startCalls() {
	wheels := make([]*call.Wheel, cmp.Or(s.options.Wheels, runtime.GOMAXPROCS(0)))
	for i := range wheels {
		wheels[i] = call.NewWheel(s.clock)
		s.wg.Go(func() { wheels[i].Run(s.stop) })
	}
	s.bus = local.New()
	s.resumed = s.figures.Counter("sidetone_calls_resumed_total", "Calls whose process died and that this one goes on with.")
	s.lost = s.figures.Counter("sidetone_calls_lost_total", "Calls whose process died and that this one has closed.")
	s.providers = newProviders(s.config, s.vendors(), newKeyring(s.config, s.store, s.guard), s.log, s.placeFreed)
	var packets call.Tapes
	if s.config.Recordings.RTP {
		packets = tapes{s.ladders}
	}
	s.exchange = call.New(call.Config{
		Node: s.node, Clock: s.clock, Directory: directory{s.store, s.lines.now}, Ledger: ledger{s.store}, Refusals: s.store, Runs: s.store,
		Publisher: s.bus, Recordings: recordings{s.disk}, Signalling: s.ladders, Tapes: packets, Journals: s.callJournals(), Build: s.options.Version, Planner: s.providers, Wheels: wheels,
		IDs: sidetone.NewIDs(time.Now), Numbers: callable{s.store}, Handovers: handovers{callable{s.store}, s.lines.now, s.log}, Contexts: contexts{client: s.guard.Client, now: time.Now}, Carriers: carriers{simulated: s.sip, trunks: s.lines.now},
		AnswerAfter: s.config.Calls.AnswerAfter, MaxCalls: s.config.Calls.Max, Comfort: s.config.Calls.ComfortNoise,
		Phrases: call.NewPhrases(), Refused: s.keyRefused, Accepted: s.keyAccepted, Measured: countLines(&s.figures), Turned: s.turned(s.startExporter()), Log: s.log,
	})
}

// vendors are the drivers of vendors.
func (s *server) vendors() vendors {
	if s.options.vendors != nil {
		return *s.options.vendors
	}
	return newVendors()
}

// openShop makes the simulated carrier, which must not sell a number twice.
func (s *server) openShop(ctx context.Context) error {
	all, err := s.store.Environments(ctx)
	if err != nil {
		return fmt.Errorf("list environments: %w", err)
	}
	var sold []string
	for _, e := range all {
		err := s.store.Read(ctx, e.ID, func(tx *store.Tx) error {
			for q := (sidetone.PageQuery{Page: 1, Size: 100}); ; q.Page++ {
				page, err := tx.Numbers(q)
				if err != nil {
					return err
				}
				for _, n := range page.Items {
					sold = append(sold, n.Number)
				}
				if !page.HasMore {
					kept, err := tx.DetachedNumbers()
					sold = append(sold, kept...)
					return err
				}
			}
		})
		if err != nil {
			return fmt.Errorf("list numbers: %w", err)
		}
	}
	s.shop = simulated.New(sold...)
	return nil
}

// stopCalls ends what is left of the calls.
func (s *server) stopCalls() {
	s.exchange.Close()
	close(s.stop)
	s.wg.Wait()
}

// makeJobs makes the job engine, before the first call: calls tell it of places that they
// leave.
func (s *server) makeJobs() error {
	engine, err := jobs.New(jobs.Config{Store: s.store, Dialer: dialer{s.exchange}, Analyst: analyst{s.providers, s.store}, Log: s.log, Trunk: func(j sidetone.DialJob) string { return s.lines.now().of(j) },
		Dials: jobs.Limits{Kind: s.config.Calls.Max, Environment: s.config.Calls.RingingPerEnvironment, Trunk: s.config.Calls.RingingPerTrunk}})
	if err != nil {
		return fmt.Errorf("make job engine: %w", err)
	}
	s.store.SetEnqueuer(engine)
	s.jobs = engine
	return nil
}

// placeFreed lets the calls that wait for a place at the recogniser try again.
func (s *server) placeFreed() { s.jobs.Retry() }

// stopJobs stops placing calls and waits for those that ring until ctx ends, when
// they are cancelled. Calls that were not begun are placed by the next process.
func (s *server) stopJobs(ctx context.Context) {
	if err := s.jobs.Stop(ctx); err != nil {
		s.log.Warn("stop job engine", slog.Any("error", err))
	}
}

// open serves calls and requests until ctx ends, then drains.
func (s *server) open(ctx context.Context, listener net.Listener) error {
	calls, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	failed := make(chan error, 2)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := s.sip.Serve(calls, s.exchange.Answer); err != nil && calls.Err() == nil {
			failed <- fmt.Errorf("serve SIP: %w", err)
		}
	})
	bounded := limited(listener, s.config.Calls, s.log)
	web := newWeb(s.api(), bounded, s.log)
	wg.Go(func() {
		if err := web.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	})
	err := s.announce(ctx, listener)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	s.drain(web)
	err = join(err, s.closeControl())
	s.exchange.Close() // ends what is left with its true reason
	hangUp()
	return err
}

// shops are the carriers that sell numbers, by provider.
func (s *server) shops() map[string]telephony.NumberShop {
	return map[string]telephony.NumberShop{"simulated": s.shop, "sip": trunkShop{lines: s.lines}}
}

// api is the handler of the API.
func (s *server) api() http.Handler {
	figures := &s.figures
	figures.Gauge("sidetone_build_info", "The running version.", func() float64 { return 1 },
		"version", s.options.Version, "go", runtime.Version())
	figures.Gauge("sidetone_calls_live", "Calls that are under way on this node.", func() float64 { return float64(s.exchange.Live()) })
	figures.Gauge("go_goroutines", "Goroutines.", func() float64 { return float64(runtime.NumGoroutine()) })
	config := api.Config{
		Metrics: figures,
		Store:   s.store, Calls: s.exchange, Feed: s.bus, Recordings: s.disk, MP3: s.copies, Ladders: captures{s.ladders}, Journals: s.apiJournals(), Drain: s.draining,
		CallerIDs: s.lines,
		Shops:     s.shops(), Log: s.log, Stopping: s.stopping, TrustedProxies: s.proxies,
		Ready:        (&readiness{store: s.store, data: s.config.Data, now: s.clock.Now, id: sidetone.NewIDs(s.clock.Now).New()}).check,
		Operator:     s.operator,
		CheckAccount: checkAccount, CheckThinks: s.providers.vendors.checkThinks,
		CheckPrompt: scripted.Check, CheckInsights: aftercall.Check, CheckSchema: checkInputSchema, CheckAddress: s.guard.Check,
		Unreadable: scripted.Unreadable,
		Lacking:    s.providers.lacking, LackingEnvironment: s.providers.lackingEnvironment, Speaks: s.providers.speaks, TryConnection: s.tryConnection,
		Trunks:       trunkRules{s.lines},
		TryWebhook:   s.tryWebhook,
		RotateMaster: func(ctx context.Context) (api.MasterRotation, error) { return s.masters.rotate(ctx, s.store) },
	}
	if s.tokens != nil {
		config.Tokens = s.tokens
	}
	return api.New(config)
}

// announce logs the addresses and writes hints and ready file.
func (s *server) announce(ctx context.Context, listener net.Listener) error {
	r := Ready{HTTP: "http://" + listener.Addr().String(), SIP: s.sip.Addr().String(), SIPTLS: s.secureAddr(), APIKey: s.key.Reveal()}
	s.log.Info("ready", slog.String("version", s.options.Version), slog.String("http", r.HTTP), slog.String("sip", r.SIP))
	if err := s.openControl(listener); err != nil {
		return err
	}
	if s.options.Hints {
		h, err := s.hints(ctx, r)
		if err == nil {
			err = h.print(s.options.Out)
		}
		if err != nil {
			return err
		}
	}
	if s.options.ReadyFile != "" {
		if err := writeReady(s.options.ReadyFile, r); err != nil {
			return err
		}
	}
	return s.settleKey()
}

// drain waits for live calls to end, for at most the configured time, or until Now
// is closed.
func (s *server) drain(web *http.Server) {
	close(s.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Calls.Drain)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	if s.options.Now != nil {
		go func() {
			select {
			case <-s.options.Now:
				cancel()
			case <-ended:
			}
		}()
	}
	if n := s.exchange.Live(); n > 0 {
		s.log.Info("draining", slog.Int("calls", n), slog.Duration("at_most", s.config.Calls.Drain))
	}
	var jobs sync.WaitGroup
	jobs.Go(func() { s.stopJobs(ctx) })
	jobs.Go(s.sip.Withdraw)
	s.exchange.Drain(ctx)
	jobs.Wait()
	s.exchange.Close() // ends what is left, while the lines still stand
	close(s.draining)
	closing, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	if err := web.Shutdown(closing); err != nil {
		_ = web.Close() // event streams that are still open
	}
}
