package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// hearing runs an ear over driver until stop.
func hearing(driver transcriber.Driver, post func(any)) (e *ear, stop func()) {
	return hearingWith(post, Recogniser{Driver: driver})
}

// hearingWith runs an ear over several recognisers until stop.
func hearingWith(post func(any), recognisers ...Recogniser) (e *ear, stop func()) {
	c := &candidates{part: partRecogniser, breakers: newBreakers(testClock()), post: post}
	for _, r := range recognisers {
		c.add(r.Source, "")
	}
	e = &ear{recognisers: recognisers, candidates: c, clock: testClock(), post: post, rate: 8000, config: transcriber.Config{Rate: 8000}}
	e.begin()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.run(ctx) })
	return e, func() { cancel(); wg.Wait() }
}

// slowDriver opens its streams late.
type slowDriver struct {
	*transcribertest.Stub
	after time.Duration
}

func (d slowDriver) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	time.Sleep(d.after)
	return d.Stub.Open(ctx, c)
}

func frame(samples int) audio.Frame { return audio.Frame{PCM: make([]int16, samples), Rate: 8000} }

func TestEarKeepsWhatIsSaidBeforeItIsReady(t *testing.T) {
	t.Parallel()
	cases := []struct {
		opens time.Duration
		want  int64 // samples the recogniser gets
	}{
		{0, 8000},
		{2 * time.Second, 8000},
	}
	for _, c := range cases {
		t.Run(c.opens.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var posts collector
				stub := transcribertest.NewStub("early words")
				e, stop := hearing(slowDriver{stub, c.opens}, posts.post)
				defer stop()
				for range 50 {
					e.write(frame(160))
					time.Sleep(audio.FrameDuration)
				}
				e.finalize()
				time.Sleep(5 * time.Second)
				if got := stub.Streams()[0].Samples(); got != c.want {
					t.Errorf("samples: got %d, want %d", got, c.want)
				}
				want := []any{conversation.Heard{Text: "early words", Final: true, Flushed: true}}
				if diff := cmp.Diff(want, posts.take()); diff != "" {
					t.Errorf("posts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestEarBoundsWhatItKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := transcribertest.NewStub()
		e, stop := hearing(slowDriver{stub, time.Minute}, func(any) {})
		for range 30 * 50 {
			e.write(frame(160))
			time.Sleep(audio.FrameDuration)
		}
		time.Sleep(time.Minute)
		if got := stub.Streams()[0].Samples(); got != 12*8000 {
			t.Errorf("samples after half a minute of waiting: got %d, want the last 12 s", got)
		}
		stop()
		if !stub.Streams()[0].Closed() {
			t.Error("the stream outlives its call")
		}
	})
}

func TestEarKeepsLittleWhileNothingIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, stop := hearing(transcribertest.NewStub(), func(any) {})
		defer stop()
		synctest.Wait()
		for range 30 * 50 {
			e.write(frame(160))
		}
		if least := 2 * 8000; e.tail.length < least || e.tail.length > least+tailBlock+160 {
			t.Errorf("kept %d samples, want 2 s and at most a block more", e.tail.length)
		}
	})
}

func TestTail(t *testing.T) { //nolint:paralleltest // it counts allocations of the process
	var kept tail
	var all []int16
	for i := range int16(20000 / 160) {
		pcm := make([]int16, 160)
		for j := range pcm {
			pcm[j] = i*160 + int16(j)
		}
		all = append(all, pcm...)
		kept.add(pcm, 5000)
		least, most := min(5000, len(all)), 5000+tailBlock+len(pcm)
		if kept.length < least || kept.length > most || len(kept.blocks)*tailBlock > kept.length+tailBlock {
			t.Fatalf("after %d samples %d are kept in %d blocks, want %d to %d", len(all), kept.length, len(kept.blocks), least, most)
		}
		if diff := cmp.Diff(all[len(all)-least:], kept.newest(least)); diff != "" {
			t.Fatalf("after %d samples (-want +got):\n%s", len(all), diff)
		}
	}
	if got := len(kept.newest(1 << 20)); got != kept.length {
		t.Errorf("all that is kept is %d samples, want %d", got, kept.length)
	}
	pcm := make([]int16, 160)
	if n := testing.AllocsPerRun(100, func() { kept.add(pcm, 5000) }); n != 0 {
		t.Errorf("a frame allocates %v times", n)
	}
	kept.add(pcm, 20000)
	for range 20000 / 160 {
		kept.add(pcm, 20000)
	}
	for range tailBlock/160 + 1 {
		kept.add(pcm, 1000)
	}
	if kept.length > 1000+tailBlock+160 {
		t.Errorf("%d samples are kept where 1000 are asked for", kept.length)
	}
}

func TestEarReplaysOnlyWhatHadNoFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := transcribertest.NewStub("first words")
		e, stop := hearing(stub, func(any) {})
		defer stop()
		synctest.Wait()
		for range 100 {
			e.write(frame(160))
		}
		e.finalize()
		synctest.Wait() // the final came: what led to it is done with
		for range 25 {
			e.write(frame(160))
		}
		stub.Fail(errors.New("gone"))
		time.Sleep(time.Second)
		streams := stub.Streams()
		if len(streams) != 2 || streams[1].Samples() != 25*160 {
			t.Fatalf("streams: %d, the last got %d samples, want 4000", len(streams), streams[len(streams)-1].Samples())
		}
	})
}

// laggards are recognisers that are behind.
type laggards struct {
	*transcribertest.Stub
	by time.Duration
}

func (d laggards) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	s, err := d.Stub.Open(ctx, c)
	return laggard{s, d.by}, err
}

type laggard struct {
	transcriber.Stream
	by time.Duration
}

func (l laggard) Behind() time.Duration { return l.by }

// What a recogniser had not even taken when it was lost is not lost with it.
func TestEarKeepsWhatTheRecogniserHasNotTaken(t *testing.T) {
	t.Parallel()
	for by, want := range map[time.Duration]int{0: 2, 7 * time.Second: 9, 10 * time.Second: 12, time.Minute: 12} {
		synctest.Test(t, func(t *testing.T) {
			stub := transcribertest.NewStub()
			e, stop := hearing(laggards{stub, by}, func(any) {})
			defer stop()
			synctest.Wait()
			for range 30 * 50 {
				e.write(frame(160))
			}
			stub.Fail(errors.New("gone"))
			time.Sleep(time.Second)
			streams := stub.Streams()
			if len(streams) != 2 {
				t.Fatalf("%d streams", len(streams))
			}
			got := streams[1].Samples()
			if least := int64(want * 8000); got < least || got > least+4000 {
				t.Errorf("%s behind: the next recogniser gets %.1f s, want %d s", by, float64(got)/8000, want)
			}
		})
	}
}

func TestEarGivesUpAfterTheThirdLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		stub := transcribertest.NewStub()
		_, stop := hearing(stub, posts.post)
		defer stop()
		for i := range 2 {
			time.Sleep(time.Second)
			stub.Fail(fmt.Errorf("loss %d", i+1))
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff([]any{"recogniser: loss 1", "recogniser: loss 2"}, failures(posts.take())); diff != "" {
			t.Errorf("after two losses (-want +got):\n%s", diff)
		}
		stub.Fail(errors.New("loss 3"))
		synctest.Wait()
		if diff := cmp.Diff([]any{conversation.RecogniserLost{Reason: "loss 3"}}, failures(posts.take())); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		if got := len(stub.Streams()); got != 3 {
			t.Errorf("streams opened: got %d, want 3", got)
		}
	})
}

// failures puts, in the place of each post about a failure, what the machine is told of
// it, or its text.
func failures(posts []any) []any {
	for i, p := range posts {
		if f, ok := p.(failure); ok {
			posts[i] = f.text()
			if f.in != nil {
				posts[i] = f.in
			}
		}
	}
	return posts
}

// A stream that was given no sound knows no words of the caller's.
func TestEarIgnoresWordsOfAStreamWithoutSound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		stub := transcribertest.NewStub()
		e, stop := hearingWith(posts.post, Recogniser{Driver: stub, Source: Source{Vendor: "acme", Account: "server"}})
		defer stop()
		synctest.Wait()
		stub.Emit(transcriber.Event{Kind: transcriber.Final, Text: "left over"})
		stub.Emit(transcriber.Event{Kind: transcriber.EndOfTurn})
		synctest.Wait()
		if got := posts.take(); len(got) != 0 {
			t.Errorf("before any sound: %v", got)
		}
		e.write(frame(1600))
		stub.Emit(transcriber.Event{Kind: transcriber.Final, Text: " hello "})
		synctest.Wait()
		if diff := cmp.Diff([]any{conversation.Heard{Text: "hello", Final: true}}, posts.take()); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
	})
}

