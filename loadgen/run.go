package loadgen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// memoryRest is how long the load stands, at most, before memory is read.
const memoryRest = 2 * time.Second

// rig is everything one run shares.
type rig struct {
	config Config
	clock  clock
	local  netip.Addr
	phone  *phone
	wheel  *wheel
	window window
	sounds sounds
	tally  tally
	server process
	cancel context.CancelFunc
	calls  sync.WaitGroup
	owned  sync.WaitGroup
}

// newRig opens the signalling and starts the wheel. The rig must be
// closed.
func newRig(ctx context.Context, c Config) (*rig, error) {
	target, local, err := c.addresses()
	if err != nil {
		return nil, err
	}
	clk := newClock()
	w, err := c.signalling(ctx, target, local, clk)
	if err != nil {
		return nil, err
	}
	p := newPhone(w, target, clk, c.Seed, c.Log)
	life, cancel := context.WithCancel(context.Background())
	r := &rig{
		config: c, clock: clk, local: local, phone: p, wheel: newWheel(clk.now),
		sounds: newSounds(c), server: process{pid: c.ServerPID, root: "/proc"}, cancel: cancel,
	}
	r.owned.Go(p.run)
	r.owned.Go(func() { r.wheel.run(life, clk) })
	return r, nil
}

// close stops the wheel and the phone and waits for both.
func (r *rig) close() {
	r.cancel()
	r.phone.signalling.close()
	r.owned.Wait()
}

// Run carries out one scenario and returns what it measured. It returns an
// error when the configuration cannot be run, when the server's process cannot
// be read, or when ctx ended first; calls that failed are counted in the report
// instead. All its goroutines have ended when it returns.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	r, err := newRig(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	defer r.close()
	var use usage
	switch cfg.Scenario {
	case ScenarioSetup, ScenarioChurn:
		use, err = r.churn(ctx)
	default:
		use, err = r.steady(ctx)
	}
	if err != nil {
		return Report{}, fmt.Errorf("run %s load: %w", cfg.Scenario, err)
	}
	return r.report(use), nil
}

// usage is what the server's process used.
type usage struct {
	window   time.Duration
	cpu      time.Duration
	base     int64 // bytes with the base calls up
	full     int64 // bytes with all calls up
	minutes  float64
	measured bool
}

// steady brings all calls up, measures while they stand, and ends them.
func (r *rig) steady(ctx context.Context) (usage, error) {
	callCtx, hangUp := context.WithCancel(ctx)
	defer r.calls.Wait()
	defer hangUp()
	var use usage
	var up, busy sync.WaitGroup
	base := r.config.BaseCalls
	if base > 0 {
		r.place(callCtx, 0, base, &up, &busy)
		up.Wait()
		rest(ctx, max(r.config.Settle, min(memoryRest, r.config.Duration)))
		bytes, err := r.memory()
		if err != nil {
			return use, err
		}
		use.base = bytes
	}
	r.place(callCtx, base, r.config.Calls, &up, &busy)
	up.Wait()
	rest(ctx, r.config.Settle)
	finished := make(chan struct{})
	r.owned.Go(func() { busy.Wait(); close(finished) })
	if err := r.measure(ctx, &use, finished); err != nil {
		return use, err
	}
	rest(ctx, r.config.Linger)
	var err error
	if base > 0 {
		use.full, err = r.memory()
	}
	return use, errors.Join(err, ctx.Err())
}

// measure opens the window, waits for its end or for every call to have
// finished, and shuts it.
func (r *rig) measure(ctx context.Context, use *usage, finished <-chan struct{}) error {
	before, err := r.cpu()
	if err != nil {
		return err
	}
	begin := r.clock.now()
	r.window.open(begin)
	r.wheel.note(true)
	limit := time.NewTimer(r.config.Duration)
	defer limit.Stop()
	select {
	case <-limit.C:
	case <-finished:
	case <-ctx.Done():
	}
	r.wheel.note(false)
	r.window.shut(r.clock.now())
	use.window = r.clock.now() - begin
	after, err := r.cpu()
	use.cpu = after - before
	use.measured = r.config.ServerPID != 0
	r.tally.add(func(t *tally) { use.minutes = float64(t.answered) * use.window.Minutes() })
	return err
}

