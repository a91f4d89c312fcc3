package sip

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

// watcher notes what it sees.
type watcher struct {
	mu    sync.Mutex
	seen  []telephony.Message
	names map[string]string // call by name
	over  []string
}

func (w *watcher) Message(m telephony.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.Text = slices.Clone(m.Text)
	w.seen = append(w.seen, m)
}

func (w *watcher) Belongs(name, callID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.names == nil {
		w.names = map[string]string{}
	}
	w.names[name] = callID
}

func (w *watcher) Over(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = append(w.over, name)
}

// story is what was seen of a name, in a line: > is ours.
func (w *watcher) story(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.seen, func(a, b telephony.Message) int { return a.At.Compare(b.At) }) // an answer may be seen before what it answers
	var out []string
	for _, m := range w.seen {
		if !slices.Contains(m.Names[:], name) {
			continue
		}
		words := strings.Fields(string(m.Text[:min(len(m.Text), 30)]))
		arrow, word := "<", words[0]
		if m.Sent {
			arrow = ">"
		}
		if strings.HasPrefix(word, "SIP/") {
			word = words[1]
		}
		if line := arrow + word; len(out) == 0 || out[len(out)-1] != line { // a busy machine repeats
			out = append(out, line)
		}
	}
	return strings.Join(out, " ")
}

func (w *watcher) ended(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.over, name)
}

// TestWatcherSeesAFailedDial: a challenge, and a refusal.
func TestWatcherSeesAFailedDial(t *testing.T) {
	t.Parallel()
	c, w := newCarrier(t), &watcher{}
	d := newDriver(t, func(cfg *Config) {
		cfg.Watcher = w
		cfg.Trunks = []Trunk{{Name: "carrier", Host: c.conn.LocalAddr().String(), Username: "acct", Password: "pw"}}
	})
	failed := make(chan error, 1)
	go func() {
		_, err := d.Dial(t.Context(), telephony.DialRequest{CallID: "call-1", From: "+12125550100", To: "+12125550101", Trunk: "carrier"}, nil)
		failed <- err
	}()
	invite := c.receive()
	c.answer(invite, "407 Proxy Authentication Required", "", `Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`)
	c.receive()
	c.answer(c.receive(), "403 Forbidden", "")
	c.receive()
	if err := <-failed; err == nil {
		t.Fatal("the call was answered")
	}
	name := signalling(headerOf(invite, "Call-ID"), tagIn(headerOf(invite, "From")))
	if got, want := w.story(name), ">INVITE <407 >ACK >INVITE <403 >ACK"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if w.names[name] != "call-1" || !w.ended(name) {
		t.Errorf("names %v, over %v", w.names, w.over)
	}
	first := w.seen[0]
	if first.Local != d.Addr() || first.Remote.String() != c.conn.LocalAddr().String() || first.Transport != "UDP" || string(first.Text) != invite || !first.Begins {
		t.Errorf("first message: %+v", first)
	}
}

// TestWatcherSeesInboundCalls: whole messages, also those that come over TCP in pieces
// and together, and what the driver refuses by itself.
func TestWatcherSeesInboundCalls(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			w, refused := &watcher{}, make(chan telephony.Refusal, 1)
			d := newDriver(t, func(cfg *Config) {
				cfg.Watcher = w
				cfg.RefusedCall = func(info telephony.Info, why telephony.Refusal) {
					w.Belongs(info.Signalling, info.To)
					refused <- why
				}
			})
			legs := make(chan telephony.Leg, 1)
			serve(t, d, func(ctx context.Context, leg telephony.Leg) {
				legs <- leg
				accept(ctx, leg)
			})
			u := newRawUA(t, d, network)
			invite := u.request("INVITE", 1, basicSDP(4000))
			if network == "tcp" {
				u.send(invite[:100])
				u.send(invite[100 : len(invite)-10])
				u.send(invite[len(invite)-10:])
			} else {
				u.send(invite)
			}
			ok := u.status("INVITE", 200)
			_, u.toTag, _ = strings.Cut(headerOf(ok, "To"), ";tag=")
			name := signalling(u.callID, "caller")
			if leg := <-legs; leg.Info().Signalling != name {
				t.Errorf("the leg's name is %q", leg.Info().Signalling)
			}
			ack := u.request("ACK", 1, "")
			bye := u.request("BYE", 2, "")
			if network == "tcp" {
				u.send(ack + bye)
			} else {
				u.send(ack)
				u.send(bye)
			}
			u.status("BYE", 200)
			eventually(t, "the end of the leg", func() bool { return w.ended(name) })
			story := w.story(name)
			if !strings.HasPrefix(story, "<INVITE ") || !strings.Contains(story, ">200 <ACK <BYE >200") {
				t.Errorf("got %s", story)
			}
			w.mu.Lock()
			seen := slices.Clone(w.seen)
			w.mu.Unlock()
			for _, want := range []string{invite, ack, bye} {
				if !slices.ContainsFunc(seen, func(m telephony.Message) bool {
					return string(m.Text) == want && m.Remote.String() == u.conn.LocalAddr().String() && m.Transport == strings.ToUpper(network) && m.Local.Addr() == netip.MustParseAddr("127.0.0.1")
				}) {
					t.Errorf("not seen: %q", want)
				}
			}
			u.callID, u.toTag = u.callID+"-2", ""
			u.send(u.request("INVITE", 1, strings.Replace(basicSDP(4000), "RTP/AVP 0 101", "RTP/AVP 18 101", 1)))
			u.status("INVITE", 488)
			select {
			case why := <-refused:
				if why.Cause != telephony.CauseNotAcceptable || !strings.HasPrefix(why.Reason, "488 ") {
					t.Errorf("refused: %+v", why)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("nobody was told of the refused call")
			}
			if got := w.story(signalling(u.callID, "caller")); !strings.HasSuffix(got, ">488") && !strings.HasSuffix(got, ">488 <ACK") {
				t.Errorf("refused: %s", got)
			}
		})
	}
}

// FuzzIdentify compares how we read our own messages with what strangers may make of
// them: it must not panic.
func FuzzIdentify(f *testing.F) {
	f.Add("INVITE sip:1@b SIP/2.0\r\nFrom: <sip:a@b>;tag=x\r\nTo: sip:c@d;tag=y;z\r\nCall-ID: 7\r\nCSeq: 1 INVITE\r\n\r\n")
	f.Add("From:>;tag\r\n")
	f.Fuzz(func(_ *testing.T, text string) { identify([]byte(text)) })
}
