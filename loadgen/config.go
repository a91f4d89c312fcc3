package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Error is the type of the package's constant errors.
type Error string

// Error returns the text of the error.
func (e Error) Error() string { return string(e) }

const (
	// ErrConfig is wrapped by every error about a Config that cannot be run.
	ErrConfig = Error("invalid load configuration")
	// ErrNoAnswer is returned for a call whose INVITE got no final response.
	ErrNoAnswer = Error("no final response to the invite")
)

// Scenario says what the calls of a run do.
type Scenario string

const (
	// ScenarioEcho speaks all the time to an agent that returns the sound; it
	// measures gaps, loss, the echo's round trip, processor time and memory.
	ScenarioEcho Scenario = "echo"
	// ScenarioTurn speaks bursts and measures how long after each the agent
	// begins to answer, less the wait the agent is configured to make.
	ScenarioTurn Scenario = "turn"
	// ScenarioBargeIn speaks while the agent speaks and measures how long the
	// agent goes on.
	ScenarioBargeIn Scenario = "bargein"
	// ScenarioCough makes a short sound while the agent speaks and measures how
	// long the agent is silent before it goes on.
	ScenarioCough Scenario = "cough"
	// ScenarioSetup places calls at a steady rate, without audio, and measures
	// the time from INVITE to 200.
	ScenarioSetup Scenario = "setup"
	// ScenarioChurn is ScenarioSetup with audio in every call.
	ScenarioChurn Scenario = "churn"
	// ScenarioClock sends clicks at logged times from a peer whose sample clock
	// runs fast, for checking a recording's alignment.
	ScenarioClock Scenario = "clock"
)

// Codec names an audio codec as SDP does.
type Codec string

const (
	// PCMU is G.711 mu-law at 8 kHz, payload type 0.
	PCMU Codec = "PCMU"
	// PCMA is G.711 A-law at 8 kHz, payload type 8.
	PCMA Codec = "PCMA"
	// G722 is G.722 at 64 kbit/s, payload type 9: sound at 16 kHz, RTP clock at
	// 8 kHz (RFC 3551, section 4.5.2).
	G722 Codec = "G722"
)