// cpu returns the server's processor time, zero when no server is known.
func (r *rig) cpu() (time.Duration, error) {
	if r.config.ServerPID == 0 {
		return 0, nil
	}
	return r.server.cpu()
}

// memory returns the server's memory, zero when no server is known.
func (r *rig) memory() (int64, error) {
	if r.config.ServerPID == 0 {
		return 0, nil
	}
	return r.server.rss()
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// place starts the calls from to to, spread over their share of the ramp. up
// counts calls that are not yet answered or failed, busy those not finished.
func (r *rig) place(ctx context.Context, from, to int, up, busy *sync.WaitGroup) {
	begin := r.clock.now()
	step := r.config.Ramp / time.Duration(r.config.Calls)
	for i := from; i < to; i++ {
		rest(ctx, begin+time.Duration(i-from)*step-r.clock.now())
		up.Add(1)
		busy.Add(1)
		r.calls.Go(func() {
			answered := sync.OnceFunc(up.Done)
			finished := sync.OnceFunc(busy.Done)
			defer finished()
			defer answered()
			r.call(ctx, plan{index: i, media: true, up: answered, finished: finished})
		})
	}
}

// churn places calls of a fixed length at a fixed rate.
func (r *rig) churn(ctx context.Context) (usage, error) {
	var use usage
	defer r.calls.Wait()
	before, err := r.cpu()
	if err != nil {
		return use, err
	}
	begin := r.clock.now()
	r.window.open(begin)
	r.wheel.note(true)
	step := time.Duration(float64(time.Second) / r.config.Rate)
	total := max(1, int(r.config.Duration.Seconds()*r.config.Rate))
	for i := 0; i < total && ctx.Err() == nil; i++ {
		rest(ctx, begin+time.Duration(i)*step-r.clock.now())
		r.calls.Go(func() {
			hold, cancel := context.WithTimeout(ctx, r.config.Hold+r.config.AnswerTimeout)
			defer cancel()
			r.call(hold, plan{
				index: i, media: r.config.Scenario == ScenarioChurn, hold: r.config.Hold,
				up: func() {}, finished: func() {},
			})
		})
	}
	r.calls.Wait()
	r.wheel.note(false)
	r.window.shut(r.clock.now())
	use.window = r.clock.now() - begin
	after, err := r.cpu()
	use.cpu = after - before
	use.measured = r.config.ServerPID != 0
	r.tally.add(func(t *tally) { use.minutes = float64(t.answered) * r.config.Hold.Minutes() })
	return use, errors.Join(err, ctx.Err())
}

// plan is what one call of a run is to do.
type plan struct {
	index int
	// media says whether the call sends audio.
	media bool
	// hold is how long it lasts; zero: until its behaviour and all others have
	// finished.
	hold time.Duration
	// up is called when the call was answered, finished when its behaviour has
	// nothing more to do.
	up, finished func()
}

// call places one call, keeps it up and ends it.
func (r *rig) call(ctx context.Context, p plan) {
	c := r.config
	random := rand.New(rand.NewPCG(c.Seed, uint64(p.index)+2))
	s, err := newStream(r.local, r.clock, c.Codec, &r.window, random)
	if err != nil {
		r.tally.fail(err.Error())
		return
	}
	defer s.close()
	r.tally.add(func(t *tally) { t.placed++ })
	var key masterKey
	if c.TLS != nil {
		key = newMasterKey()
	}
	d := r.phone.dial(c.caller(p.index), c.Number, offer(c.Codec, s.socket.address(), key))
	defer r.phone.forget(d)
	ok, setup, err := d.invite(ctx, c.AnswerTimeout)
	if err != nil {
		if ctx.Err() == nil {
			r.tally.fail(err.Error())
		}
		return
	}
	defer d.bye()
	if err := s.agree(ok.message.body, key); err != nil {
		r.tally.fail(err.Error())
		return
	}
	r.tally.add(func(t *tally) { t.answered++; t.setup = append(t.setup, setup) })
	s.act = r.behaviour(p.index, ok.at, random)
	if c.FarEnds {
		s.act = &farEnd{behaviour: s.act, from: c.caller(p.index), rate: c.Codec.rate(), answered: ok.at}
	}
	if c.Scenario == ScenarioEcho && c.Codec != G722 { // whose sound is never the same twice
		s.echoed = &echoed{}
	}
	if p.media {
		s.start(r.wheel, r.slot(p.index), c.period())
	}
	p.up()
	r.keep(ctx, d, s, p)
	s.close()
	s.report(&r.tally)
}

// slot returns the time of a call's first packet. Calls are spread over the
// milliseconds of a frame.
func (r *rig) slot(index int) time.Duration {
	return r.clock.now() + time.Duration(index*7%20)*time.Millisecond
}

// keep waits until the call is to end.
func (r *rig) keep(ctx context.Context, d *dialog, s *stream, p plan) {
	var over <-chan time.Time
	if p.hold > 0 {
		timer := time.NewTimer(p.hold)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return
	case <-ctx.Done():
		return
	case <-s.finished:
		p.finished()
	case <-d.gone:
		r.tally.fail("ended by the far end")
		return
	}
	// The load stands until the last call has finished.
	select {
	case <-ctx.Done():
	case <-d.gone:
	}
}

// period returns the real time between two packets: less than a frame when
// the sender's clock runs fast.
func (c Config) period() time.Duration {
	return time.Duration(float64(framePeriod) / (1 + c.ClockPPM/1e6))
}

// behaviour returns what call index does, which was answered at since.
func (r *rig) behaviour(index int, since time.Duration, random *rand.Rand) behaviour {
	c := r.config
	switch c.Scenario {
	case ScenarioTurn, ScenarioBargeIn, ScenarioCough:
		turns := c.Turns / c.Calls
		if index < c.Turns%c.Calls {
			turns++
		}
		return newConversation(c, r.sounds.of(index), random, turns)
	default:
		t := newTalker(c, r.clock, r.sounds.of(index), index)
		t.answered = since
		return t
	}
}

// report puts the run's figures together.
func (r *rig) report(use usage) Report {
	lateness := quantiles(r.wheel.lateness())
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.strange > 0 && (Report{Lateness: lateness}).Counts() { // what is said late is lost, or comes back late
		t.failed("what came back is not what was said", t.strange)
	}
	c := r.config
	report := Report{
		Scenario: c.Scenario, Codec: c.Codec, Attempts: 1,
		Placed: t.placed, Answered: t.answered, Failures: t.failures,
		WindowSeconds: use.window.Seconds(),
		Setup:         quantiles(t.setup), Gap: quantiles(t.gaps), RTT: quantiles(t.rtt),
		Added: quantiles(t.added), BargeIn: quantiles(t.bargeIn), Silence: quantiles(t.silence),
		Lateness: lateness,
		Received: t.received, Lost: t.lost, Strays: t.strays,
		Encrypted: c.TLS != nil, Forged: t.forged, Own: t.own, Other: t.other,
		Discarded: t.discarded, Unanswered: t.unanswered, Resumed: t.resumed, Clicks: t.clicks, FarEnds: t.farEnds,
	}
	if use.measured && use.minutes > 0 {
		report.CPUSeconds = use.cpu.Seconds()
		report.CPUPerCallMinute = report.CPUSeconds / use.minutes
	}
	if extra := c.Calls - c.BaseCalls; c.BaseCalls > 0 && use.measured && extra > 0 {
		report.BaseKB, report.FullKB = float64(use.base)/1024, float64(use.full)/1024
		report.KBPerCall = (report.FullKB - report.BaseKB) / float64(extra)
	}
	c.Log.Debug("load run ended", slog.String("scenario", string(c.Scenario)), slog.Int("answered", t.answered))
	return report
}
