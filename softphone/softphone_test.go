package softphone_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a call came to.
type outcome struct {
	result softphone.Result
	err    error
}

// diary keeps what a phone told.
type diary struct {
	mu     sync.Mutex
	events []softphone.Event
}

func (d *diary) notify(e softphone.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// of returns the texts of one kind of event.
func (d *diary) of(kind string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, e := range d.events {
		if e.Kind == kind {
			out = append(out, e.Text)
		}
	}
	return out
}

// dial lets p call and returns the other side, answered.
func dial(t *testing.T, p softphone.Phone) (*telephonytest.Far, <-chan outcome) {
	t.Helper()
	driver := telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{Codec: "PCMU"})
	p.Driver = driver
	done := make(chan outcome, 1)
	go func() {
		r, err := p.Call(context.Background(), telephony.DialRequest{From: "+12025550199", To: "+14155550100"})
		done <- outcome{r, err}
	}()
	ringing, err := driver.Dialled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := ringing.Request(); got.From != "+12025550199" || got.To != "+14155550100" {
		t.Errorf("dialled %+v", got)
	}
	return ringing.Answer(), done
}

func speech(d time.Duration) []int16 {
	return audio.SpeechLike(8000, int(audio.Samples(d, 8000)), -20, 1)
}

// tone sounds from its first sample to its last.
func tone(d time.Duration) []int16 {
	out := make([]int16, audio.Samples(d, 8000))
	for i := range out {
		out[i] = 8000
		if i%8 >= 4 {
			out[i] = -8000
		}
	}
	return out
}

// words decodes what the other side was told.
func words(far *telephonytest.Far) string {
	var pcm []int16
	for _, f := range far.Heard() {
		pcm = append(pcm, f.PCM...)
	}
	var out []string
	for _, h := range synthesizertest.DecodeWords(pcm, 8000) {
		out = append(out, h.Text)
	}
	return strings.Join(out, " ")
}

// finish waits for the end of a call.
func finish(t *testing.T, done <-chan outcome) softphone.Result {
	t.Helper()
	select {
	case o := <-done:
		if o.err != nil {
			t.Errorf("the call ended with %v", o.err)
		}
		return o.result
	case <-time.After(time.Hour):
		t.Fatal("the call did not end")
		return softphone.Result{}
	}
}

func TestLinesAreSaidInOrderOnceTheAgentIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		far, done := dial(t, softphone.Phone{Voice: &synthesizertest.Stub{}, Notify: d.notify,
			Lines: []softphone.Line{{Text: "first line"}, {Text: "second line"}}})
		far.Speak(speech(2 * time.Second))
		time.Sleep(3 * time.Second) // silent for 1 s: less than its patience
		if got := words(far); got != "" {
			t.Errorf("it spoke %q before the agent had finished", got)
		}
		time.Sleep(3 * time.Second)
		if got := words(far); got != "first line" {
			t.Errorf("then it said %q", got)
		}
		far.Speak(speech(time.Second))
		time.Sleep(5 * time.Second)
		far.Speak(speech(time.Second))
		r := finish(t, done)
		if got := words(far); got != "first line second line" || r.Said != 2 {
			t.Errorf("it said %q, %d lines", got, r.Said)
		}
		if r.Remote || r.Cause != telephony.CauseNormal {
			t.Errorf("the call ended by %s, remote %v", r.Cause, r.Remote)
		}
		if got := d.of("said"); !slices.Equal(got, []string{"first line", "second line"}) {
			t.Errorf("told: %q", got)
		}
		if len(d.of("answered")) != 1 || len(d.of("ended")) != 1 {
			t.Errorf("answered %q, ended %q", d.of("answered"), d.of("ended"))
		}
	})
}

func TestGapIsMeasuredFromSampleToSample(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Duration{300 * time.Millisecond, 740 * time.Millisecond, 2 * time.Second} {
		t.Run(want.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				far, done := dial(t, softphone.Phone{Wait: 4 * time.Second, Lines: []softphone.Line{{Sound: tone(500 * time.Millisecond)}}})
				last := lastLoud(t, far, 25) // 500 ms are 25 frames
				time.Sleep(time.Until(last.Add(want)))
				far.Speak(tone(time.Second))
				r := finish(t, done)
				if len(r.Gaps) != 1 || (r.Gaps[0]-want).Abs() > 25*time.Millisecond {
					t.Errorf("gaps: got %v, want %s", r.Gaps, want)
				}
				if r.Audible < 49 || r.Audible > 51 || r.Frames < r.Audible {
					t.Errorf("frames: %d, audible %d; want 50 audible", r.Frames, r.Audible)
				}
			})
		})
	}
}

