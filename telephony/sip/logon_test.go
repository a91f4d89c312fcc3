package sip

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// challengeOf is a response that challenges.
func challengeOf(t *testing.T, status int, lines ...string) *sip.Response {
	t.Helper()
	res := sip.NewResponse(status, "Auth")
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		res.AppendHeader(sip.NewHeader(name, value))
	}
	return res
}

func TestLogon(t *testing.T) {
	t.Parallel()
	const www, proxy = "WWW-Authenticate: ", "Proxy-Authenticate: "
	digest := func(realm, nonce, more string) string {
		return `Digest realm="` + realm + `", nonce="` + nonce + `", qop="auth"` + more
	}
	type step struct {
		status int
		line   string
		want   int // headers of credentials; 0: it is not answered
	}
	tests := map[string]struct {
		user, realm string
		steps       []step
	}{
		"once":                            {"u", "", []step{{401, www + digest("a", "1", ""), 1}}},
		"a proxy's, then the server's":    {"u", "", []step{{407, proxy + digest("p", "1", ""), 1}, {401, www + digest("a", "2", ""), 2}}},
		"the server's, then a proxy's":    {"u", "", []step{{401, www + digest("a", "1", ""), 1}, {407, proxy + digest("p", "2", ""), 2}}},
		"a nonce that has become stale":   {"u", "", []step{{407, proxy + digest("p", "1", ""), 1}, {407, proxy + digest("p", "2", ", stale=true"), 1}}},
		"a wrong password":                {"u", "", []step{{401, www + digest("a", "1", ""), 1}, {401, www + digest("a", "2", ""), 0}}},
		"a third challenge":               {"u", "", []step{{407, proxy + digest("p", "1", ""), 1}, {401, www + digest("a", "2", ""), 2}, {401, www + digest("a", "3", ", stale=true"), 0}}},
		"nobody to log on as":             {"", "", []step{{401, www + digest("a", "1", ""), 0}}},
		"Basic":                           {"u", "", []step{{401, www + `Basic realm="a"`, 0}}},
		"another realm than the trunk's":  {"u", "carrier", []step{{401, www + digest("a", "1", ""), 0}}},
		"the trunk's realm":               {"u", "carrier", []step{{401, www + digest("carrier", "1", ""), 1}}},
		"an algorithm that nobody knows":  {"u", "", []step{{401, www + digest("a", "1", ", algorithm=ROT13"), 0}}},
		"SHA-256":                         {"u", "", []step{{401, www + digest("a", "1", ", algorithm=SHA-256"), 1}}},
		"no quality":                      {"u", "", []step{{401, www + `Digest realm="a", nonce="1", qop=""`, 1}}},
		"several qualities":               {"u", "", []step{{401, www + `Digest realm="a", nonce="1", qop="auth-int, Auth"`, 1}}},
		"a session":                       {"u", "", []step{{401, www + digest("a", "1", ", algorithm=MD5-sess"), 1}}},
		"a session of nothing":            {"u", "", []step{{401, www + digest("a", "1", ", algorithm=-sess"), 0}, {401, www + digest("a", "1", ", algorithm=ROT13-sess"), 0}}},
		"two in one line":                 {"u", "p", []step{{401, www + digest("a, b", "1", "") + ",  DIGEST\t" + digest("p", "2", "")[7:], 1}}},
		"Basic first, in one line":        {"u", "", []step{{401, www + `Basic realm="Digest realm=x", ` + digest("p", "2", ""), 1}}},
		"a challenge that cannot be read": {"u", "", []step{{401, www + "Digest", 0}}},
	}
	for name, test := range tests {
		as := logon{user: test.user, pass: "secret", realm: test.realm}
		for i, s := range test.steps {
			err := as.answer(challengeOf(t, s.status, s.line), "BYE", "sip:a@b")
			if (err == nil) != (s.want > 0) || err == nil && len(as.headers) != s.want {
				t.Errorf("%s: challenge %d: %v, %d headers, want %d", name, i+1, err, len(as.headers), s.want)
			}
		}
	}
}

