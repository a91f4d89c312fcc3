package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// names is a resolver; each name's answers are given one after the other, the last
// of them again and again.
type names struct {
	of    map[string][]string
	asked atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	answers := n.of[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	text := answers[min(int(n.asked.Add(1))-1, len(answers)-1)]
	var out []netip.Addr
	for one := range strings.SplitSeq(text, " ") {
		out = append(out, netip.MustParseAddr(one))
	}
	return out, nil
}

// target listens and counts the connections that reach it.
type listening struct {
	*httptest.Server
	reached atomic.Int32
}

func listen(t *testing.T, h http.Handler) *listening {
	t.Helper()
	l := &listening{}
	l.Server = httptest.NewUnstartedServer(h)
	l.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			l.reached.Add(1)
		}
	}
	l.Start()
	t.Cleanup(l.Close)
	return l
}

func (l *listening) port() string { return l.Listener.Addr().String()[len("127.0.0.1:"):] }

// hosts are spellings of hosts that are not public, see RFC 6890, and of hosts that
// some resolver takes for such.
func hosts() []string {
	v4 := []string{"127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "127.0.1", "0", "0.0.0.0", "0.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.1",
		"017700000001", "0177.0.0.1", "127.0.0.1.", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "169.254.169.254", "169.254.0.1", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "3232235521", "0xa9fea9fe", "2852039166", "169.254.43518", "1.2.3.0x4", "127.0.0.01"}
	v6 := []string{"::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2001:10::1", "2001:20::1", "2002:7f00:1::1", "2002:a9fe:a9fe::", "fc00::1", "fd00::1",
		"fd00:ec2::254", "fe80::1", "fe80::1%25lo", "fec0::1", "ff02::1", "ff0e::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::ffff:0:127.0.0.1", "5f00::1"}
	out := v4
	for _, a := range v6 {
		out = append(out, "["+a+"]")
	}
	return out
}

// corpus are addresses that reach something private if they are let out; port is one
// that listens on loopback. Names are those of resolver.
func corpus(port string) (out []string) {
	for _, h := range append(hosts(), "private.example", "metadata.example", "mixed.example", "mixed6.example", "LOCALHOST", "localhost", "localhost.", "ip6.example", "mapped.example") {
		for _, scheme := range []string{"http", "https"} {
			out = append(out, scheme+"://"+h+":"+port+"/", scheme+"://"+h+"/")
		}
	}
	for _, text := range []string{"http://user:pass@public.example:%s/", "http://public.example@127.0.0.1:%s/", "http://127.0.0.1:%s@public.example/", "http://127.0.0.1:%s#@public.example/",
		"http://127.0.0.1:%s?@public.example/", "http://public.example:22/", "http://public.example:25/?%s", "http://public.example:6553%s/", "http://public.example:-1/%s", "http://:%s/", "http:///%s",
		"http:%s", "//127.0.0.1:%s/", "ftp://127.0.0.1:%s/", "file:///etc/passwd?%s", "gopher://127.0.0.1:%s/_x", "unix:///run/x.sock?%s", "http://[::1", "http://[::1]:%s:80/", "http://127.0.0.1:%s\\@public.example/",
		"http://①②⑦.0.0.1:%s/", "http://127。0。0。1:%s/", "http://%%31%%32%%37.0.0.1:%s/", "http://127.0.0.1%%00.public.example:%s/", "http://127.0.0.1\t:%s/", "ws://127.0.0.1:%s/", "wss://127.0.0.1:%s/", "ws://[::1]:%s/"} {
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, port)
		}
		out = append(out, text)
	}
	return out
}

func resolver() *names {
	return &names{of: map[string][]string{"private.example": {"10.0.0.1"}, "metadata.example": {"169.254.169.254"}, "mixed.example": {"93.184.215.14 127.0.0.1"},
		"mixed6.example": {"93.184.215.14 ::1"}, "localhost": {"127.0.0.1"}, "ip6.example": {"::1"}, "mapped.example": {"::ffff:127.0.0.1"},
		"127.0.0.1": {"127.0.0.1"}, "2130706433": {"127.0.0.1"}, "127.1": {"127.0.0.1"}, "0x7f.1": {"127.0.0.1"}}}
}

