package loadgen

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// ScenarioCalibration is the scenario of a report made by Calibrate.
const ScenarioCalibration Scenario = "calibration"

// Calibration describes a measurement of bare sockets under the load of an echo
// run: what this machine, at this moment, allows at best.
type Calibration struct {
	// Command starts the peer: a process that calls ServeCalibration with
	// Sockets, its standard input and output. Required.
	Command []string
	// Env is added to the peer's environment.
	Env []string
	// Sockets is the number of socket pairs (200).
	Sockets int
	// Settle is how long the load stands before the window opens (500 ms).
	Settle time.Duration
	// Duration is the length of the measured window (10 s).
	Duration time.Duration
	// Seed makes random choices repeatable.
	Seed uint64
	// Log receives the peer's complaints; nil: none.
	Log *slog.Logger
}

// announcement is the one line the calibration peer writes.
type announcement struct {
	Ports []uint16 `json:"ports"`
}

// ServeCalibration is the far end of Calibrate. It binds sockets UDP ports of
// 127.0.0.1, writes them as one line of JSON to stdout and returns every
// socket's newest packet to its sender once in 20 ms, until stdin or ctx ends.
// It decodes, checks and keeps nothing.
func ServeCalibration(ctx context.Context, sockets int, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	clk := newClock()
	w := newWheel(clk.now)
	var owned sync.WaitGroup
	var mirrors []*mirror
	defer func() {
		cancel()
		for _, m := range mirrors {
			_ = m.conn.Close()
		}
		owned.Wait()
	}()
	var ports announcement
	for i := range sockets {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback()))
		if err != nil {
			return fmt.Errorf("bind calibration socket: %w", err)
		}
		m := &mirror{conn: conn}
		mirrors = append(mirrors, m)
		addr, _ := netip.ParseAddrPort(conn.LocalAddr().String())
		ports.Ports = append(ports.Ports, addr.Port())
		owned.Go(m.receive)
		w.join(clk.now()+time.Duration(i*7%20)*time.Millisecond, framePeriod, m.send)
	}
	owned.Go(func() { w.run(ctx, clk) })
	if err := json.NewEncoder(stdout).Encode(ports); err != nil {
		return fmt.Errorf("announce calibration ports: %w", err)
	}
	ended := make(chan struct{})
	// This goroutine ends with stdin, which the process's parent holds; waiting
	// for it here would keep ctx from ending the server.
	go func() { _, _ = io.Copy(io.Discard, stdin); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// loopback returns a free port of 127.0.0.1.
func loopback() netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0) }

// mirror is one socket of the calibration peer.
type mirror struct {
	conn *net.UDPConn

	mu   sync.Mutex
	from netip.AddrPort
	held [rtpHeader + frameTicks]byte
	n    int
}

// receive keeps the newest packet until the socket is closed.
func (m *mirror) receive() {
	var b [packetSize]byte
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		m.mu.Lock()
		m.from, m.n = from, copy(m.held[:], b[:n])
		m.mu.Unlock()
	}
}

// send returns the packet held.
func (m *mirror) send() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n > 0 {
		_, _ = m.conn.WriteToUDPAddrPort(m.held[:m.n], m.from)
	}
	return true
}

// Calibrate starts the peer and measures gaps, round trip and the peer's
// processor time, with the same pacing and receiving as Run. It repeats the run
// until it counts, at most MaxAttempts times. The peer has ended when it returns.
func Calibrate(ctx context.Context, c Calibration) (Report, error) {
	c.Sockets = or(c.Sockets, 200)
	c.Log = or(c.Log, slog.New(slog.DiscardHandler))
	return repeat(ctx, func(ctx context.Context) (Report, error) { return calibrate(ctx, c) })
}

// calibrate makes one calibration run.
func calibrate(ctx context.Context, c Calibration) (report Report, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return Report{}, fmt.Errorf("prepare calibration: %w", err)
	}
	defer func() { _ = read.Close() }()
	peer, err := startChild(c.Command, c.Env, "", write, os.Stderr)
	_ = write.Close()
	if err != nil {
		return Report{}, fmt.Errorf("calibrate: %w", err)
	}
	defer func() { err = errors.Join(err, peer.end()) }()
	stop := context.AfterFunc(ctx, func() { _ = read.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err != nil {
		return Report{}, fmt.Errorf("read calibration ports: %w", errors.Join(err, ctx.Err()))
	}
	var peers announcement
	if err := json.Unmarshal(line, &peers); err != nil || len(peers.Ports) != c.Sockets {
		return Report{}, fmt.Errorf("read calibration ports: unexpected line %.80q", line)
	}
	return measureBare(ctx, c, peers.Ports, peer.command.Process.Pid)
}

// measureBare measures sockets towards the ports of the peer.
func measureBare(ctx context.Context, c Calibration, ports []uint16, pid int) (Report, error) {
	r, err := newRig(ctx, Config{
		Target: "127.0.0.1:9", Number: "0", Calls: len(ports), Duration: c.Duration, Settle: c.Settle,
		Seed: c.Seed, ServerPID: pid, Log: c.Log,
	}.withDefaults())
	if err != nil {
		return Report{}, err
	}
	defer r.close()
	streams := make([]*stream, 0, len(ports))
	defer func() {
		for _, s := range streams {
			s.close()
		}
	}()
	for i, port := range ports {
		random := rand.New(rand.NewPCG(c.Seed, uint64(i)))
		s, err := newStream(r.local, r.clock, PCMU, &r.window, random)
		if err != nil {
			return Report{}, err
		}
		streams = append(streams, s)
		s.act = r.behaviour(i, r.clock.now(), random)
		s.to = netip.AddrPortFrom(loopback().Addr(), port)
		s.start(r.wheel, r.slot(i), framePeriod)
	}
	rest(ctx, r.config.Settle)
	r.tally.placed, r.tally.answered = len(ports), len(ports)
	var use usage
	if err := r.measure(ctx, &use, nil); err != nil {
		return Report{}, err
	}
	for _, s := range streams {
		s.close()
		s.report(&r.tally)
	}
	r.config.Scenario, r.config.BaseCalls = ScenarioCalibration, 0
	return r.report(use), ctx.Err()
}
