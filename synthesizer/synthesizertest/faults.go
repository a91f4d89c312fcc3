package synthesizertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/synthesizer"
)

// Key is the only key that the stand-ins of Serve accept.
const Key = "sk-a-key-that-nobody-may-see"

// Vendor is a driver of a vendor and the stand-in of that vendor, which speaks tone
// words.
type Vendor struct {
	// Driver is closed by the tests when it can be.
	Driver  synthesizer.Driver
	Control *standin.Control
	// WordTimes says that the vendor tells when words sound.
	WordTimes bool
	// Socket says that the vendor speaks over WebSockets.
	Socket bool
	// InBand is the kind of the error that the stand-in reports inside a stream.
	InBand provider.Kind
	// Without are the faults that the vendor's protocol cannot have.
	Without []standin.Kind
}

// Serve starts a stand-in on loopback and returns a client for it, with its
// address.
func Serve(t *testing.T, vendor string, authorise func(http.Header), h http.Handler) (client *provider.Client, base string) {
	t.Helper()
	server, err := standin.Start("127.0.0.1:0", h, false)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &provider.Client{Vendor: vendor, HTTP: &http.Client{Transport: transport}, Authorise: authorise, Secrets: []sidetone.Secret{Key}}, server.URL
}

// RunVendor checks a vendor's driver: the conformance suite at 8 and 16 kHz, every
// word at its place, and every fault. start makes a driver with a Patience.
func RunVendor(t *testing.T, start func(t *testing.T, patience time.Duration) Vendor) {
	t.Helper()
	begin := func(t *testing.T) Vendor {
		return started(t, start, time.Minute) // a busy machine is not the vendor's fault
	}
	Run(t, func(t *testing.T) Harness {
		v := begin(t)
		return Harness{Driver: v.Driver, Text: vendorText, WordTimes: v.WordTimes, Speech: true}
	})
	t.Run("every word is where it is said to be", func(t *testing.T) { t.Parallel(); exact(t, begin(t)) })
	t.Run("is metered", func(t *testing.T) { t.Parallel(); metered(t, begin(t)) })
	t.Run("late sound is dropped", func(t *testing.T) { t.Parallel(); late(t, begin(t)) })
	t.Run("a closed driver fails", func(t *testing.T) { t.Parallel(); closed(t, begin(t)) })
	for _, c := range faultCases() {
		t.Run("fault "+c.name(), func(t *testing.T) {
			t.Parallel()
			patience := time.Minute
			if len(c.kinds) == 1 && c.kinds[0] == provider.Late {
				patience = 2 * time.Second
			}
			v := started(t, start, patience)
			if slices.Contains(v.Without, c.fault.Kind) || c.socket && !v.Socket {
				return
			}
			fails(t, v, c)
		})
	}
}

func started(t *testing.T, start func(t *testing.T, patience time.Duration) Vendor, patience time.Duration) Vendor {
	v := start(t, patience)
	if c, ok := v.Driver.(io.Closer); ok {
		t.Cleanup(func() { _ = c.Close() })
	}
	return v
}

const vendorText = "Good morning, this is Sunny Hill; the committee sees all 25 of you at 930, we're ready!"

// faultCase is a fault and what must come of it.
type faultCase struct {
	fault standin.Fault
	// kinds are the kinds of failure that may come; nil: the fault does no harm.
	kinds []provider.Kind
	// socket: only WebSockets have it.
	socket bool
}

func (c faultCase) name() string {
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", c.fault.Kind, c.fault.Status, c.fault.Reason))
}