// lastLoud waits for n frames with sound and returns when the last one was
// sent: a gap counts from there.
func lastLoud(t *testing.T, far *telephonytest.Far, n int) time.Time {
	t.Helper()
	for i := 0; ; i++ {
		f, err := far.Listen(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Max(f.PCM) < 1000 {
			continue
		}
		if n--; n == 0 {
			return f.At
		}
	}
}

func TestInterruptionComesInTimeAndTheStopIsMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Lines: []softphone.Line{{Sound: tone(time.Second), After: 1500 * time.Millisecond}}})
		began := time.Now()
		far.Speak(tone(time.Minute))
		end := lastLoud(t, far, 1)
		if after := end.Sub(began); after < 1500*time.Millisecond || after > 1580*time.Millisecond {
			t.Errorf("interrupted after %s, want 1.5 s", after)
		}
		time.Sleep(400 * time.Millisecond) // the agent takes its time
		far.Hush()
		r := finish(t, done)
		if len(r.Stops) != 1 || r.Stops[0] < 380*time.Millisecond || r.Stops[0] > 460*time.Millisecond {
			t.Errorf("stops: got %v, want about 0.42 s", r.Stops)
		}
		if len(r.Gaps) != 0 {
			t.Errorf("gaps: %v", r.Gaps)
		}
	})
}

func TestShiftMovesTheFirstSample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Wait: time.Second,
			Lines: []softphone.Line{{Sound: tone(100 * time.Millisecond), Shift: 7 * time.Millisecond}}})
		far.Speak(speech(100 * time.Millisecond))
		for i := 0; ; i++ {
			f, err := far.Listen(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			if at := slices.IndexFunc(f.PCM, func(s int16) bool { return s > 1000 }); at >= 0 {
				if at != 56 { // 7 ms at 8 kHz
					t.Errorf("the first loud sample is at %d of its frame, want 56", at)
				}
				break
			}
		}
		far.Hangup()
		finish(t, done)
	})
}

func TestSilentAgentIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Voice: &synthesizertest.Stub{}, Wait: 5 * time.Second,
			Lines: []softphone.Line{{Text: "hello"}, {Text: "anybody"}}})
		began := time.Now()
		r := finish(t, done)
		if got := words(far); got != "hello anybody" {
			t.Errorf("it said %q", got)
		}
		if took := time.Since(began); took < 15*time.Second || took > 18*time.Second {
			t.Errorf("it hung up after %s, want thrice the wait", took)
		}
		if len(r.Gaps) != 0 || r.Audible != 0 {
			t.Errorf("of a silent agent: %+v", r)
		}
	})
}

func TestKeysArePressed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		far, done := dial(t, softphone.Phone{Wait: 3 * time.Second, Notify: d.notify, Lines: []softphone.Line{{Keys: "12#"}}})
		far.Speak(speech(time.Second))
		time.Sleep(4 * time.Second)
		if got := far.Digits(); got != "12#" {
			t.Errorf("keys that came: %q", got)
		}
		far.Press('7', 100*time.Millisecond)
		finish(t, done)
		if got := d.of("key"); !slices.Equal(got, []string{"12#", "7"}) {
			t.Errorf("told: %q", got)
		}
	})
}

func TestWhatIsHeardIsRecordedAndPlayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "heard.wav"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		var speaker bytes.Buffer
		far, done := dial(t, softphone.Phone{Stay: true, Record: f, Speaker: &speaker})
		far.Speak(tone(time.Second))
		time.Sleep(2 * time.Second)
		far.Hangup()
		r := finish(t, done)
		if !r.Remote || r.Cause != telephony.CauseNormal || r.Length < 1900*time.Millisecond {
			t.Errorf("result: %+v", r)
		}
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		pcm, format, err := audio.ReadWAV(f)
		if err != nil || format.Rate != 8000 || format.Channels != 1 {
			t.Fatalf("recording: %+v, %v", format, err)
		}
		loud := 0
		for _, s := range pcm {
			if s > 5000 || s < -5000 {
				loud++
			}
		}
		if loud != 8000 || len(pcm) != r.Frames*160 {
			t.Errorf("recorded %d samples, %d of them loud; want %d and 8000", len(pcm), loud, r.Frames*160)
		}
		raw := make([]byte, 0, 2*len(pcm))
		for _, s := range pcm {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
		}
		if !bytes.Equal(raw, speaker.Bytes()) {
			t.Error("the speaker got something else than the recording")
		}
	})
}

func TestMicrophoneReplacesTheLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var raw []byte
		for _, s := range tone(time.Second) {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
		}
		far, done := dial(t, softphone.Phone{Microphone: bytes.NewReader(raw), Lines: []softphone.Line{{Sound: speech(time.Second)}}})
		r := finish(t, done)
		loud := 0
		for _, f := range far.Heard() {
			if slices.Max(f.PCM) > 5000 {
				loud++
			}
		}
		if loud != 50 || r.Said != 0 {
			t.Errorf("loud frames: got %d, want 50; lines said %d", loud, r.Said)
		}
	})
}

