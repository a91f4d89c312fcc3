package call_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// fault is a way in which a vendor fails.
type fault struct {
	name string
	// err is what requests end with; nil: they do not fail in so many words.
	err error
	// text says that the fault is one of an answer with text or sound before it.
	text bool
	// quiet says that a call notices nothing that it could put into its record.
	quiet bool
	// parts are those that can have it; nil: all.
	parts []string
}

// faults are all of them, in the words of those who have met them.
func faults() []fault {
	status := func(code int, kind provider.Kind) fault {
		return fault{name: fmt.Sprint(code), err: &provider.Failure{Vendor: "acme", Kind: kind, Status: code, Message: "no"}}
	}
	f := func(name string, kind provider.Kind, text bool) fault {
		return fault{name: name, text: text, err: &provider.Failure{Vendor: "acme", Kind: kind, Message: name}}
	}
	model := func(name string) fault { return fault{name: name, parts: []string{"model"}} }
	return []fault{
		f("refused", provider.Unreachable, false), f("reset mid-stream", provider.Unreachable, true), {name: "half-open"}, {name: "slow-loris"},
		status(401, provider.Unauthorised), status(402, provider.Exhausted), status(403, provider.Unauthorised), status(404, provider.Missing),
		status(429, provider.Limited), status(500, provider.Broken), f("malformed", provider.Broken, false), {name: "empty success"},
		{name: "whitespace-only"}, {name: "end without start"}, {name: "late after cancel", quiet: true},
		f("expiry", provider.Broken, true), {name: "slow drip", parts: []string{"model", "voice"}}, {name: "unspeakable", parts: []string{"model", "recogniser"}},
		model("tool-only"), model("tool loop"), model("keys it was not offered"), model("letter by letter"), model("slow after a clause"),
	}
}

// moment is when a fault begins.
type moment int

const (
	atGreeting moment = iota
	inFirstTurn
	inLaterTurn
)

// switchable is a fault that can be turned on.
type switchable struct {
	fault
	on atomic.Bool
}

// badModel is a model with a fault.
type badModel struct {
	*switchable
	llm.Driver
}

// Generate implements llm.Driver.
func (b badModel) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	if !b.on.Load() {
		return b.Driver.Generate(ctx, r)
	}
	return func(yield func(llm.Delta, error) bool) {
		tool := func(name, args string) bool {
			return yield(llm.Delta{Call: &llm.ToolCall{ID: fmt.Sprint(name, args), Name: name, Args: []byte(args)}}, nil)
		}
		switch b.name {
		case "half-open":
			<-ctx.Done()
			yield(llm.Delta{}, ctx.Err())
			return
		case "slow-loris":
			for ctx.Err() == nil && yield(llm.Delta{Text: "m"}, nil) {
				pause(ctx, time.Second)
			}
			return
		case "whitespace-only":
			if !yield(llm.Delta{Text: " \n"}, nil) {
				return
			}
		case "unspeakable":
			if !yield(llm.Delta{Text: "😀 👍"}, nil) || !yield(llm.Delta{Text: " ... 🎉\n"}, nil) {
				return
			}
		case "keys it was not offered":
			if !tool("send_digits", `{"digits":"1"}`) {
				return
			}
		case "slow drip":
			drip(ctx, yield, strings.SplitAfter(strings.Repeat("and it comes to you ", 100), " "), 900*time.Millisecond)
			return
		case "letter by letter": // 13 bytes in 5 s at first
			drip(ctx, yield, strings.Split(strings.Repeat("andsoitgoesonandon", 100), ""), 380*time.Millisecond)
			return
		case "slow after a clause":
			if yield(llm.Delta{Text: "that is fine. "}, nil) {
				drip(ctx, yield, strings.SplitAfter(strings.Repeat("and it comes to you ", 100), " "), 900*time.Millisecond)
			}
			return
		case "tool-only":
			if !tool("lookup", fmt.Sprintf(`{"n":%d}`, len(r.Messages))) {
				return
			}
		case "tool loop":
			for n := range 7 {
				if !yield(llm.Delta{Call: &llm.ToolCall{ID: fmt.Sprint(len(r.Messages), n), Name: "lookup", Args: []byte("{}")}}, nil) {
					return
				}
			}
		case "end without start":
			return
		case "late after cancel":
			<-ctx.Done()
			yield(llm.Delta{Text: "far too late. "}, nil)
			return
		}
		if b.text && !yield(llm.Delta{Text: "that is fine. but then"}, nil) {
			return
		}
		if b.err != nil {
			yield(llm.Delta{}, b.err)
			return
		}
		yield(llm.Delta{Done: &llm.Usage{}}, nil)
	}
}