func faultCases() []faultCase {
	kinds := func(all ...provider.Kind) []provider.Kind { return all }
	status := func(code int, kind provider.Kind) faultCase {
		return faultCase{fault: standin.Fault{Kind: standin.Status, Status: code, RetryAfter: 2 * time.Second}, kinds: kinds(kind)}
	}
	return []faultCase{
		status(400, provider.Rejected), status(401, provider.Unauthorised), status(402, provider.Exhausted),
		status(403, provider.Unauthorised), status(404, provider.Missing), status(429, provider.Limited),
		status(500, provider.Broken), status(503, provider.Broken),
		{fault: standin.Fault{Kind: standin.Refuse}, kinds: kinds(provider.Unreachable)},
		{fault: standin.Fault{Kind: standin.HalfOpen}, kinds: kinds(provider.Late)},
		{fault: standin.Fault{Kind: standin.Mute}, kinds: kinds(provider.Late)},
		{fault: standin.Fault{Kind: standin.Slow, Delay: 20 * time.Millisecond}, kinds: kinds(provider.Late)},
		{fault: standin.Fault{Kind: standin.Reset, After: 2}, kinds: kinds(provider.Unreachable)},
		{fault: standin.Fault{Kind: standin.Close, Status: 1011, Reason: "internal error", After: 2}, kinds: kinds(provider.Broken), socket: true},
		{fault: standin.Fault{Kind: standin.Close, Status: 1008, Reason: "quota_exceeded", After: 2}, kinds: kinds(provider.Exhausted), socket: true},
		{fault: standin.Fault{Kind: standin.Close, Status: 1000, After: 2}, kinds: kinds(provider.Unreachable), socket: true},
		{fault: standin.Fault{Kind: standin.Expire, After: 1}, kinds: kinds(provider.Broken, provider.Unreachable, provider.Rejected, provider.Late), socket: true},
		{fault: standin.Fault{Kind: standin.InBand, After: 1}, socket: true}, // its kind is the vendor's
		{fault: standin.Fault{Kind: standin.Malformed, After: 1}, kinds: kinds(provider.Broken)},
		{fault: standin.Fault{Kind: standin.Oversized, After: 1}, kinds: kinds(provider.Broken, provider.Unreachable)},
		{fault: standin.Fault{Kind: standin.EmptySuccess}, kinds: kinds(provider.Empty)},
		{fault: standin.Fault{Kind: standin.Unknown, After: 1}},
		{fault: standin.Fault{Kind: standin.Null}},
		{fault: standin.Fault{Kind: standin.NoStart}},
	}
}

// faultTime bounds every fault, on a busy machine.
const faultTime = 20 * time.Second

func fails(t *testing.T, v Vendor, c faultCase) {
	c.fault.Times = 1
	v.Control.Inject(c.fault)
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*faultTime)
	defer cancel()
	pcm, _, err := Collect(ctx, t, v.Driver, synthesizer.Request{Text: vendorText, Rate: 8000})
	if took := time.Since(start); took > faultTime {
		t.Errorf("it took %v", took)
	}
	kinds := c.kinds
	if c.fault.Kind == standin.InBand {
		kinds = []provider.Kind{v.InBand}
	}
	if kinds == nil {
		if got := words(pcm, 8000); err != nil || got != spelt(vendorText) {
			t.Errorf("heard %q, error %v", got, err)
		}
	} else {
		judge(t, c, kinds, err)
	}
	// One failure is not the end of the driver.
	pcm, _, err = Collect(ctx, t, v.Driver, synthesizer.Request{Text: "once more", Rate: 8000})
	if got := words(pcm, 8000); err != nil || got != "once more" {
		t.Errorf("after the fault: heard %q, error %v", got, err)
	}
}

// judge checks that an error is a failure that tells what is needed and no more.
func judge(t *testing.T, c faultCase, kinds []provider.Kind, err error) {
	t.Helper()
	f := (*provider.Failure)(nil)
	if !errors.As(err, &f) {
		t.Fatalf("error = %v, want a failure", err)
	}
	if !slices.Contains(kinds, f.Kind) || f.Vendor == "" {
		t.Errorf("failure %v of vendor %q has kind %q, want one of %v", f, f.Vendor, f.Kind, kinds)
	}
	if text := fmt.Sprintf("%v %+v %#v %v", err, err, *f, f.Err); strings.Contains(text, Key) {
		t.Error("the error holds the key")
	}
	switch c.fault.Kind {
	case standin.Status:
		if f.Status != c.fault.Status || f.RequestID == "" || f.RetryAfter != 2*time.Second {
			t.Errorf("failure %+v lacks status, request id or time to wait", f)
		}
	case standin.EmptySuccess:
		if !errors.Is(err, synthesizer.ErrSilent) {
			t.Errorf("error = %v, want ErrSilent", err)
		}
	}
}

// words are those that are heard in sound.
func words(pcm []int16, rate int) string {
	var all []string
	for _, w := range tonewords.NewEar(rate).Write(append(slices.Clone(pcm), make([]int16, rate)...)) {
		all = append(all, w.Text)
	}
	return strings.Join(all, " ")
}

