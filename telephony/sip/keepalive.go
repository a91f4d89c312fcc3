package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// leastKeepAlive bounds how often a trunk is asked.
	leastKeepAlive = time.Second
	// keepAliveWithin is how long the response to a keep-alive may take.
	keepAliveWithin = 10 * time.Second
)

// TrunkState is what is known of a trunk's line.
type TrunkState struct {
	// Trunk is its name.
	Trunk string
	// Asked says that the trunk has been asked by OPTIONS whether it is there; Up, that
	// it was when it was asked last; Since, since when that has been so; and RoundTrip,
	// how long its last response took.
	Asked, Up bool
	Since     time.Time
	RoundTrip time.Duration
	// Registers says that we register with the trunk; Registered, that we are;
	// RegisteredSince, since when that has been so; and Problem, why the last try failed.
	Registers, Registered bool
	RegisteredSince       time.Time
	Problem               string
}

// line is what keeps one trunk: its registration and its keep-alive.
type line struct {
	d      *Driver
	trunk  Trunk
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu              sync.Mutex
	state           TrunkState // of the keep-alive
	registered      bool
	registeredSince time.Time
	until           time.Time // when the registration ends
	registrar       peer
	problem         string // of the last try to register
}

// keepLines begins to keep the trunks that want it: it registers, and asks whether
// they are there.
func (d *Driver) keepLines() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lines == nil {
		d.lines = make(map[string]*line)
	}
	d.followRoster()
}

// followRoster keeps those trunks of the roster that want it, and no others. One that is
// as before is left alone. d.mu is held.
func (d *Driver) followRoster() {
	if d.lines == nil || d.withdrawn || d.stopped() {
		return
	}
	wanted := make(map[string]Trunk)
	for _, t := range d.roster.Load().trunks {
		if t.Host != "" && (t.Register.On || t.KeepAlive > 0) {
			wanted[t.Name] = t
		}
	}
	for name, l := range d.lines {
		if t, ok := wanted[name]; ok && sameTrunk(t, l.trunk) {
			delete(wanted, name)
			continue
		}
		l.cancel()
		delete(d.lines, name)
		if t, ok := wanted[name]; ok {
			d.keepLine(t, l)
			delete(wanted, name)
		} else {
			d.tasks.Go(l.tasks.Wait)
		}
	}
	for _, t := range wanted {
		d.keepLine(t, nil)
	}
}

// keepLine keeps a trunk, once the line before, nil for none, has left: it would take
// back the new registration. d.mu is held.
func (d *Driver) keepLine(t Trunk, before *line) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{d: d, trunk: t, cancel: cancel, registeredSince: d.cfg.Now()}
	d.lines[t.Name] = l
	keep := func(task func(context.Context)) {
		l.tasks.Go(func() {
			if before != nil {
				before.tasks.Wait()
			}
			task(ctx)
		})
	}
	keep(func(ctx context.Context) {
		if t.Register.On {
			l.keepRegistered(ctx)
		}
	})
	if t.KeepAlive > 0 {
		keep(l.keepAlive)
	}
}

// sameTrunk compares what can be compared.
func sameTrunk(a, b Trunk) bool {
	a.Permit, b.Permit = nil, nil
	return reflect.DeepEqual(a, b)
}

// allLines returns the lines that are kept.
func (d *Driver) allLines() []*line {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*line, 0, len(d.lines))
	for _, l := range d.lines {
		out = append(out, l)
	}
	return out
}

// Withdraw takes registrations back and stops asking trunks, so that calls go
// elsewhere; those under way go on. It returns when that is done, within 2 s. It may
// be called more than once.
func (d *Driver) Withdraw() {
	d.mu.Lock()
	d.withdrawn = true
	d.mu.Unlock()
	all := d.allLines()
	for _, l := range all {
		l.cancel()
	}
	for _, l := range all {
		l.tasks.Wait()
	}
}

// TrunkStates returns what is known of the trunks that are kept, by name.
func (d *Driver) TrunkStates() []TrunkState {
	var out []TrunkState
	for _, l := range d.allLines() {
		registered := l.isRegistered()
		l.mu.Lock()
		s := l.state
		s.Trunk, s.Registers, s.Registered, s.RegisteredSince, s.Problem = l.trunk.Name, l.trunk.Register.On, registered, l.registeredSince, l.problem
		l.mu.Unlock()
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b TrunkState) int { return strings.Compare(a.Trunk, b.Trunk) })
	return out
}

// keepAlive asks the trunk again and again whether it is there.
func (l *line) keepAlive(ctx context.Context) {
	tick := time.NewTicker(l.trunk.KeepAlive)
	defer tick.Stop()
	for {
		limited, cancel := context.WithTimeout(ctx, keepAliveWithin)
		p, err := l.d.probe(limited, &l.trunk)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.noteProbe(p, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// noteProbe takes what came of a question, and logs it when it is another than the
// time before.
func (l *line) noteProbe(p Probe, err error) {
	now, log := l.d.cfg.Now(), l.d.cfg.Logger.With(l.trunk.logged()...)
	if err == nil && !p.Up() {
		err = fmt.Errorf("status %d", p.Status)
	}
	l.mu.Lock()
	s := &l.state
	changed := !s.Asked || s.Up != (err == nil)
	if s.Asked, s.Up = true, err == nil; changed {
		s.Since = now
	}
	if err == nil {
		s.RoundTrip = p.RoundTrip
	}
	l.mu.Unlock()
	switch {
	case changed && err == nil:
		log.Info("trunk: up", "address", p.Address.String(), "round_trip", p.RoundTrip)
	case changed:
		log.Warn("trunk: down", "err", err)
	}
}

// Probe is a trunk's response to OPTIONS.
type Probe struct {
	// Address is where the trunk was asked, Transport how: UDP, TCP or TLS.
	Address   netip.AddrPort
	Transport string
	// Status is its response's.
	Status int
	// RoundTrip is how long that took, without the making of a connection.
	RoundTrip time.Duration
}

// Up says that the trunk is there: it responds, be it that it knows no OPTIONS or not
// us, and not that it is out of service.
func (p Probe) Up() bool { return p.Status != 0 && p.Status != 408 && p.Status != 503 }

// Probe asks a trunk by OPTIONS whether it is there
// (https://www.rfc-editor.org/rfc/rfc3261#section-11).
func (d *Driver) Probe(ctx context.Context, trunk string) (Probe, error) {
	t := d.trunk(trunk)
	if t == nil {
		return Probe{}, fmt.Errorf("no trunk is called %q", trunk)
	}
	return d.probe(ctx, t)
}

func (d *Driver) probe(ctx context.Context, t *Trunk) (Probe, error) {
	var p Probe
	err := d.overConnection(ctx, t, "", func(to route) error {
		user := "sidetone"
		if t.Username != "" {
			user = escapeUser(t.Username)
		}
		domain := to.domain
		if domain == "" {
			domain = bracket(d.localAddr(to.peer.addr.Addr()).String())
		}
		begun := time.Now()
		res, err := d.askTrunk(ctx, to, outside{method: "OPTIONS", uri: to.target.String(), from: "<sip:" + user + "@" + domain + ">",
			to: "<" + to.target.String() + ">", tag: d.newTag(), callID: d.newTag(), seq: 1,
			extra: []header{d.contact(to.peer), {"Accept", "application/sdp"}}})
		if err != nil {
			return err
		}
		p = Probe{Address: to.peer.addr, Transport: to.peer.network(), Status: res.StatusCode, RoundTrip: time.Since(begun)}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no response to OPTIONS within %s: %w", keepAliveWithin, err)
	}
	return p, err
}
