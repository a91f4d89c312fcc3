package socket

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a session whose vendor's messages are the text of an utterance, final
// when they begin with "!", and answers to a Finalize with "!!".
type plain struct {
	*Encoder
	feed  *Feed
	heavy bool
}

func (p *plain) Flush() []byte { return []byte("flush") }

func (p *plain) Sound(pcm []int16) (message []byte, binary bool) {
	if p.heavy {
		return make([]byte, 8<<20), true
	}
	return p.Encoder.Sound(pcm)
}

func (p *plain) Receive(message []byte) error {
	text := string(message)
	switch {
	case strings.HasPrefix(text, "!!"):
		p.feed.Final(text[2:], nil, 1)
	case strings.HasPrefix(text, "!"):
		p.feed.Final(text[1:], nil, 0)
	case text == "error":
		return p.feed.stream.dialect.Client.Fail(provider.Broken, "it says so")
	default:
		p.feed.Partial(text, nil)
	}
	return nil
}

// vendor serves each connection with serve, and returns a dialect for it.
func vendor(t *testing.T, serve func(ctx context.Context, conn *websocket.Conn)) Dialect {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }() // it may be over
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		serve(ctx, conn)
	}))
	client := &provider.Client{Vendor: "acme", HTTP: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		client.HTTP.CloseIdleConnections()
		server.Close()
	})
	address := URL(server.URL, "/listen", nil)
	return Dialect{
		Client:    client,
		Dial:      func(ctx context.Context) (*provider.Socket, error) { return client.Dial(ctx, address, nil) },
		Begin:     func(f *Feed) Session { return &plain{Encoder: NewEncoder(8000), feed: f} },
		FlushWait: 100 * time.Millisecond,
	}
}

// texts passes on the text messages of a client until it leaves.
func texts(ctx context.Context, conn *websocket.Conn, take func(text string)) {
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageText {
			take(string(data))
		}
	}
}