// spelt is a text as words returns it.
func spelt(text string) string {
	var all []string
	for word := range strings.FieldsSeq(text) {
		all = append(all, tonewords.Spell(word))
	}
	return strings.Join(all, " ")
}

func exact(t *testing.T, v Vendor) {
	for _, rate := range []int{8000, 16000} {
		pcm, times, err := Collect(t.Context(), t, v.Driver, synthesizer.Request{Text: vendorText, Rate: rate})
		if err != nil {
			t.Fatalf("speak: %v", err)
		}
		if got := words(pcm, rate); got != spelt(vendorText) {
			t.Errorf("at %d Hz heard %q", rate, got)
		}
		heard := tonewords.NewEar(rate).Write(append(slices.Clone(pcm), make([]int16, rate)...))
		if !v.WordTimes || len(times) != len(heard) {
			if v.WordTimes {
				t.Errorf("at %d Hz %d words have times, %d were heard", rate, len(times), len(heard))
			}
			continue
		}
		for i, w := range times {
			if off := max(w.FromSample-heard[i].From, heard[i].From-w.FromSample, w.ToSample-heard[i].To, heard[i].To-w.ToSample); off > int64(rate/200) {
				t.Errorf("at %d Hz %q is heard at %d to %d, said to be at %d to %d", rate, heard[i].Text, heard[i].From, heard[i].To, w.FromSample, w.ToSample)
			}
		}
	}
}

// metered checks that a meter learns who got the text, how long it and the sound are,
// and how the vendor names the requests; also of an utterance that is left.
func metered(t *testing.T, v Vendor) {
	meter := &provider.Meter{}
	ctx := provider.WithMeter(t.Context(), meter)
	pcm, _, err := Collect(ctx, t, v.Driver, synthesizer.Request{Text: vendorText, Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	if got, least := meter.Total().Used[provider.AudioSeconds], float64(len(pcm))/8000; got < least-0.02 || got > least+2 {
		t.Errorf("%v s of sound were counted, %v s were heard", got, least)
	}
	for _, err := range v.Driver.Speak(ctx, synthesizer.Request{Text: "Äh, what?", Rate: 8000}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	total, news := meter.Total(), meter.News()
	if total.Requests != 2 || !slices.Equal(total.Hosts, []string{"127.0.0.1"}) || !slices.Equal(news.Hosts, total.Hosts) {
		t.Errorf("%d requests to %q, new are %q", total.Requests, total.Hosts, news.Hosts)
	}
	if want := float64(len(vendorText) + 9); total.Used[provider.Characters] != want {
		t.Errorf("%v characters, want %v", total.Used[provider.Characters], want)
	}
	if len(news.Requests) == 0 {
		t.Error("the vendor's names of the requests are not told")
	}
}

// late leaves an utterance early: nothing of it may be in the next one.
func late(t *testing.T, v Vendor) {
	v.Control.Inject(standin.Fault{Kind: standin.LateAudio, Times: 1})
	for range 3 {
		for _, err := range v.Driver.Speak(t.Context(), synthesizer.Request{Text: vendorText, Rate: 8000}) {
			if err != nil {
				t.Fatalf("speak: %v", err)
			}
			break
		}
		pcm, _, err := Collect(t.Context(), t, v.Driver, synthesizer.Request{Text: "no more than this", Rate: 8000})
		if got := words(pcm, 8000); err != nil || got != "no more than this" {
			t.Errorf("heard %q, error %v", got, err)
		}
	}
}

// closed uses a driver that was closed.
func closed(t *testing.T, v Vendor) {
	c, ok := v.Driver.(io.Closer)
	if !ok {
		return
	}
	if _, _, err := Collect(t.Context(), t, v.Driver, synthesizer.Request{Text: "before", Rate: 8000}); err != nil {
		t.Errorf("before: %v", err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, _, err := Collect(t.Context(), t, v.Driver, synthesizer.Request{Text: "after", Rate: 8000}); err == nil {
		t.Error("a closed driver spoke")
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(faultTime); v.Control.Active() > 0 && time.Now().Before(end); <-tick.C {
	}
	if n := v.Control.Active(); n > 0 {
		t.Errorf("%d connections are left", n)
	}
}