// Config describes one run. Zero fields take the defaults named beside them.
type Config struct {
	// Target is the host:port the server takes SIP at: over UDP, or over TLS. Required.
	Target string
	// TLS, when not nil, is how one connection to Target is opened before the first call,
	// which carries the signalling of all calls. Their sound is encrypted with keys of the
	// descriptions (RTP/SAVP, AES_CM_128_HMAC_SHA1_80). When it is nil all is plain.
	TLS *tls.Config
	// Number is the user part that is called, with or without plus. Required.
	Number string
	// From is the caller's user part. A verb such as %04d is filled with the
	// call's index. Default: +1202555%04d.
	From string
	// LocalIP is the address to send from. Default: the one the operating
	// system chooses towards Target.
	LocalIP string
	// Calls is the number of calls up at once (1). In ScenarioSetup and
	// ScenarioChurn it is not used.
	Calls int
	// BaseCalls is how many calls are up when memory is read first: 10, or
	// none when Calls is not larger or ServerPID is zero.
	BaseCalls int
	// Ramp is the time over which the calls are started (20 ms a call).
	Ramp time.Duration
	// Settle is how long the load stands before the measured window opens, and
	// before memory is read (500 ms).
	Settle time.Duration
	// Linger is how long the load stands after the measured window (0).
	Linger time.Duration
	// Duration is the length of the measured window (10 s; at most 20 min for
	// scenarios that end by count).
	Duration time.Duration
	// Codec is offered alone, with telephone-event (PCMU).
	Codec Codec
	// Scenario is what the calls do (ScenarioEcho).
	Scenario Scenario
	// Seed makes random choices repeatable.
	Seed uint64
	// ServerPID is the process whose processor time and memory are read from
	// /proc; zero: none.
	ServerPID int

	// Turns is how many turns or interruptions all calls make together (500).
	Turns int
	// Wait is the one wait the agent makes after the last voiced sample, W in
	// the definition of added latency (500 ms).
	Wait time.Duration
	// StubDelay is the sum of the delays of the agent's stand-in providers.
	StubDelay time.Duration
	// Quiet is how long the agent must be silent to have ended: 400 ms, in
	// ScenarioTurn, where a wrong guess can only discard a turn, 100 ms.
	Quiet time.Duration
	// Greeting is how long after the answer the caller first speaks, at the
	// earliest (1 s).
	Greeting time.Duration
	// AnswerWithin bounds the wait for the agent's answer in a turn (10 s).
	AnswerWithin time.Duration
	// Burst is the length of the interrupting sound: 1.2 s, in ScenarioCough
	// 300 ms.
	Burst time.Duration
	// Stimuli, when not empty, are the sounds spoken instead of speech-like
	// bursts, at the codec's sampling rate. They are brought to an active level
	// of -26 dBFS, and timed from the first to the last sample above -50 dBFS in
	// hops of 10 ms above it.
	Stimuli [][]int16
	// SNR is how far, in dB, noise that is sent all the time lies below the
	// active level of what is spoken: white in every other call, pink in the
	// rest. Zero: no noise.
	SNR float64

	// Rate is the number of calls a second in ScenarioSetup and ScenarioChurn
	// (50).
	Rate float64
	// Hold is the length of a call in ScenarioSetup and ScenarioChurn (200 ms
	// and 1 s).
	Hold time.Duration
	// ClockPPM is by how many millionths the sending clock runs fast: 200 in
	// ScenarioClock, else 0.
	ClockPPM float64
	// ClickEvery is the distance of clicks in ScenarioEcho and ScenarioClock
	// (1 s).
	ClickEvery time.Duration

	// FarEnds records each call for Report.FarEnds.
	FarEnds bool

	// AnswerTimeout bounds the time from INVITE to a final response (10 s).
	AnswerTimeout time.Duration
	// Log receives failures of single calls; nil: none.
	Log *slog.Logger
}

// or returns value, or fallback when value is zero.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// withDefaults returns the configuration with every zero field filled.
func (c Config) withDefaults() Config {
	c.From = or(c.From, "+1202555%04d")
	c.Calls = or(c.Calls, 1)
	c.Ramp = or(c.Ramp, time.Duration(c.Calls)*20*time.Millisecond)
	c.Settle = or(c.Settle, 500*time.Millisecond)
	c.Codec = or(c.Codec, PCMU)
	c.Scenario = or(c.Scenario, ScenarioEcho)
	c.Turns = or(c.Turns, 500)
	c.Wait = or(c.Wait, 500*time.Millisecond)
	c.Greeting = or(c.Greeting, time.Second)
	c.AnswerWithin = or(c.AnswerWithin, 10*time.Second)
	c.Rate = or(c.Rate, 50)
	c.ClickEvery = or(c.ClickEvery, time.Second)
	c.AnswerTimeout = or(c.AnswerTimeout, 10*time.Second)
	c.Log = or(c.Log, slog.New(slog.DiscardHandler))
	if c.BaseCalls == 0 && c.ServerPID != 0 && c.Calls > 10 {
		c.BaseCalls = 10
	}
	return c.withScenarioDefaults()
}

// countPatience bounds the window of scenarios that end by count.
const countPatience = 20 * time.Minute

// withScenarioDefaults fills the fields whose default depends on the scenario.
func (c Config) withScenarioDefaults() Config {
	burst, hold, duration := 1200*time.Millisecond, 200*time.Millisecond, 10*time.Second
	quiet := 400 * time.Millisecond
	switch c.Scenario {
	case ScenarioCough:
		burst, duration = 300*time.Millisecond, countPatience
	case ScenarioTurn:
		quiet, duration = 100*time.Millisecond, countPatience
	case ScenarioBargeIn:
		duration = countPatience
	case ScenarioChurn:
		hold = time.Second
	case ScenarioClock:
		c.ClockPPM = or(c.ClockPPM, 200)
	}
	c.Quiet = or(c.Quiet, quiet)
	c.Burst = or(c.Burst, burst)
	c.Hold = or(c.Hold, hold)
	c.Duration = or(c.Duration, duration)
	return c
}

