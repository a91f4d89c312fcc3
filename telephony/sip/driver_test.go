package sip

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// TestMain lets more tests run at a time than there are processors: most of them wait
// for the timers of SIP, and for packets to be due.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil { // what the command line says goes before
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// newDriver returns a driver on a free port that the test closes.
func newDriver(t testing.TB, change func(*Config)) *Driver {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// serve runs Serve for the test's time.
func serve(t testing.TB, d *Driver, answer func(context.Context, telephony.Leg)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Serve(ctx, answer)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	eventually(t, "Serve", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.serving != nil
	})
}

// eventually polls until done.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			telephonytest.Run(t, func(t *testing.T) telephonytest.Harness { return newHarness(t, transport) })
		})
	}
}

// newHarness lets two drivers call each other over loopback.
func newHarness(t *testing.T, transport string) telephonytest.Harness {
	ca := newAuthority(t)
	listen := func(c *Config) {
		if transport == "tls" {
			c.TLS = ca.listener(t)
		}
	}
	trunk := func(name string, to *Driver) []Trunk {
		if transport == "tls" {
			return []Trunk{{Name: name, Host: to.TLSAddr().String(), Transport: transport, TLS: TrunkTLS{CAFile: ca.file},
				Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
		}
		return []Trunk{{Name: name, Host: to.Addr().String(), Transport: transport}}
	}
	far := newDriver(t, listen)
	near := newDriver(t, func(c *Config) {
		listen(c)
		c.Trunks = trunk("far", far)
	})
	caller := newDriver(t, func(c *Config) {
		listen(c)
		c.Trunks = trunk("near", near)
	})
	incoming := make(chan telephony.Leg, 8)
	over := make(chan struct{})
	serve(t, far, func(_ context.Context, leg telephony.Leg) {
		incoming <- leg
		<-over
	})
	t.Cleanup(func() { close(over) })
	return telephonytest.Harness{
		Driver:  near,
		Request: telephony.DialRequest{From: "+12125550100", To: "+12125550199", Trunk: "far"},
		Call: func(ctx context.Context, number string) (telephonytest.FarEnd, error) {
			leg, err := caller.Dial(ctx, telephony.DialRequest{From: "+12125550199", To: number, Trunk: "near"}, nil)
			if err != nil {
				return nil, err
			}
			return telephonytest.FarLeg(t, leg), nil
		},
		Incoming: func(ctx context.Context) (telephonytest.FarCall, error) {
			select {
			case leg := <-incoming:
				return telephonytest.LegCall(t, leg), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
}

// Close ends a call that we place and that rings.
func TestCloseWhileACallRings(t *testing.T) {
	t.Parallel()
	c := newCarrier(t)
	d := newDriver(t, func(cfg *Config) { cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String()}} })
	rings, dialled := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := d.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, func() { close(rings) })
		dialled <- err
	}()
	c.answer(c.receive(), "180 Ringing", "")
	<-rings
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	var failed *telephony.DialError
	if err := <-dialled; !errors.As(err, &failed) {
		t.Errorf("Dial: %v", err)
	}
}
