package sip

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// digestOnly lets nobody in but one desk phone.
func digestOnly(c *Config) {
	c.LocalSources = []netip.Prefix{}
	c.Users = []User{{Name: "+12125550101", Password: "pw"}}
}

// A softphone registers with a server, is called through it, and leaves.
func TestRegister(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"from loopback": nil,
		"with digest":   digestOnly,
		"over ipv6":     func(c *Config) { c.Listen = "[::1]:0" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newDriver(t, change)
			phone := newDriver(t, func(c *Config) {
				if server.Addr().Addr().Is6() {
					c.Listen = "[::1]:0"
				}
				c.Trunks = []Trunk{{Name: "server", Host: server.Addr().String(), Username: "+12125550101", Password: "pw"}}
			})
			legs, _ := tape(t, phone)
			ctx, cancel := context.WithCancel(t.Context())
			ready, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- phone.Register(ctx, "server", "+12125550101", func() { close(ready) }) }()
			select {
			case <-ready:
			case err := <-done:
				t.Fatalf("Register: %v", err)
			}
			leg, err := server.Dial(t.Context(), telephony.DialRequest{From: "+12125550100", To: "+12125550101"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if info := (<-legs).Info(); info.To != "+12125550101" || info.From != "+12125550100" {
				t.Errorf("info %+v", info)
			}
			if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
				t.Errorf("Hangup: %v", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Register: %v", err)
			}
			if _, ok := server.registrar.find("+12125550101"); ok {
				t.Error("the registration is still there")
			}
		})
	}
}

func TestRegisterIsRefused(t *testing.T) {
	t.Parallel()
	server := newDriver(t, digestOnly)
	for _, test := range []struct {
		number, user string
		password     Secret
	}{
		{"+12125550101", "+12125550101", "wrong"},
		{"+12125550102", "+12125550101", "pw"},
		{"+12125550101", "", ""},
	} {
		phone := newDriver(t, func(c *Config) {
			c.Trunks = []Trunk{{Name: "server", Host: server.Addr().String(), Username: test.user, Password: test.password}}
		})
		var got *telephony.DialError
		if err := phone.Register(t.Context(), "server", test.number, nil); !errors.As(err, &got) || got.Cause != telephony.CauseUnauthorised {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestRegistrationsExpire(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	r := registrar{now: func() time.Time { return now }, bindings: make(map[string]binding)}
	r.put("a", binding{}, time.Minute)
	if _, ok := r.find("a"); !ok {
		t.Error("not found")
	}
	now = now.Add(61 * time.Second)
	if _, ok := r.find("a"); ok || len(r.bindings) != 0 {
		t.Error("still there")
	}
}

// A phone behind a router that gave it another port is told that its call is over there,
// once it has registered from there. Another phone of the user, and another user, take
// no call away.
func TestCallsFollowTheRegistration(t *testing.T) {
	t.Parallel()
	const contact = "Contact: <sip:desk@192.168.77.2:5062>"
	for _, test := range []struct {
		name, user, contact string
		moves               bool
	}{
		{"same phone", "desk", contact, true},
		{"another port of its host", "desk", "Contact: <sip:desk@192.168.77.2:5064>", false},
		{"another host", "desk", "Contact: <sip:desk@192.168.77.3:5062>", false},
		{"another user", "hall", contact, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := listening(t, "127.0.0.2")
			legs, _ := tape(t, d)
			before, after := newRawUAFrom(t, d, "udp", "127.0.0.3"), newRawUAFrom(t, d, "udp", "127.0.0.3")
			login(t, before, "INVITE", "desk", "secret", basicSDP(4000), contact)
			_, before.toTag, _ = strings.Cut(headerOf(before.status("INVITE", 200), "To"), ";tag=")
			before.send(before.request("ACK", before.last, "", contact))
			leg := <-legs
			login(t, after, "REGISTER", test.user, "secret", "", "To: <sip:"+test.user+"@sidetone>", test.contact)
			after.status("REGISTER", 200)
			done := make(chan error, 1)
			go func() { done <- leg.Hangup(t.Context(), telephony.CauseNormal) }()
			told := before
			if test.moves {
				told = after
			}
			msg := told.receive(20 * time.Second)
			for !strings.HasPrefix(msg, "BYE ") && msg != "" {
				msg = told.receive(20 * time.Second)
			}
			told.reply(msg, "200 OK", "")
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