// check returns an error that wraps ErrConfig when c, with defaults filled,
// cannot be run.
func (c Config) check() error {
	switch c.Scenario {
	case ScenarioEcho, ScenarioTurn, ScenarioBargeIn, ScenarioCough,
		ScenarioSetup, ScenarioChurn, ScenarioClock:
	default:
		return fmt.Errorf("%w: unknown scenario %q", ErrConfig, c.Scenario)
	}
	switch c.Codec {
	case PCMU, PCMA, G722:
	default:
		return fmt.Errorf("%w: unknown codec %q", ErrConfig, c.Codec)
	}
	switch {
	case c.Target == "":
		return fmt.Errorf("%w: no target", ErrConfig)
	case c.Number == "" || strings.ContainsAny(c.Number+c.From, " \r\n<>@;\""):
		return fmt.Errorf("%w: number %q or caller %q is not a SIP user", ErrConfig, c.Number, c.From)
	case c.Calls < 1 || c.Calls > 10000:
		return fmt.Errorf("%w: %d calls, want 1 to 10000", ErrConfig, c.Calls)
	case c.BaseCalls < 0 || c.BaseCalls > c.Calls:
		return fmt.Errorf("%w: %d base calls of %d", ErrConfig, c.BaseCalls, c.Calls)
	case c.Rate <= 0 || c.Rate > 10000:
		return fmt.Errorf("%w: rate %g, want above 0 and at most 10000", ErrConfig, c.Rate)
	case c.ClockPPM < -100000 || c.ClockPPM > 100000:
		return fmt.Errorf("%w: clock error of %g ppm", ErrConfig, c.ClockPPM)
	case c.SNR < 0 || c.SNR > 60:
		return fmt.Errorf("%w: noise %g dB below speech, want 0 to 60", ErrConfig, c.SNR)
	case min(c.Ramp, c.Settle, c.Linger, c.Duration, c.Hold, c.ClickEvery, c.Quiet, c.AnswerTimeout) < 0:
		return fmt.Errorf("%w: negative duration", ErrConfig)
	}
	return nil
}

// caller returns the user part of call index.
func (c Config) caller(index int) string {
	if strings.Contains(c.From, "%") {
		return fmt.Sprintf(c.From, index)
	}
	return c.From
}

// addresses resolves the target and the local address to send from.
func (c Config) addresses() (target netip.AddrPort, local netip.Addr, err error) {
	remote, err := net.ResolveUDPAddr("udp", c.Target)
	if err != nil {
		return target, local, fmt.Errorf("resolve target: %w", err)
	}
	target = unmap(remote.AddrPort())
	if c.LocalIP != "" {
		local, err = netip.ParseAddr(c.LocalIP)
		if err != nil {
			return target, local, fmt.Errorf("parse local address: %w", err)
		}
		return target, local, nil
	}
	probe, err := net.DialUDP("udp", nil, remote)
	if err != nil {
		return target, local, fmt.Errorf("find local address: %w", err)
	}
	defer func() { _ = probe.Close() }()
	own, _ := netip.ParseAddrPort(probe.LocalAddr().String())
	return target, own.Addr().Unmap(), nil
}

// signalling opens what carries the signalling.
func (c Config) signalling(ctx context.Context, target netip.AddrPort, local netip.Addr, clk clock) (signalling, error) {
	if c.TLS == nil {
		return openDatagrams(local, clk)
	}
	return connect(ctx, target, local, c.TLS, clk)
}

// unmap turns an IPv4 address in IPv6 form into its plain form.
func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
