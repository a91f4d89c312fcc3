package sip

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/sidetone/sidetone/telephony"
)

// Driver receives and places calls over SIP. Create it with New; it listens at
// once, and is a telephony.Driver until Close.
type Driver struct {
	cfg       Config
	roster    atomic.Pointer[roster]
	transport transport
	ports     ports
	nonces    *nonces
	registrar registrar
	sources   *sources
	guesses   *guesses
	dns       *resolver
	locator   locator
	health    health
	// whereabouts are those of the trunks.
	whereabouts *whereabouts
	look        chan struct{} // asks for them at once
	closing     chan struct{} // closed when Close begins
	done        chan struct{}
	ctx         context.Context // of what looks after calls; ends with done
	cancel      context.CancelFunc
	tasks       sync.WaitGroup // hang-ups that nobody waits for, and what looks after calls
	pending     atomic.Int64   // how many of them run

	mu        sync.Mutex
	txs       map[string]*serverTx
	invites   map[string]*serverTx // by inviteKey
	clients   map[string]*clientTx
	calls     map[string]*leg
	partings  map[string]*leg      // whose BYE waits for an ACK
	early     map[string]*serverTx // CANCELs that overtook their INVITE
	hosts     map[netip.Addr]int   // in how many calls a host takes part
	called    *expirable.LRU[netip.Addr, struct{}]
	mark      string                // in the branches of this process, and of no other
	abandoned map[string]*abandoned // by the branch of an INVITE that was given up
	serving   *serving
	waiting   waiting
	lines     map[string]*line // by the name of the trunk; nil until Serve runs
	withdrawn bool             // no more lines are kept
}

// serving is a running Serve.
type serving struct {
	ctx    context.Context
	answer func(context.Context, telephony.Leg)
	calls  sync.WaitGroup
}

// New binds the sockets and starts to listen. Until Serve runs, calls are
// refused with 503. The caller closes the driver.
func New(cfg Config) (*Driver, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, done: make(chan struct{}), closing: make(chan struct{}), look: make(chan struct{}, 1),
		txs: make(map[string]*serverTx), invites: make(map[string]*serverTx), clients: make(map[string]*clientTx), calls: make(map[string]*leg), partings: make(map[string]*leg),
		early: make(map[string]*serverTx), hosts: make(map[netip.Addr]int), abandoned: make(map[string]*abandoned),
		called: expirable.NewLRU[netip.Addr, struct{}](maxSources, nil, 0), sources: newSources(cfg), guesses: newGuesses()}
	d.mark = d.newTag()
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.roster.Store(&roster{cfg.Trunks, cfg.Users})
	d.transport.log, d.transport.watcher = cfg.Logger, cfg.Watcher
	d.transport.receive, d.transport.broken = d.receive, d.broken
	d.transport.reads, d.transport.admitted, d.transport.refused = d.reads, d.admitted, d.sources.refuse
	d.transport.serverTLS, d.transport.proves = d.serverTLS(), d.proves
	if err := d.transport.listen(cfg.Listen, cfg.TLS.Listen); err != nil {
		d.cancel()
		return nil, err
	}
	d.ports = ports{addr: d.transport.addr().Addr(), span: cfg.RTPPorts, rest: cfg.PortRest, now: cfg.Now}
	d.nonces = newNonces(cfg.Now)
	d.registrar = registrar{now: cfg.Now, bindings: make(map[string]binding)}
	d.findTargets()
	d.awaitCalls(cfg.ResumeWithin)
	d.transport.start()
	return d, nil
}

// findTargets prepares the search for those whom we call, and begins it.
func (d *Driver) findTargets() {
	ipv4 := d.ports.reaches(netip.IPv4Unspecified().Next())
	ipv6 := d.ports.reaches(netip.IPv6LinkLocalAllNodes())
	d.dns = newResolver(d.cfg.Resolver, ipv4, ipv6, d.cfg.Now)
	d.locator = locator{services: d.cfg.Lookup == nil || d.cfg.Resolver != "", dns: d.dns, usable: d.ports.reaches}
	if d.cfg.Lookup == nil {
		d.cfg.Lookup = d.dns.addresses
	}
	d.locator.lookup = d.cfg.Lookup
	d.health.now, d.whereabouts = d.cfg.Now, newWhereabouts(d.cfg.Now)
	d.startTrunks()
}

// Addr returns where the driver listens, on UDP and TCP alike.
func (d *Driver) Addr() netip.AddrPort { return d.transport.addr() }

// Calls returns how many calls are alive.
func (d *Driver) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.calls)
}

// Serve implements telephony.Driver. Only one Serve runs at a time.
func (d *Driver) Serve(ctx context.Context, answer func(context.Context, telephony.Leg)) error {
	s := &serving{ctx: ctx, answer: answer}
	d.mu.Lock()
	if d.serving != nil {
		d.mu.Unlock()
		return errors.New("serve calls twice at a time")
	}
	d.serving = s
	d.mu.Unlock()
	d.keepLines()
	select {
	case <-ctx.Done():
	case <-d.done:
	}
	d.mu.Lock()
	d.serving = nil
	d.mu.Unlock()
	s.calls.Wait()
	return nil
}

// Close ends calls that are still alive, closes the sockets and waits until
// everything has stopped.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.stopped() {
		d.mu.Unlock()
		return nil
	}
	close(d.closing)
	live := make([]*leg, 0, len(d.calls))
	for _, l := range d.calls {
		live = append(live, l)
	}
	d.serving = nil
	d.waiting.stop()
	d.mu.Unlock()
	d.Withdraw()
	d.hangUpAll(live)
	d.mu.Lock()
	close(d.done)
	d.cancel()
	open := make([]*serverTx, 0, len(d.txs))
	for _, tx := range d.txs {
		open = append(open, tx)
	}
	d.mu.Unlock()
	for _, tx := range open {
		tx.stopTimer()
	}
	d.dns.close()
	d.tasks.Wait()
	d.transport.close()
	return nil
}