func open(t *testing.T, d Dialect) *Stream {
	t.Helper()
	s, err := Open(t.Context(), 8000, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func frame() audio.Frame { return audio.Frame{PCM: make([]int16, 160), Rate: 8000} }

// collect reads events until done reports true or they end.
func collect(s *Stream, done func(transcriber.Event) bool) (events []transcriber.Event, err error) {
	for e, err := range s.Events() {
		if err != nil {
			return events, err
		}
		events = append(events, e)
		if done(e) {
			break
		}
	}
	return events, nil
}

func flushed(e transcriber.Event) bool { return e.Flushed }

func TestAnUnansweredFinalizeGetsWhatIsKnown(t *testing.T) {
	t.Parallel()
	send := make(chan string, 8)
	s := open(t, vendor(t, func(ctx context.Context, conn *websocket.Conn) {
		if _, _, err := conn.Read(ctx); err != nil { // the sound
			return
		}
		go func() {
			for text := range send {
				_ = conn.Write(ctx, websocket.MessageText, []byte(text)) // the client may have left
			}
		}()
		texts(ctx, conn, func(string) {})
	}))
	defer close(send)
	if err := s.Write(frame()); err != nil {
		t.Fatal(err)
	}
	send <- "hello wor"
	partial, _ := collect(s, func(transcriber.Event) bool { return true })
	s.Finalize()
	first, _ := collect(s, flushed)
	send <- "!hello world and more"
	second, _ := collect(s, func(transcriber.Event) bool { return true })
	got := append(append(partial, first...), second...)
	want := []transcriber.Event{
		{Kind: transcriber.Partial, Text: "hello wor"}, {Kind: transcriber.Final, Text: "hello wor", Flushed: true}, {Kind: transcriber.Final, Text: "and more"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneAnswerServesFinalizesAtOnePlace(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 8)
	d := vendor(t, func(ctx context.Context, conn *websocket.Conn) {
		texts(ctx, conn, func(string) {
			asked <- struct{}{}
			_ = conn.Write(ctx, websocket.MessageText, []byte("!!yes")) // the client may have left
		})
	})
	d.FlushWait = time.Hour
	s := open(t, d)
	s.Finalize() // before any sound there is nothing to ask
	if err := s.Write(frame()); err != nil {
		t.Fatal(err)
	}
	s.Finalize()
	s.Finalize()
	var all []string
	for range 3 {
		events, err := collect(s, flushed)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events[len(events)-1].Text)
	}
	if diff := cmp.Diff([]string{"", "yes", ""}, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(asked); n != 1 {
		t.Errorf("the vendor was asked %d times", n)
	}
}

// The answer for a place comes after a second Finalize was made there, and before
// the vendor would have been asked again.
func TestAnAnswerServesAFinalizeThatWasNotSentYet(t *testing.T) {
	t.Parallel()
	s := &Stream{rate: 8000, wake: make(chan struct{}, 1), due: make(chan struct{}, 1), dialect: Dialect{FlushWait: time.Hour}}
	s.current = &connection{sounded: true}
	feed := &Feed{stream: s, conn: s.current}
	if err := s.Write(frame()); err != nil {
		t.Fatal(err)
	}
	s.Finalize()
	s.Finalize()
	if flush, ok := s.take(); flush || !ok {
		t.Fatal("no sound to send")
	}
	s.progress(len(s.piece))
	if flush, _ := s.take(); !flush {
		t.Fatal("no Finalize to send")
	}
	s.sentFlush()
	feed.Final("yes", nil, 1)
	if _, ok := s.take(); ok {
		t.Error("the vendor is asked twice")
	}
	if n := len(s.flushes); n != 0 {
		t.Errorf("%d Finalizes wait for an answer", n)
	}
}

func TestSoundIsJoinedToChunks(t *testing.T) {
	t.Parallel()
	sizes := make(chan int, 100)
	d := vendor(t, func(ctx context.Context, conn *websocket.Conn) {
		for {
			kind, data, err := conn.Read(ctx)
			switch {
			case err != nil:
				return
			case kind == websocket.MessageBinary:
				sizes <- len(data)
			default:
				_ = conn.Write(ctx, websocket.MessageText, []byte("!!")) // the client may have left
			}
		}
	})
	d.Chunk = 60 * time.Millisecond
	s := open(t, d)
	for range 10 {
		if err := s.Write(frame()); err != nil {
			t.Fatal(err)
		}
	}
	s.Finalize()
	if _, err := collect(s, flushed); err != nil {
		t.Fatal(err)
	}
	total := 0
	for len(sizes) > 0 {
		n := <-sizes
		total += n
		if n < 480 || n > 1600 {
			t.Errorf("a message of %d samples", n)
		}
	}
	if total < 1600-479 || total > 1600 {
		t.Errorf("%d samples of 1600 were sent", total)
	}
}

// A vendor that takes nothing: Write fails when it is too far behind, and Close
// ends in time although a write hangs.
func TestBehind(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	d := vendor(t, func(context.Context, *websocket.Conn) { <-over })
	d.Begin = func(f *Feed) Session { return &plain{Encoder: NewEncoder(8000), feed: f, heavy: true} }
	s := open(t, d)
	var err error
	for range 600 {
		if err = s.Write(frame()); err != nil {
			break
		}
	}
	if !errors.Is(err, transcriber.ErrBehind) {
		t.Errorf("write: %v", err)
	}
	if _, err := collect(s, flushed); !errors.Is(err, transcriber.ErrBehind) {
		t.Errorf("the stream ended with %v", err)
	}
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("close took %v", took)
	}
}

func TestGreetingIsAwaited(t *testing.T) {
	t.Parallel()
	d := vendor(t, func(ctx context.Context, conn *websocket.Conn) { texts(ctx, conn, func(string) {}) })
	d.Greeting = 50 * time.Millisecond
	if _, err := collect(open(t, d), flushed); provider.KindOf(err) != provider.Late {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestFailuresNameTheVendorsReason(t *testing.T) {
	t.Parallel()
	d := vendor(t, func(_ context.Context, conn *websocket.Conn) {
		_ = conn.Close(4001, "the key is too old") // the client may have left
	})
	d.Ended = func(f *provider.Failure) {
		if f.Status == 4001 {
			f.Kind = provider.Unauthorised
		}
	}
	f := (*provider.Failure)(nil)
	if _, err := collect(open(t, d), flushed); !errors.As(err, &f) || f.Kind != provider.Unauthorised || f.Message != "the key is too old" {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestGoodbyeComesLast(t *testing.T) {
	t.Parallel()
	said := make(chan string, 8)
	d := vendor(t, func(ctx context.Context, conn *websocket.Conn) {
		texts(ctx, conn, func(text string) {
			said <- text
			_ = conn.Close(websocket.StatusNormalClosure, "") // the client may have left
		})
	})
	d.Goodbye = []byte("goodbye")
	s := open(t, d)
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > closeWait {
		t.Errorf("close took %v although the vendor closed at once", took)
	}
	if got := <-said; got != "goodbye" {
		t.Errorf("the vendor heard %q", got)
	}
	if events, err := collect(s, flushed); len(events) > 0 || err != nil {
		t.Errorf("behind Close came %v, %v", events, err)
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ given, text, want string }{
		{"", "hello", "hello"},
		{"hello", "hello there", "there"},
		{"hello", "Hello, there.", "there."},
		{"hello the", "hello there you", "you"},
		{"hello word", "hello world", ""},
		{"hello", "hello.", ""},
		{"hello there you", "hello", ""},
		{"こんにちは", "こんにちは元気ですか", "元気ですか"},
	} {
		h := heard{text: test.text, given: test.given}
		if got, _ := h.rest(); got != test.want {
			t.Errorf("of %q after %q the rest is %q, want %q", test.text, test.given, got, test.want)
		}
	}
	h := heard{text: "a b c", given: "a", words: []transcriber.Word{{Text: "a"}, {Text: "b"}, {Text: "c"}}}
	if _, words := h.rest(); len(words) != 2 || words[0].Text != "b" {
		t.Errorf("words %v", words)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	q := url.Values{"a": {"b c"}}
	for base, want := range map[string]string{
		"wss://a.example": "wss://a.example/x?a=b+c", "https://a.example/v1/": "wss://a.example/v1/x?a=b+c", "http://127.0.0.1:1": "ws://127.0.0.1:1/x?a=b+c",
	} {
		if got := URL(base, "/x", q); got != want {
			t.Errorf("%s becomes %s", base, got)
		}
	}
}

func TestPlaceLeavesInsertedSilenceOut(t *testing.T) {
	t.Parallel()
	c := &connection{origin: 1000, length: 100}
	c.insert(50)
	c.length += 100
	for range 2 * mostSilences {
		c.insert(1)
	}
	if len(c.silence) != 2 {
		t.Errorf("%d insertions are kept", len(c.silence))
	}
	old := &connection{}
	for range 2 * mostSilences {
		old.length += 10
		old.insert(1)
	}
	if n := len(old.silence); n > mostSilences || old.place(old.length+5) != 20*mostSilences+5 {
		t.Errorf("with %d insertions the newest sample is at %d", n, old.place(old.length+5))
	}
	for sample, want := range map[int64]int64{0: 1000, 100: 1100, 120: 1100, 150: 1100, 250: 1200, c.length + 7: 1207} {
		if got := c.place(sample); got != want {
			t.Errorf("sample %d is at %d, want %d", sample, got, want)
		}
	}
}

// What the call's own goroutine does for a frame allocates nothing.
func TestWriteAllocatesNothing(t *testing.T) {
	s := &Stream{rate: 8000, wake: make(chan struct{}, 1), pending: make([]int16, 0, 320), piece: make([]int16, 0, 320), dialect: Dialect{}}
	e, f := NewEncoder(8000), frame()
	e.Sound(f.PCM)
	if n := testing.AllocsPerRun(1000, func() {
		_ = s.Write(f)
		if _, ok := s.take(); ok {
			e.Sound(s.piece)
			s.progress(len(s.piece))
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// A stream that was behind holds no more memory than one that never was.
func TestWhatWasPendingIsLetGo(t *testing.T) {
	t.Parallel()
	s := &Stream{rate: 8000, wake: make(chan struct{}, 1), dialect: Dialect{Chunk: 60 * time.Millisecond}}
	for _, seconds := range []int{9, 5} {
		for range seconds * 50 {
			if err := s.Write(frame()); err != nil {
				t.Fatal(err)
			}
		}
		for {
			if _, ok := s.take(); !ok {
				break
			}
			s.progress(len(s.piece))
		}
		if s.sent != s.written {
			t.Errorf("%d of %d samples were taken", s.sent, s.written)
		}
		if held := cap(s.pending) + cap(s.piece); held > 3200+2048 {
			t.Errorf("room for %d samples after %d s that were not sent in time", held, seconds)
		}
	}
}
