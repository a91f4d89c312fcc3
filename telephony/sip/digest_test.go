package sip

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/sidetone/sidetone/telephony"
)

func TestDigestUser(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{}
		c.Users = []User{{Name: "desk", Password: "secret"}}
	})
	got := make(chan string, 1)
	serve(t, d, func(ctx context.Context, leg telephony.Leg) {
		got <- leg.Info().Trunk
		accept(ctx, leg)
	})
	u := newRawUA(t, d, "udp")
	u.send(u.request("INVITE", 1, basicSDP(4000)))
	ask := u.status("INVITE", 401)
	u.ack(1, "")
	for i, password := range []string{"wrong", "secret"} {
		challenge, err := digest.ParseChallenge(headerOf(ask, "WWW-Authenticate"))
		if err != nil {
			t.Fatal(err)
		}
		cred, err := digest.Digest(challenge, digest.Options{Method: "INVITE", URI: "sip:+12125550123@sidetone",
			Count: 1, Username: "desk", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		u.send(u.request("INVITE", i+2, basicSDP(4000), "Authorization: "+cred.String()))
		if password == "secret" {
			u.status("INVITE", 200)
			if trunk := <-got; trunk != "" {
				t.Errorf("trunk %q", trunk)
			}
			return
		}
		u.status("INVITE", 401)
	}
}

func TestNoncesExpire(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	clock := func() time.Time { return now }
	n, here := newNonces(clock), netip.MustParseAddr("192.0.2.1")
	fresh := n.issue(here)
	if !n.valid(fresh, here) {
		t.Error("a fresh nonce is not valid")
	}
	if newNonces(clock).valid(fresh, here) || n.valid("", here) || n.valid(fresh[1:], here) {
		t.Error("a nonce that is not ours is valid")
	}
	if n.valid(fresh, netip.MustParseAddr("192.0.2.2")) {
		t.Error("a nonce is valid for another source")
	}
	now = now.Add(nonceLife + time.Second)
	if n.valid(fresh, here) {
		t.Error("an old nonce is valid")
	}
}

// desk is a phone that is let in by digest alone.
func desk(t *testing.T) (*Driver, *rawUA) {
	t.Helper()
	d := newDriver(t, func(c *Config) {
		c.LocalSources = []netip.Prefix{}
		c.Users = []User{{Name: "desk", Password: "secret"}}
	})
	return d, newRawUA(t, d, "udp")
}

// credentials answer a challenge for OPTIONS.
func credentials(t *testing.T, ask, uri string, count int) string {
	t.Helper()
	challenge, err := digest.ParseChallenge(headerOf(ask, "WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := digest.Digest(challenge, digest.Options{Method: "OPTIONS", URI: uri,
		Count: count, Username: "desk", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + cred.String()
}

// Who overheard credentials cannot use them again, and a phone that counts on
// needs no new challenge.
func TestDigestIsNotReplayed(t *testing.T) {
	t.Parallel()
	_, u := desk(t)
	u.send(u.request("OPTIONS", 1, ""))
	ask := u.status("OPTIONS", 401)
	const uri = "sip:+12125550123@sidetone"
	first := credentials(t, ask, uri, 1)
	seq := 1
	try := func(header string, want int) string {
		t.Helper()
		seq++
		u.send(u.request("OPTIONS", seq, "", header))
		return u.status("OPTIONS", want)
	}
	try(first, 200)
	again := try(first, 401)
	if c, err := digest.ParseChallenge(headerOf(again, "WWW-Authenticate")); err != nil || !c.Stale {
		t.Errorf("the challenge of a replay: %+v, %v; want a stale one", c, err)
	}
	try(credentials(t, ask, uri, 3), 200)
	try(credentials(t, ask, uri, 2), 401)
	try(credentials(t, again, uri, 1), 200)
	wrong := strings.Replace(credentials(t, again, uri, 2), `response="`, `response="0`, 1)
	if c, err := digest.ParseChallenge(headerOf(try(wrong, 401), "WWW-Authenticate")); err != nil || c.Stale {
		t.Errorf("the challenge after a wrong password: %+v, %v; must not be stale", c, err)
	}
}

// Credentials for one number open no other.
func TestDigestNamesItsResource(t *testing.T) {
	t.Parallel()
	_, u := desk(t)
	u.send(u.request("OPTIONS", 1, ""))
	ask := u.status("OPTIONS", 401)
	count := 0
	for uri, want := range map[string]int{
		"sip:+12125550123@sidetone":            200,
		"sip:+12125550123@SIDETONE:5060":       200,
		"sip:+12125550123@sidetone;user=phone": 200,
		"sip:+12125550124@sidetone":            400,
		"sip:+12125550123@elsewhere":           400,
		"sip:+12125550123@sidetone:5070":       400,
		"sip:sidetone":                         400,
		"tel:+12125550123":                     400,
	} {
		if want == 200 {
			count++
		}
		u.send(u.request("OPTIONS", 2+count, "", credentials(t, ask, uri, max(count, 1))))
		u.status("OPTIONS", want)
	}
}

// A count that was used is refused for as long as its nonce lives.
func TestNonceCounts(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	n, here := newNonces(func() time.Time { return now }), netip.MustParseAddr("192.0.2.1")
	nonce := n.issue(here)
	if !n.take(nonce, here, 5) || n.take(nonce, here, 5) || n.take(nonce, here, 4) || !n.take(nonce, here, 6) {
		t.Fatal("counts are not told apart")
	}
	for age := time.Second; age < nonceLife; age += nonceLife / 7 {
		now = time.Unix(1e9, 0).Add(age)
		if n.take(nonce, here, 6) {
			t.Fatalf("a replay after %s", age)
		}
		if !n.take(n.issue(here), here, 1) {
			t.Fatal("a fresh nonce is refused")
		}
	}
	now = now.Add(3 * nonceLife)
	n.take(n.issue(here), here, 1)
	now = now.Add(2 * nonceLife)
	n.take(n.issue(here), here, 1)
	if len(n.counts)+len(n.before) > 2 {
		t.Errorf("%d old nonces are in memory", len(n.counts)+len(n.before))
	}
}

// Phones of RFC 2069 know neither qop nor counts (RFC 3261, section 22.4): their nonce is
// good for one request.
func TestCredentialsWithoutQuality(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		password string
		status   int
	}{"right": {"secret", 200}, "wrong": {"other", 401}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, func(c *Config) {
				c.LocalSources, c.Users = []netip.Prefix{}, []User{{Name: "desk", Password: "secret"}}
			})
			u := newRawUA(t, d, "udp")
			u.send(u.request("OPTIONS", 1, ""))
			challenge, err := digest.ParseChallenge(headerOf(u.status("OPTIONS", 401), "WWW-Authenticate"))
			if err != nil {
				t.Fatal(err)
			}
			challenge.QOP = nil
			cred, err := digest.Digest(challenge, digest.Options{Method: "OPTIONS", URI: "sip:+12125550123@sidetone", Username: "desk", Password: test.password})
			if err != nil || cred.QOP != "" || cred.Nc != 0 {
				t.Fatalf("credentials %v, %v", cred, err)
			}
			u.send(u.request("OPTIONS", 2, "", "Authorization: "+cred.String()))
			u.status("OPTIONS", test.status)
			u.send(u.request("OPTIONS", 3, "", "Authorization: "+cred.String()))
			u.status("OPTIONS", 401)
		})
	}
}

// All addresses of a user are taken back by Contact: * and Expires: 0 alone.
func TestEveryContact(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers []string
		status  int
	}{
		"without Expires":      {[]string{"Contact: *"}, 400},
		"for some time":        {[]string{"Contact: *", "Expires: 600"}, 400},
		"with another contact": {[]string{"Contact: *\r\nContact: <sip:+12125550123@127.0.0.1>", "Expires: 0"}, 400},
		"after another one":    {[]string{"Contact: <sip:+12125550123@127.0.0.1>\r\nContact: *", "Expires: 0"}, 400},
		"at once":              {[]string{"Contact: *", "Expires: 0"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, nil)
			u := newRawUA(t, d, "udp")
			u.send(u.request("REGISTER", 1, "", "Contact: <sip:+12125550123@"+u.conn.LocalAddr().String()+">"))
			u.status("REGISTER", 200)
			u.send(u.request("REGISTER", 2, "", test.headers...))
			u.status("REGISTER", test.status)
			if _, ok := d.registrar.find("+12125550123"); ok == (test.status == 200) {
				t.Errorf("registered: %t", ok)
			}
		})
	}
}
