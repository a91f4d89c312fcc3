package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// coldInsist is the time between repetitions of the INVITE while a server
// starts. It bounds the error of the measured time.
const coldInsist = 2 * time.Millisecond

// ColdStartConfig describes the start of a server from nothing.
type ColdStartConfig struct {
	// Command is the server's command line. It must take SIP at Target and be
	// able to answer Number with what its data directory already holds.
	Command []string
	// Env is added to the server's environment.
	Env []string
	// Dir is the server's working directory; empty: this process's.
	Dir string
	// Output receives what the server writes; nil: nothing.
	Output io.Writer
	// Target is the host:port the server will take SIP over UDP at.
	Target string
	// Number is the user part that is called.
	Number string
	// From is the caller's user part (+12025550000).
	From string
	// Within bounds the time until an answer (10 s).
	Within time.Duration
}

// ColdStart starts the server and returns the time from just before its process
// was created until the first 200 to an INVITE arrived. An INVITE is repeated
// every 2 ms until the server speaks; one that is refused is followed by
// another. The call and the server have ended when it returns.
func ColdStart(ctx context.Context, c ColdStartConfig) (took time.Duration, err error) {
	cfg := Config{Target: c.Target, Number: c.Number, From: or(c.From, "+12025550000")}.withDefaults()
	if err := cfg.check(); err != nil {
		return 0, err
	}
	target, local, err := cfg.addresses()
	if err != nil {
		return 0, err
	}
	clk := newClock()
	w, err := openDatagrams(local, clk)
	if err != nil {
		return 0, err
	}
	p := newPhone(w, target, clk, 0, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); p.run() }()
	defer func() { w.close(); <-ended }()

	begin := clk.now()
	server, err := startChild(c.Command, c.Env, c.Dir, c.Output, c.Output)
	if err != nil {
		return 0, fmt.Errorf("measure cold start: %w", err)
	}
	defer func() { err = errors.Join(err, server.end()) }()
	ctx, cancel := context.WithTimeout(ctx, or(c.Within, 10*time.Second))
	defer cancel()
	at, err := firstAnswer(ctx, p, cfg)
	if err != nil {
		return 0, fmt.Errorf("measure cold start: %w", err)
	}
	return at - begin, nil
}

// firstAnswer calls until a call is answered and returns when the 200 arrived.
func firstAnswer(ctx context.Context, p *phone, c Config) (time.Duration, error) {
	audio, err := openSocket(p.signalling.address().Addr(), p.clock)
	if err != nil {
		return 0, err
	}
	defer audio.close()
	for {
		d := p.dial(c.From, c.Number, offer(c.Codec, audio.address(), nil))
		d.insist = coldInsist
		ok, _, err := d.invite(ctx, time.Hour)
		if err == nil {
			d.bye()
			p.forget(d)
			return ok.at, nil
		}
		p.forget(d)
		if ctx.Err() != nil {
			return 0, fmt.Errorf("no call answered: %w", err)
		}
		rest(ctx, coldInsist)
	}
}