// Credentials for algorithms of a session; an unknown algorithm is named.
func TestCredentials(t *testing.T) {
	t.Parallel()
	as := logon{user: "u", pass: "p"}
	sum := func(h hash.Hash, text string) string {
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	for algorithm, h := range map[string]func() hash.Hash{"MD5-sess": md5.New, "md5-SESS": md5.New, "SHA-256-sess": sha256.New, "SHA-512-256-Sess": sha512.New512_256} {
		for _, qop := range []string{`, qop="auth"`, ""} {
			h1, _, err := as.credentials(challengeOf(t, 401, `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=`+algorithm+qop), "BYE", "sip:a@b")
			if err != nil {
				t.Errorf("%s: %v", algorithm, err)
				continue
			}
			_, rest, _ := strings.Cut(h1.value, " ")
			params := make(map[string]string)
			for _, part := range splitOutside(rest, ',') {
				name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
				params[name] = unquoted(value)
			}
			a1 := sum(h(), sum(h(), "u:r:p")+":n:"+params["cnonce"])
			want := sum(h(), a1+":n:"+sum(h(), "BYE:sip:a@b"))
			if qop != "" {
				want = sum(h(), a1+":n:00000001:"+params["cnonce"]+":auth:"+sum(h(), "BYE:sip:a@b"))
			}
			if params["response"] != want || params["cnonce"] == "" || params["algorithm"] != algorithm {
				t.Errorf("%s%s: %s", algorithm, qop, h1.value)
			}
		}
	}
	_, _, err := as.credentials(challengeOf(t, 401, `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=ROT13`), "BYE", "sip:a@b")
	if err == nil || !strings.Contains(err.Error(), "ROT13") {
		t.Errorf("an algorithm that nobody knows: %v", err)
	}
}

func FuzzSplitChallenges(f *testing.F) {
	for _, text := range []string{`Digest realm="a, b", nonce=1, Digest realm=c`, "Basic", ",,= ,", "\t a=b c=d"} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) { splitChallenges(text) })
}

// Challenges are answered for a leg's own trunk only, and only to where its calls go.
func TestLogonIsForTheTrunkAlone(t *testing.T) {
	t.Parallel()
	d := newDriver(t, func(c *Config) {
		c.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
		}
		c.Trunks = []Trunk{
			{Name: "named", Host: "sip.example:5060", Username: "u", Password: "p"},
			{Name: "at", Host: "192.0.2.9", Username: "u", Password: "p"},
			{Name: "open", Host: "192.0.2.9"},
		}
	})
	for _, test := range []struct {
		trunk, to string
		want      bool
	}{
		{"named", "192.0.2.7", true}, {"named", "192.0.2.8", false}, {"at", "192.0.2.9", true}, {"at", "192.0.2.7", false},
		{"open", "192.0.2.9", false}, {"", "192.0.2.9", false}, {"gone", "192.0.2.9", false},
	} {
		l := &leg{d: d, began: d.trunk(test.trunk)}
		if got := l.logonFor(t.Context(), netip.MustParseAddr(test.to)); (got.user != "") != test.want {
			t.Errorf("trunk %q, host %s: %t", test.trunk, test.to, got.user != "")
		}
	}
}

// A refresh that failed is made again when the far end may take it.
func TestPauseAfterARefresh(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		status            int
		after             string
		ours              bool
		shortest, longest time.Duration
	}{
		{"both at once, our call", 491, "", true, 2100 * time.Millisecond, 4 * time.Second},
		{"both at once, their call", 491, "3", false, 0, 2 * time.Second},
		{"at a time that they say", 500, "7;duration=5", true, 7 * time.Second, 7 * time.Second},
		{"at no time", 503, "", true, 10 * time.Second, 10 * time.Second},
		{"at a time that makes no sense", 500, "soon", true, 10 * time.Second, 10 * time.Second},
		{"no re-INVITE there", 405, "", true, 10 * time.Second, 10 * time.Second},
	} {
		res := sip.NewResponse(test.status, "no")
		if test.after != "" {
			res.AppendHeader(sip.NewHeader("Retry-After", test.after))
		}
		if wait := pauseAfter(res, test.ours); wait < test.shortest || wait > test.longest {
			t.Errorf("%s: wait %s", test.name, wait)
		}
	}
}