// The answer to the last words of a microphone is heard out, and with Stay the
// other side ends the call.
func TestLineStaysOpenAfterTheMicrophone(t *testing.T) {
	t.Parallel()
	for _, stay := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			far, done := dial(t, softphone.Phone{Stay: stay, Length: time.Minute, Microphone: bytes.NewReader(make([]byte, 16000))})
			time.Sleep(4 * time.Second)
			far.Speak(tone(2 * time.Second))
			r := finish(t, done)
			if want := 8 * time.Second; stay && r.Length < time.Minute || !stay && (r.Length < want || r.Length > want+time.Second) {
				t.Errorf("stay %t: the call lasted %s", stay, r.Length)
			}
			if r.Audible < 95 {
				t.Errorf("stay %t: %d frames of the answer were heard", stay, r.Audible)
			}
		})
	}
}

// What the agent was saying when the microphone ended is no answer to it.
func TestWhatIsBeingSaidIsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Microphone: bytes.NewReader(make([]byte, 8000))})
		far.Speak(tone(2 * time.Second))
		time.Sleep(3 * time.Second)
		far.Speak(tone(time.Second))
		r := finish(t, done)
		if len(r.Gaps) != 1 || r.Gaps[0] < time.Second {
			t.Errorf("gaps %v, want one, of more than a second", r.Gaps)
		}
	})
}

// A microphone that gives nothing holds up neither the line nor the end of the
// call.
func TestSilentMicrophone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		defer func() { _ = out.Close() }()
		far, done := dial(t, softphone.Phone{Microphone: in})
		time.Sleep(time.Second)
		if n := len(far.Heard()); n < 20 {
			t.Errorf("%d frames came in a second, want silence", n)
		}
		began := time.Now()
		far.Hangup()
		finish(t, done)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the call ended after %s", took)
		}
		if _, err := out.Write([]byte("x")); err == nil {
			t.Error("the microphone is still open")
		}
	})
}

func TestEarsTellWhatTheAgentSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ears := transcribertest.NewStub()
		far, done := dial(t, softphone.Phone{Stay: true, Ears: ears, Notify: d.notify})
		time.Sleep(time.Second)
		ears.Emit(transcriber.Event{Kind: transcriber.Partial, Text: "how"})
		ears.Emit(transcriber.Event{Kind: transcriber.Final, Text: "how can I help"})
		ears.Emit(transcriber.Event{Kind: transcriber.Final, Text: " "})
		ears.Emit(transcriber.Event{Kind: transcriber.Final, Text: "hello"})
		time.Sleep(time.Second)
		far.Hangup()
		r := finish(t, done)
		want := []string{"how can I help", "hello"}
		if !slices.Equal(r.Heard, want) || !slices.Equal(d.of("heard"), want) {
			t.Errorf("heard %q, told %q, want %q", r.Heard, d.of("heard"), want)
		}
		if s := ears.Streams(); len(s) != 1 || !s[0].Closed() || s[0].Samples() == 0 {
			t.Error("the recogniser was not used and closed")
		}
	})
}

func TestLengthBoundsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Stay: true, Length: 7 * time.Second})
		r := finish(t, done)
		if r.Length < 6900*time.Millisecond || r.Length > 7200*time.Millisecond || r.Remote {
			t.Errorf("result: %+v", r)
		}
		<-far.Gone()
	})
}

func TestCallThatCannotBeMade(t *testing.T) {
	t.Parallel()
	broken := errors.New("no voice today")
	mute := &synthesizertest.Stub{}
	mute.Fail(broken, 0)
	deaf := transcribertest.NewStub()
	deaf.FailOpen(broken)
	cases := map[string]softphone.Phone{
		"speak": {Voice: mute, Lines: []softphone.Line{{Text: "hello"}}},
		"open":  {Ears: deaf},
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far, done := dial(t, p)
			o := <-done
			if !errors.Is(o.err, broken) || !strings.Contains(o.err.Error(), name) {
				t.Errorf("error: %v", o.err)
			}
			<-far.Gone() // it hung up
		})
	}
}

func TestBusyIsADialError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{})
		go func() {
			if r, err := driver.Dialled(context.Background()); err == nil {
				r.Refuse(telephony.CauseBusy, 486)
			}
		}()
		_, err := softphone.Phone{Driver: driver}.Call(t.Context(), telephony.DialRequest{To: "+1"})
		var d *telephony.DialError
		if !errors.As(err, &d) || d.Cause != telephony.CauseBusy {
			t.Errorf("error: %v", err)
		}
	})
}

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error)          { return 0, errors.New("the disk is full") }
func (full) WriteAt([]byte, int64) (int, error) { return 0, errors.New("the disk is full") }