// TestNothingPrivateIsReached sends every address of the corpus as a request and as
// a WebSocket, directly and with a proxy.
func TestNothingPrivateIsReached(t *testing.T) {
	t.Parallel()
	private := listen(t, http.NotFoundHandler())
	proxy := listen(t, http.NotFoundHandler())
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for name, o := range map[string]Options{"directly": {}, "with a proxy": {Proxy: http.ProxyURL(through)}} {
		o.Resolver = resolver()
		g, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range corpus(private.port()) {
			count++
			for kind, send := range map[string]func() error{
				"request": func() error {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("x"))
					if err != nil {
						return err
					}
					response, err := g.Client("e").Do(r)
					if err == nil {
						_ = response.Body.Close()
					}
					return err
				},
				"WebSocket": func() error {
					conn, _, err := websocket.Dial(t.Context(), strings.Replace(address, "http", "ws", 1), &websocket.DialOptions{HTTPClient: g.Client("e")})
					if err == nil {
						_ = conn.CloseNow()
					}
					return err
				},
			} {
				if err := send(); err == nil {
					t.Errorf("%s, %s: %s was let out", name, kind, address)
				}
			}
		}
	}
	if n, m := private.reached.Load(), proxy.reached.Load(); n+m > 0 || count < 400 {
		t.Errorf("%d connections to what is private, %d to the proxy, of %d addresses", n, m, count)
	}
	t.Logf("%d addresses, each as a request and as a WebSocket: 0 connections", count)
}