// The one that takes over is played what was not final, and asked for its final.
func TestEarGoesOverToTheNextRecogniser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		first, second := transcribertest.NewStub(), transcribertest.NewStub("an appointment")
		first.Mute(true)
		acme, other := Source{Vendor: "acme", Account: "server"}, Source{Vendor: "other", Account: "server"}
		e, stop := hearingWith(posts.post, Recogniser{Driver: first, Source: acme}, Recogniser{Driver: second, Source: other, FinalWait: time.Second})
		defer stop()
		synctest.Wait()
		for range 50 {
			e.write(frame(160))
		}
		e.finalize()
		for range 2 {
			first.Fail(errors.New("gone"))
			time.Sleep(time.Second)
		}
		want := []any{"recogniser: acme: gone", "recogniser: acme: gone", conversation.RecogniserReplaced{FinalWait: time.Second},
			conversation.Heard{Text: "an appointment", Final: true, Flushed: true}}
		if diff := cmp.Diff(want, failures(posts.take())); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
		if got := second.Streams()[0].Samples(); got != 8000 {
			t.Errorf("it was played %d samples", got)
		}
	})
}

func TestEarSurvivesRareLosses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		stub := transcribertest.NewStub()
		_, stop := hearing(stub, posts.post)
		defer stop()
		for range 20 {
			time.Sleep(10 * time.Second)
			stub.Fail(errors.New("hiccup"))
		}
		time.Sleep(time.Second)
		if got := posts.take(); len(got) != 20 || len(stub.Streams()) != 21 {
			t.Errorf("after 20 rare losses: %d streams, posts %v", len(stub.Streams()), got)
		}
	})
}

func TestEarTranslatesEveryEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var posts collector
		stub := transcribertest.NewStub()
		_, stop := hearing(stub, posts.post)
		defer stop()
		synctest.Wait()
		for _, e := range []transcriber.Event{
			{Kind: transcriber.SpeechStarted}, {Kind: transcriber.Partial, Text: "I"}, {Kind: transcriber.Final, Text: "I am"},
			{Kind: transcriber.SpeechEnded}, {Kind: transcriber.EagerEndOfTurn}, {Kind: transcriber.TurnResumed},
			{Kind: transcriber.EndOfTurn}, {Kind: transcriber.Goodbye},
		} {
			stub.Emit(e)
			synctest.Wait()
		}
		want := []any{conversation.SpeechStarted{}, conversation.Heard{Text: "I"}, conversation.Heard{Text: "I am", Final: true},
			conversation.SpeechEnded{}, conversation.TurnEnding{}, conversation.TurnGoesOn{}, conversation.TurnYielded{},
			conversation.CallerLeaves{}}
		if diff := cmp.Diff(want, posts.take()); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
	})
}

// slate is a Ledger and Publisher that keeps the order of what happened.
type slate struct {
	Ledger
	mu      sync.Mutex
	log     []string
	stored  map[string][]int64
	live    map[string][]int64
	fail    map[string]bool // calls whose events cannot be stored
	hang    bool            // everything waits for its context
	results int
}

func newSlate() *slate {
	return &slate{stored: map[string][]int64{}, live: map[string][]int64{}, fail: map[string]bool{}}
}

func (l *slate) AppendEvents(ctx context.Context, _ string, events []sidetone.Event) error {
	l.mu.Lock()
	hang, fail := l.hang, l.fail[events[0].CallID]
	l.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if fail {
		return errors.New("the disk is full")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.stored[e.CallID] = append(l.stored[e.CallID], e.Sequence)
	}
	return nil
}

func (l *slate) FinishCall(ctx context.Context, env, _ string, _ sidetone.CallResult, events []sidetone.Event) error {
	if err := l.AppendEvents(ctx, env, events); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results++
	return nil
}

func (l *slate) Publish(e sidetone.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.stored[e.CallID]; !slices.Contains(s, e.Sequence) {
		l.log = append(l.log, fmt.Sprintf("%s/%d was published before it was stored", e.CallID, e.Sequence))
	}
	l.live[e.CallID] = append(l.live[e.CallID], e.Sequence)
}

func (l *slate) set(change func(*slate)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// check compares what was stored and published of a call with 1 … n.
func (l *slate) check(t *testing.T, id string, n int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var want []int64
	for i := int64(1); i <= n; i++ {
		want = append(want, i)
	}
	if !slices.Equal(l.stored[id], want) || !slices.Equal(l.live[id], want) {
		t.Errorf("%s: stored %v, published %v, want 1 to %d each", id, l.stored[id], l.live[id], n)
	}
	for _, s := range l.log {
		t.Error(s)
	}
}

// writing runs a scribe until stop.
func writing(l *slate) (s *scribe, stop func()) {
	s = newScribe(l, l, testClock(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx) })
	return s, func() { cancel(); wg.Wait() }
}

func event(id string, n int64) sidetone.Event {
	return sidetone.Event{CallID: id, EnvironmentID: "env", Sequence: n}
}

func TestScribeKeepsTheOrderOfEachCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		s, stop := writing(l)
		defer stop()
		var wg sync.WaitGroup
		for c := range 10 {
			wg.Go(func() {
				for n := int64(1); n <= 100; n++ {
					s.add(event(fmt.Sprint(c), n), func() {})
					if n%7 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		for c := range 10 {
			l.check(t, fmt.Sprint(c), 100)
		}
	})
}

func TestScribeRetriesWithoutHoldingOtherCallsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		l.fail["a"] = true
		s, stop := writing(l)
		defer stop()
		s.add(event("a", 1), func() {})
		s.add(event("b", 1), func() {})
		synctest.Wait()
		s.add(event("a", 2), func() {})
		time.Sleep(time.Second)
		l.check(t, "a", 0)
		l.check(t, "b", 1)
		l.set(func(l *slate) { l.fail["a"] = false })
		time.Sleep(time.Second)
		l.check(t, "a", 2)
	})
}

func TestScribeFinishesWithWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		l.fail["a"] = true
		s, stop := writing(l)
		defer stop()
		s.add(event("a", 1), func() {})
		s.add(event("a", 2), func() {})
		done := make(chan error, 1)
		go func() { done <- s.storeEnd(t.Context(), sidetone.Call{ID: "a"}, sidetone.CallResult{}, event("a", 3)) }()
		time.Sleep(3 * time.Second)
		l.set(func(l *slate) { l.fail["a"] = false })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		l.check(t, "a", 3)
		if l.results != 1 {
			t.Errorf("the end was stored %d times", l.results)
		}
	})
}

func TestScribeGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newSlate()
		l.hang = true
		s, stop := writing(l)
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.storeEnd(ctx, sidetone.Call{ID: "a"}, sidetone.CallResult{}, event("a", 1)); err == nil {
			t.Error("nothing was stored, no error came")
		}
		if took := time.Since(began); took > 13*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func speakAll(t *testing.T, p *Phrases, d synthesizer.Driver, r synthesizer.Request) (samples int) {
	t.Helper()
	for c, err := range p.speak(t.Context(), d, phraseKey{driver: d, r: r}) {
		if err != nil {
			t.Fatal(err)
		}
		samples += len(c.PCM)
	}
	return samples
}

func TestPhrasesAreSynthesisedOnce(t *testing.T) {
	t.Parallel()
	p, voice := NewPhrases(), &synthesizertest.Stub{}
	hello := synthesizer.Request{Text: "hello there", Rate: 8000}
	first := speakAll(t, p, voice, hello)
	if again := speakAll(t, p, voice, hello); again != first || first == 0 {
		t.Errorf("samples: first %d, again %d", first, again)
	}
	speakAll(t, p, voice, synthesizer.Request{Text: "hello there", Rate: 16000})
	speakAll(t, p, &synthesizertest.Stub{}, hello)
	if got := len(voice.Requests()); got != 2 {
		t.Errorf("the voice was asked %d times, want once a rate", got)
	}
}

func TestPhrasesKeepNothingHalf(t *testing.T) {
	t.Parallel()
	p, voice := NewPhrases(), &synthesizertest.Stub{}
	hello := synthesizer.Request{Text: "hello there", Rate: 8000}
	for range p.speak(t.Context(), voice, phraseKey{driver: voice, r: hello}) {
		break // the listener left
	}
	voice.Fail(synthesizer.ErrSilent, 1)
	for _, err := range p.speak(t.Context(), voice, phraseKey{driver: voice, r: hello}) {
		if err != nil && !errors.Is(err, synthesizer.ErrSilent) {
			t.Errorf("error: %v", err)
		}
	}
	if len(p.sounds) != 0 {
		t.Errorf("%d half phrases are kept", len(p.sounds))
	}
	voice.Fail(nil, 0)
	speakAll(t, p, voice, hello)
	if len(p.sounds) != 1 {
		t.Error("the whole phrase is not kept")
	}
}

func TestPhrasesAreBounded(t *testing.T) {
	t.Parallel()
	p := NewPhrases()
	chunk := []synthesizer.Chunk{{PCM: make([]int16, 4<<20)}}
	for i := range 20 {
		p.store(phraseKey{r: synthesizer.Request{Text: fmt.Sprint(i)}}, chunk)
	}
	size := 0
	for _, s := range p.sounds {
		size += 2 * len(s[0].PCM)
	}
	if size > phraseBytes || size == 0 {
		t.Errorf("the cache holds %d bytes, at most %d are wanted", size, phraseBytes)
	}
}