// drip says an answer slowly.
func drip(ctx context.Context, yield func(llm.Delta, error) bool, pieces []string, every time.Duration) {
	for _, text := range pieces {
		if pause(ctx, every); ctx.Err() != nil {
			yield(llm.Delta{}, ctx.Err())
			return
		}
		if !yield(llm.Delta{Text: text}, nil) {
			return
		}
	}
	yield(llm.Delta{Done: &llm.Usage{}}, nil)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// badVoice is a voice with a fault.
type badVoice struct {
	*switchable
	synthesizer.Driver
}

// Speak implements synthesizer.Driver.
func (b badVoice) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	if !b.on.Load() {
		return b.Driver.Speak(ctx, r)
	}
	return func(yield func(synthesizer.Chunk, error) bool) {
		switch b.name {
		case "half-open":
			<-ctx.Done()
			yield(synthesizer.Chunk{}, ctx.Err())
			return
		case "slow-loris":
			for ctx.Err() == nil && yield(synthesizer.Chunk{PCM: slices.Repeat([]int16{3000, -3000}, r.Rate/100)}, nil) {
				pause(ctx, time.Second)
			}
			return
		case "slow drip": // ten times as slow as it sounds
			for ctx.Err() == nil && yield(synthesizer.Chunk{PCM: slices.Repeat([]int16{3000, -3000}, r.Rate/200)}, nil) {
				pause(ctx, 100*time.Millisecond)
			}
			return
		case "whitespace-only":
			yield(synthesizer.Chunk{PCM: make([]int16, r.Rate)}, nil)
			return
		case "late after cancel":
			<-ctx.Done()
			yield(synthesizer.Chunk{PCM: slices.Repeat([]int16{9000, -9000}, r.Rate/10)}, nil)
			return
		}
		n := 0
		for c, err := range b.Driver.Speak(ctx, r) {
			if n++; !b.text || n > 2 || err != nil || !yield(c, err) {
				break
			}
		}
		if b.err != nil {
			yield(synthesizer.Chunk{}, b.err)
		}
	}
}

// badEars are recognisers with a fault.
type badEars struct {
	*switchable
	*transcribertest.Stub
}

// Open implements transcriber.Driver.
func (b badEars) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if b.on.Load() && b.err != nil && !b.text {
		return nil, b.err
	}
	s, err := b.Stub.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	if b.on.Load() && b.name == "end without start" {
		_ = s.Close()
	}
	return badStream{s, b}, nil
}

// begin makes the streams that are open fail.
func (b badEars) begin() {
	b.on.Store(true)
	switch {
	case b.err != nil:
		b.Stub.Fail(b.err)
	case b.name == "end without start", b.name == "empty success":
		b.Stub.Fail(nil)
	}
}

type badStream struct {
	transcriber.Stream
	b badEars
}

// Finalize implements transcriber.Stream.
func (s badStream) Finalize() {
	switch {
	case !s.b.on.Load():
		s.Stream.Finalize()
	case s.b.name == "slow-loris":
		go func() {
			time.Sleep(4 * time.Second)
			s.Stream.Finalize()
		}()
	case s.b.name == "whitespace-only":
		s.b.Stub.Emit(transcriber.Event{Kind: transcriber.Final, Text: "  ", Flushed: true})
	case s.b.name == "unspeakable":
		s.b.Stub.Emit(transcriber.Event{Kind: transcriber.Final, Text: "... 😀", Flushed: true})
	case s.b.text: // it breaks off before it answers
		s.b.Stub.Fail(s.b.err)
	case s.b.name == "late after cancel":
		_ = s.Stream.Close()
		s.Stream.Finalize()
	}
}

// injected is one fault in one part of a call.
type injected struct {
	part  string
	fault fault
	when  moment
	alone bool
	// cold: the node has had no call before, so that no phrase is kept; the server's own
	// voice has the phrases only.
	cold bool
}

func (i injected) String() string {
	with := "with a fallback"
	if i.alone {
		with = "without a fallback"
	}
	if i.cold {
		with = "never heard before"
	}
	return fmt.Sprintf("%s/%s/%s/%s", i.part, i.fault.name, []string{"greeting", "first turn", "later turn"}[i.when], with)
}

// meets reports whether a part can have the fault.
func (f fault) meets(part string) bool { return f.parts == nil || slices.Contains(f.parts, part) }

// matrix is every fault in every part at every moment that it can have.
func matrix() (out []injected) {
	for _, part := range []string{"recogniser", "model", "voice"} {
		for _, f := range faults() {
			for when := atGreeting; when <= inLaterTurn; when++ {
				for _, alone := range []bool{false, true} {
					if !f.meets(part) || part == "model" && when == atGreeting {
						continue
					}
					out = append(out, injected{part, f, when, alone, false})
				}
			}
			if part == "voice" && f.meets(part) {
				out = append(out, injected{part, f, atGreeting, true, true})
			}
		}
	}
	return out
}