// hangUpTime is how long Close waits for far ends to confirm that a call is
// over.
const hangUpTime = 500 * time.Millisecond

// hangUpAll hangs up what is alive and gives hang-ups under way some time.
func (d *Driver) hangUpAll(live []*leg) {
	ctx, cancel := context.WithTimeout(context.Background(), hangUpTime)
	defer cancel()
	var byes sync.WaitGroup
	for _, l := range live {
		byes.Go(func() { _ = l.Hangup(ctx, telephony.CauseOverload) }) // the call is over either way
	}
	byes.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for d.pending.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (d *Driver) stopped() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

func (tx *serverTx) stopTimer() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.timer != nil {
		tx.timer.Stop()
	}
}

// background runs f for at most limit; Close waits for it. False when the driver is
// closed.
func (d *Driver) background(f func(context.Context)) bool { return d.backgroundFor(t64, f) }

// backgroundFor is background with another limit.
func (d *Driver) backgroundFor(limit time.Duration, f func(context.Context)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped() {
		return false
	}
	d.pending.Add(1)
	d.tasks.Go(func() {
		defer d.pending.Add(-1)
		ctx, cancel := context.WithTimeout(d.ctx, limit)
		defer cancel()
		f(ctx)
	})
	return true
}

func (d *Driver) forgetTx(tx *serverTx) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.txs[tx.key] == tx {
		delete(d.txs, tx.key)
		if key := inviteKey(tx.req); d.invites[key] == tx {
			delete(d.invites, key)
		}
	}
}

func (d *Driver) addCall(l *leg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[l.callID+" "+l.localTag] = l
}

func (d *Driver) dropCall(l *leg) {
	d.signalled(l)
	if !l.parts() { // else requests of the call are still taken
		d.dropHosts(l)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, l.callID+" "+l.localTag)
}

// dialog finds the call that a message of the far end belongs to, by Call-ID, by
// our tag and by the far end's, which is that of a request's From or of a
// response's To.
func (d *Driver) dialog(m sip.Message, tag string) *leg {
	if tag == "" {
		return nil
	}
	theirs := tagOf(m.From().Params)
	if _, ok := m.(*sip.Response); ok {
		theirs = tagOf(m.To().Params)
	}
	l := d.callOf(m.CallID().Value(), tag)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.remoteTag != theirs {
		return nil
	}
	return l
}

// callOf finds the call with a Call-ID and our tag, whoever the far end is, also one
// that is over but for its BYE; nil for none.
func (d *Driver) callOf(callID, tag string) *leg {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.calls[callID+" "+tag]; l != nil {
		return l
	}
	return d.partings[callID+" "+tag]
}

// newTag returns an unguessable tag.
func (d *Driver) newTag() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// magicCookie begins each branch of RFC 3261, section 8.1.1.7.
const magicCookie = "z9hG4bK"

func (d *Driver) newBranch() string { return magicCookie + d.mark + d.newTag() }

// localAddr is the address that p shall send to.
func (d *Driver) localAddr(p netip.Addr) netip.Addr {
	if a, err := netip.ParseAddr(d.cfg.Advertise); err == nil {
		return a
	}
	local := d.transport.addr().Addr()
	if !local.IsUnspecified() {
		return local.WithZone("")
	}
	return towards(p)
}

// towards is the address of this machine on the way to p.
func towards(p netip.Addr) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p, 9)))
	if err != nil {
		return netip.MustParseAddr("127.0.0.1")
	}
	defer func() { _ = conn.Close() }()
	return unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort()).Addr().WithZone("")
}

// hostPort is our address in Via and Contact: of the listener for what p speaks. Over
// TLS without a listener it is the connection's own, by which alone we are reached.
func (d *Driver) hostPort(p peer) string {
	port := d.transport.addr().Port()
	if p.secure() {
		port = d.transport.secureAddr().Port()
		if local, ok := p.tcp.conn.LocalAddr().(*net.TCPAddr); ok && port == 0 {
			port = uint16(local.Port)
		}
	}
	return netip.AddrPortFrom(d.localAddr(p.addr.Addr()), port).String()
}

// contact is our Contact header towards p.
func (d *Driver) contact(p peer) header {
	return header{"Contact", "<" + d.contactURI(p, "sidetone") + ">"}
}

// contactURI is where p reaches a user of ours.
func (d *Driver) contactURI(p peer, user string) string {
	uri := "sip:" + user + "@" + d.hostPort(p)
	switch {
	case p.sips: // https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1
		return "sips:" + user + "@" + d.hostPort(p)
	case p.reliable():
		uri += ";transport=" + strings.ToLower(p.network())
	}
	return uri
}

// receive takes every well-formed message, in order for each source.
func (d *Driver) receive(p peer, msg sip.Message) {
	tidy(msg)
	switch m := msg.(type) {
	case *sip.Response:
		d.onResponse(p, m)
	case *sip.Request:
		p.sips = p.secure() && asksForSIPS(m)
		d.onRequest(p, m)
	}
}

// broken responds to what does not parse, as far as that is possible.
func (d *Driver) broken(p peer, raw []byte, err error) {
	d.cfg.Logger.Debug("broken sip message", "source", p.addr.String(), "err", err)
	if res := badRequest(raw, p); res != nil {
		_ = d.transport.send(p, res) // a lost message is like one lost on the way
	}
}
