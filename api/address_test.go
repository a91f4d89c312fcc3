package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	s := &server{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, test := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1:5"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1:5"}, // nobody we trust says so
		{"10.0.0.1:5", nil, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"}, // the first is the client's own word
		{"10.0.0.1:5", []string{"203.0.113.9", "198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		{"[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.1:443"}, "198.51.100.1:443"},
		{"10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:5", []string{"198.51.100.1, unknown"}, "10.0.0.1:5"},
		{"10.0.0.1:5", []string{""}, "10.0.0.1:5"},
		{"@", []string{"198.51.100.1"}, "@"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.peer
		if test.forwarded != nil {
			r.Header["X-Forwarded-For"] = test.forwarded
		}
		if got := s.clientAddress(r); got != test.want {
			t.Errorf("%s, forwarded %q: %s, want %s", test.peer, test.forwarded, got, test.want)
		}
	}
}