// Whatever a vendor does, at whatever moment: the caller hears an answer, a holding
// phrase or an apology within 4 s, the record names the vendor and the cause, and
// nothing is left running. An ordinary run takes every fifth fault and those of voices
// that never worked, a long one all.
func TestNoFaultOfAVendorIsMetWithSilence(t *testing.T) {
	t.Parallel()
	step := 5
	if os.Getenv("SIDETONE_TEST_LONG") != "" {
		step = 1
	}
	var silences, calls atomic.Int64
	t.Cleanup(func() {
		t.Logf("silences over %s in %d injected faults: %d", unexplained, calls.Load(), silences.Load())
	})
	for n, i := range matrix() {
		if n%step != 0 && !i.cold {
			continue
		}
		t.Run(i.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls.Add(1)
				if worst := survive(t, i); worst > unexplained {
					silences.Add(1)
					t.Errorf("unexplained silence of %s", worst)
				}
			})
		})
	}
}

// survive runs a call with a fault in it and returns the longest silence that the
// agent owed sound in.
func survive(t *testing.T, i injected) time.Duration {
	bad := &switchable{fault: i.fault}
	var k *crew
	var rec *channels
	w := newWorld(t, func(w *world, c *call.Config) {
		c.Phrases = call.NewPhrases()
		k = withCrew(w, c)
		k.alone = i.alone
		w.ears.Otherwise, k.ears2.Otherwise = "where is my parcel", "where is my parcel"
		w.model.Reply = func(llm.Request) llmtest.Answer { return llmtest.Words("it is on its way to you.") }
		k.model2.Reply = w.model.Reply
		switch i.part {
		case "model":
			w.thinker = badModel{bad, w.model}
		case "voice":
			w.speaker = badVoice{bad, w.voice}
		default:
			k.listener = badEars{bad, w.ears}
		}
		rec = w.record(c)
	})
	defer w.stop()
	if i.cold {
		k.understudy = &synthesizertest.Stub{}
	} else {
		warmUp(t, w)
	}
	*rec = channels{stereo: rec.stereo}
	begin := func() {
		bad.on.Store(true)
		if i.part == "recogniser" {
			k.listener.(badEars).begin()
		}
	}
	w.snapshot.Agent.InitialMessage = "good morning to you" // which nobody has said yet
	if i.when == atGreeting {
		begin()
	}
	far := w.ring()
	<-far.Answered()
	for turn := inFirstTurn; turn <= inLaterTurn+1; turn++ {
		time.Sleep(8 * time.Second)
		if turn == i.when {
			begin()
		}
		asks(far)
	}
	time.Sleep(20 * time.Second)
	far.Hangup()
	r, events := w.result()
	judge(t, w, k, i, events)
	if !i.alone && r.EndReason != "hangup" {
		t.Errorf("the call ended although others could have served it: %s, %q", r.EndReason, r.Errors)
	}
	if i.cold {
		for _, r := range k.understudy.Requests() {
			if !slices.Contains([]string{"One moment, please.", "I'm sorry, something went wrong on my side.", "Goodbye."}, r.Text) {
				t.Errorf("the voice for phrases only was asked for %q", r.Text)
			}
		}
	}
	worst, _ := rec.owedSilence(500*time.Millisecond, true)
	if words := synthesizertest.DecodeWords(rec.agent, 8000); len(words) == 0 {
		t.Error("nothing was heard")
	}
	return worst
}

// warmUp runs one call, as every node has had: the phrases are kept.
func warmUp(t *testing.T, w *world) {
	t.Helper()
	far := w.ring()
	<-far.Answered()
	time.Sleep(5 * time.Second)
	far.Hangup()
	w.result()
}

// judge checks what is left of a call with a fault.
func judge(t *testing.T, w *world, k *crew, i injected, events []sidetone.Event) {
	t.Helper()
	said := told(events, sidetone.EventError)
	named := slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, i.part+": acme") })
	tools := slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "tool call") })
	acts := slices.ContainsFunc(told(events, sidetone.EventAction), func(s string) bool { return s == "lookup" })
	if !named && !tools && !acts && !i.fault.quiet {
		t.Errorf("the record does not name the fault: %q", said)
	}
	synctest.Wait()
	if n := w.model.Running() + k.model2.Running() + w.voice.Running() + k.voice2.Running(); n != 0 {
		t.Errorf("%d requests are still running", n)
	}
	for _, s := range append(w.ears.Streams(), k.ears2.Streams()...) {
		if !s.Closed() {
			t.Error("a stream of a recogniser is still open")
		}
	}
}