// TestANameIsAskedOnce: what was checked is what is dialled, whatever the name means
// a moment later.
func TestANameIsAskedOnce(t *testing.T) {
	t.Parallel()
	private := listen(t, http.NotFoundHandler())
	r := &names{of: map[string][]string{"rebinds.example": {"192.0.2.1", "127.0.0.1"}}}
	g, err := New(Options{Resolver: r, Allow: []string{"192.0.2.0/24"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // nobody has that address
	defer cancel()
	if _, err := get(ctx, g.Client("e"), "http://rebinds.example:"+private.port()); err == nil || refused(err) {
		t.Errorf("the first address was not dialled: %v", err)
	}
	if _, err := get(t.Context(), g.Client("e"), "http://rebinds.example:"+private.port()); !refused(err) || private.reached.Load() > 0 {
		t.Errorf("got %v after %d connections", err, private.reached.Load())
	}
}

func get(ctx context.Context, c *http.Client, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, text), err
}

func refused(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}

// TestRedirectsAreNotFollowed: an answer cannot send a request on.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	private := listen(t, http.NotFoundHandler())
	public := listen(t, http.RedirectHandler(private.URL, http.StatusTemporaryRedirect))
	g, err := New(Options{Allow: []string{"127.0.0.1:" + public.port()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*http.Client{"a customer's": g.Client("e"), "the operator's": g.Operator("e")} {
		if got, err := get(t.Context(), c, public.URL); err != nil || !strings.HasPrefix(got, "307 ") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if private.reached.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func TestWhatTheOperatorAllows(t *testing.T) {
	t.Parallel()
	local := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	port := local.port()
	names := &names{of: map[string][]string{"box.lan": {"127.0.0.1"}}}
	for name, c := range map[string]struct {
		o       Options
		address string
		ok      bool
	}{
		"nothing":                  {Options{}, "http://127.0.0.1:" + port, false},
		"the address":              {Options{Allow: []string{"127.0.0.1"}}, "http://127.0.0.1:" + port, true},
		"the address and the port": {Options{Allow: []string{"127.0.0.1:" + port}}, "http://127.0.0.1:" + port, true},
		"another port":             {Options{Allow: []string{"127.0.0.1:1"}}, "http://127.0.0.1:" + port, false},
		"the network":              {Options{Allow: []string{"127.0.0.0/8"}}, "http://box.lan:" + port, true},
		"the name":                 {Options{Allow: []string{"Box.LAN:" + port}}, "http://box.lan:" + port, true},
		"another name":             {Options{Allow: []string{"other.lan"}}, "http://box.lan:" + port, false},
		"only that":                {Options{Allow: []string{"127.0.0.1"}, Only: []string{"127.0.0.1"}}, "http://127.0.0.1:" + port, true},
		"only something else":      {Options{Allow: []string{"127.0.0.1"}, Only: []string{"api.example"}}, "http://127.0.0.1:" + port, false},
	} {
		c.o.Resolver = names
		g, err := New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := get(t.Context(), g.Client("e"), c.address)
		if c.ok && got != "200 here" || !c.ok && !refused(err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "outbound.") {
			t.Errorf("%s: %v names no setting", name, err)
		}
	}
}

// TestOnlyBindsTheOperatorToo: nothing leaves for a host that is not listed.
func TestOnlyBindsTheOperatorToo(t *testing.T) {
	t.Parallel()
	local := listen(t, http.NotFoundHandler())
	for _, only := range []string{"127.0.0.1", "api.example"} {
		g, err := New(Options{Only: []string{only}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := get(t.Context(), g.Operator("e"), local.URL); refused(err) != (only == "api.example") {
			t.Errorf("only %s: %v", only, err)
		}
	}
}

func TestWrongEntries(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "http://x", "a:b", "x:0", "x:70000", "a b", "10.0.0.0/33", "[::1", "user@x"} {
		if _, err := New(Options{Allow: []string{entry}}); err == nil || !strings.Contains(err.Error(), "outbound.allow") {
			t.Errorf("%q: %v", entry, err)
		}
	}
	if _, err := New(Options{Only: []string{"http://x"}}); err == nil || !strings.Contains(err.Error(), "outbound.only") {
		t.Error(err)
	}
}

// TestCheckTellsBeforehand: what can be told without a resolver is told when a setting
// is stored.
func TestCheckTellsBeforehand(t *testing.T) {
	t.Parallel()
	g, err := New(Options{Allow: []string{"10.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for address, ok := range map[string]bool{"https://api.example/v1": true, "http://10.0.0.1:11434": true, "http://10.0.0.2": false, "http://[::1]:80": false, "ftp://x": false,
		"": false, "http://x:22": false, "https://a:b@x/": false, "wss://x.example/": true} {
		if err := g.Check(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestConcurrency: an environment has no more requests open than it may, a WebSocket
// counts while it lasts, and others are not held up.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	local := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = conn.Read(r.Context())
			_ = conn.CloseNow()
		}
	}))
	g, err := New(Options{Concurrent: 1, Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	dial := func(environment string) (*websocket.Conn, error) {
		conn, _, err := websocket.Dial(t.Context(), strings.Replace(local.URL, "http", "ws", 1), &websocket.DialOptions{HTTPClient: g.Client(environment)})
		return conn, err
	}
	first, err := dial("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial("a"); !errors.Is(err, errTooMany) {
		t.Errorf("a second one: %v", err)
	}
	other, err := dial("b")
	if err != nil {
		t.Fatalf("another environment's: %v", err)
	}
	_ = other.CloseNow()
	_ = first.CloseNow()
	if _, err := get(t.Context(), g.Client("a"), local.URL); err != nil {
		t.Errorf("after the first one ended: %v", err)
	}
}

func TestTrunksOfCustomers(t *testing.T) {
	t.Parallel()
	g, err := New(Options{Allow: []string{"pbx.lan:5080", "10.1.0.0/16"}})
	if err != nil {
		t.Fatal(err)
	}
	none := netip.Addr{}
	for _, test := range []struct {
		host string
		port uint16
		to   netip.Addr
		ok   bool
	}{
		{"sip.carrier.example", 5060, none, true}, {"sip.carrier.example", 5060, netip.MustParseAddr("54.172.60.1"), true},
		{"sip.carrier.example", 5060, netip.MustParseAddr("10.2.0.1"), false}, {"sip.carrier.example", 5060, netip.MustParseAddr("10.1.0.1"), true},
		{"sip.carrier.example", 5060, netip.MustParseAddr("::ffff:127.0.0.1"), false}, {"sip.carrier.example", 53, none, false}, {"sip.carrier.example", 443, none, true},
		{"PBX.lan.", 5080, netip.MustParseAddr("192.168.0.5"), true}, {"pbx.lan", 5060, netip.MustParseAddr("192.168.0.5"), false},
		{"169.254.169.254", 5060, none, false}, {"0x7f.1", 5060, none, false}, {"2130706433", 5060, none, false}, {"10.1.2.3", 25, none, true},
	} {
		if err := g.CheckTrunk(test.host, test.port, test.to); (err == nil) != test.ok {
			t.Errorf("%s:%d at %s: %v", test.host, test.port, test.to, err)
		}
	}
	for network, ok := range map[string]bool{
		"54.172.60.0/30": true, "216.147.0.0/18": true, "54.172.0.0/16": true, "54.0.0.0/8": false, "0.0.0.0/0": false, "127.0.0.1/32": false,
		"10.1.2.0/24": true, "10.0.0.0/15": false, "192.168.0.0/16": false, "2600:1f18::/32": true, "2000::/3": false, "fd00::/64": false, "::1/128": false,
	} {
		if err := g.CheckSources(netip.MustParsePrefix(network)); (err == nil) != ok {
			t.Errorf("%s: %v", network, err)
		}
	}
	only, err := New(Options{Only: []string{"sip.carrier.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if only.CheckTrunk("sip.carrier.example", 5060, none) != nil || only.CheckTrunk("sip.other.example", 5060, none) == nil {
		t.Error("outbound.only does not hold for trunks")
	}
}