// stalling is a driver whose leg takes long for its tenth frame, and knows when
// frames were sent.
type stalling struct {
	telephony.Driver
	sent []time.Time
}

// Dial implements telephony.Driver.
func (d *stalling) Dial(ctx context.Context, r telephony.DialRequest, ringing func()) (telephony.Leg, error) {
	leg, err := d.Driver.Dial(ctx, r, ringing)
	return stallingLeg{leg, d}, err
}

type stallingLeg struct {
	telephony.Leg
	d *stalling
}

// Send implements telephony.Leg.
func (l stallingLeg) Send(f audio.Frame) error {
	if l.d.sent = append(l.d.sent, time.Now()); len(l.d.sent) == 10 {
		time.Sleep(105 * time.Millisecond)
	}
	return l.Leg.Send(f)
}

// A sender that was held up for too long to catch up leaves out whole frames.
func TestHeldUpSenderKeepsItsSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{Codec: "PCMU"})
		driver, done := &stalling{Driver: memory}, make(chan error, 1)
		go func() {
			phone := softphone.Phone{Driver: driver, Stay: true}
			_, err := phone.Call(context.Background(), telephony.DialRequest{From: "+12025550199", To: "+14155550100"})
			done <- err
		}()
		ringing, err := memory.Dialled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		far := ringing.Answer()
		time.Sleep(time.Second)
		far.Hangup()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for i, at := range driver.sent {
			if off := at.Sub(driver.sent[0]) % audio.FrameDuration; off != 0 {
				t.Fatalf("frame %d of %d comes %s after a slot", i, len(driver.sent), off)
			}
		}
		if len(driver.sent) < 40 {
			t.Errorf("%d frames were sent in a second", len(driver.sent))
		}
	})
}

func TestFailingRecordingEndsTheCall(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]softphone.Phone{"speaker": {Stay: true, Speaker: full{}}, "record": {Stay: true, Record: full{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				far, done := dial(t, p)
				select {
				case o := <-done:
					if o.err == nil || !strings.Contains(o.err.Error(), "the disk is full") {
						t.Errorf("error: %v", o.err)
					}
				case <-time.After(time.Minute):
					t.Error("the call goes on")
					far.Hangup()
					<-done
				}
				<-far.Gone()
			})
		})
	}
}

func TestListenAnswersSoManyCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{})
		var mu sync.Mutex
		var results []softphone.Result
		ended := make(chan error, 1)
		phone := softphone.Phone{Driver: driver, Stay: true}
		go func() {
			ended <- phone.Listen(context.Background(), 2, func(r softphone.Result, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("call: %v", err)
				}
				results = append(results, r)
			})
		}()
		for i := range 2 {
			far, err := driver.Call(t.Context(), telephonytest.MemoryConfig{To: "+14155550100"})
			if err != nil {
				t.Fatal(err)
			}
			<-far.Answered()
			time.Sleep(time.Duration(i+1) * time.Second)
			far.Hangup()
		}
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("listen: %v", err)
		}
		if len(results) != 2 || !results[0].Remote || results[1].Length < 1900*time.Millisecond {
			t.Errorf("results: %+v", results)
		}
	})
}

func TestListenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		driver := telephonytest.NewMemoryDriver(telephonytest.MemoryConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- softphone.Phone{Driver: driver, Stay: true}.Listen(ctx, 0, nil) }()
		for range 3 {
			far, err := driver.Call(t.Context(), telephonytest.MemoryConfig{To: "+1"})
			if err != nil {
				t.Fatal(err)
			}
			<-far.Answered()
			far.Hangup()
			<-far.Gone()
		}
		select {
		case err := <-ended:
			t.Fatalf("listening ended by itself: %v", err)
		case <-time.After(time.Minute):
		}
		cancel()
		<-ended
	})
}

func TestLostLineIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far, done := dial(t, softphone.Phone{Stay: true})
		time.Sleep(time.Second)
		far.Fail(telephony.CauseFarEndGone, telephony.ErrGone)
		if r := finish(t, done); r.Cause != telephony.CauseFarEndGone {
			t.Errorf("cause: %s", r.Cause)
		}
	})
}

func TestVoiceIsAskedForTheLegsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		voice := &synthesizertest.Stub{}
		far, done := dial(t, softphone.Phone{Voice: voice, VoiceName: "slt", Wait: time.Second, Lines: []softphone.Line{{Text: "hi"}}})
		far.Speak(speech(100 * time.Millisecond))
		finish(t, done)
		if got := voice.Requests(); len(got) != 1 || got[0] != (synthesizer.Request{Text: "hi", Voice: "slt", Rate: 8000}) {
			t.Errorf("asked for %+v", got)
		}
	})
}
