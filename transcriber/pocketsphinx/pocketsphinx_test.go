package pocketsphinx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/process/processtest"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// say renders text with the flite program's voice rms as the flite driver
// does: levelled, and without the silence around it.
func say(t *testing.T, text string) []int16 { return sayAs(t, "rms", text, rate) }

// sayAs is say in any voice of flite, at the sample rate to.
func sayAs(t *testing.T, voice, text string, to int) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "line.wav")
	if out, err := exec.Command("flite", "-voice", voice, "-t", text, "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("flite: %v: %s", err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	pcm, format, err := audio.ReadWAV(f)
	if err != nil {
		t.Fatal(err)
	}
	resampler, err := audio.NewResampler(format.Rate, to)
	if err != nil {
		t.Fatal(err)
	}
	pcm = resampler.Flush(resampler.Process(nil, pcm))
	audio.Normalize(pcm, to)
	const audible = 327 // -40 dBFS
	quiet := func(sample int16) bool { return sample <= audible && sample >= -audible }
	first, last := 0, len(pcm)-1
	for first < last && quiet(pcm[first]) {
		first++
	}
	for last > first && quiet(pcm[last]) {
		last--
	}
	return pcm[max(first-to*15/1000, 0):min(last+to*80/1000, len(pcm))]
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, r := range []int{rate, narrowRate} {
		t.Run(fmt.Sprintf("%d Hz", r), func(t *testing.T) {
			t.Parallel()
			speech := sayAs(t, "rms", "What are your opening hours?", r)
			transcribertest.Run(t, func(*testing.T) transcribertest.Harness {
				return transcribertest.Harness{
					Driver: New(Options{MaxStreams: 2, FlushWait: 10 * time.Second}), Rate: r,
					Speech: speech, Want: []string{"opening", "hours"}, Limit: 2,
					Kill: func(t *testing.T, s transcriber.Stream) {
						if err := s.(*stream).cmd.Process.Kill(); err != nil {
							t.Errorf("kill: %v", err)
						}
					},
				}
			})
		})
	}
}

// Frames of a telephone line are resampled without allocation, once the buffers
// have their size.
func TestWriteAllocatesNothing(t *testing.T) {
	s := &stream{rate: narrowRate, wake: make(chan struct{}, 1)}
	var err error
	if s.widen, err = audio.NewResampler(narrowRate, rate); err != nil {
		t.Fatal(err)
	}
	f := audio.Frame{PCM: audio.SpeechLike(narrowRate, 160, -20, 1), Rate: narrowRate}
	write := func() {
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
		s.pending, s.written = s.pending[:0], s.queued // as feed does
	}
	write()
	if n := testing.AllocsPerRun(100, write); n > 0 {
		t.Errorf("%.1f allocations a frame", n)
	}
}

// The driver hands the program the model's own parameters, but for the mean.
func TestFeaturesAreTheModelsOwn(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/usr/share/pocketsphinx/model/en-us/en-us/feat.params")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(string(own)) {
		if !strings.HasPrefix(line, "-cmninit ") {
			want.WriteString(line)
		}
	}
	if features != want.String() {
		t.Errorf("features:\n%s\nthe model's own:\n%s", features, want.String())
	}
	for r, mean := range map[int]string{rate: wideMean, narrowRate: narrowMean} {
		f, err := featuresFile(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if string(got) != features+"-cmninit "+mean+"\n" {
			t.Errorf("%d Hz: the program reads:\n%s", r, got)
		}
	}
}

func TestCloseLeavesNoChildAndNoSlot(t *testing.T) {
	t.Parallel()
	driver := New(Options{})
	s, err := driver.Open(t.Context(), transcriber.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	if driver.Streams() != 1 {
		t.Errorf("%d streams are open, want 1", driver.Streams())
	}
	pid := s.(*stream).cmd.Process.Pid
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("child %d is still there: %v", pid, err)
	}
	if driver.Streams() != 0 {
		t.Errorf("%d streams are open, want none", driver.Streams())
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		config  transcriber.Config
		want    string
	}{
		"44 kHz":   {Options{}, transcriber.Config{Rate: 44100}, "8000 and 16000"},
		"language": {Options{}, transcriber.Config{Rate: rate, Language: "pt-BR"}, "English"},
		"program":  {Options{Program: "no-such-recogniser"}, transcriber.Config{Rate: rate}, "no-such-recogniser"},
	} {
		driver := New(c.options)
		if _, err := driver.Open(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want one about %q", name, err, c.want)
		}
		if driver.Streams() != 0 {
			t.Errorf("%s: a refused stream is counted", name)
		}
	}
}

// stand returns a shell script that stands in for the recogniser.
func stand(t *testing.T, script string) string {
	t.Helper()
	return processtest.Script(t, "recogniser", script)
}

func openStand(t *testing.T, o Options) (transcriber.Stream, *transcribertest.Reader) {
	t.Helper()
	s, err := New(o).Open(t.Context(), transcriber.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, transcribertest.Read(t, s)
}

func loud(ms int) []int16 {
	pcm := make([]int16, rate*ms/1000)
	for i := range pcm {
		pcm[i] = int16(2000 * (i/40%2*2 - 1))
	}
	return pcm
}

func TestASilentRecogniserIsAnsweredForInTime(t *testing.T) {
	t.Parallel()
	s, events := openStand(t, Options{Program: stand(t, "exec cat >/dev/null"), FlushWait: 50 * time.Millisecond})
	transcribertest.Feed(t, s, loud(200), rate, 0)
	start := time.Now()
	s.Finalize()
	e := events.Next(t)
	if took := time.Since(start); !e.Flushed || e.Text != "" || took < 50*time.Millisecond {
		t.Errorf("got %+v after %v", e, took)
	}
}

// A recogniser that is behind gets more time, but not for ever.
func TestALateRecogniserIsAwaitedWhileItReads(t *testing.T) {
	t.Parallel()
	s, events := openStand(t, Options{
		Program: stand(t, "sleep 0.5; head -c 32000 >/dev/null; echo late; exec sleep 60"), FlushWait: 100 * time.Millisecond,
	})
	transcribertest.Feed(t, s, loud(300), rate, 0)
	s.Finalize()
	if e := events.Next(t); e.Text != "late" || !e.Flushed {
		t.Errorf("got %+v", e)
	}
	transcribertest.Feed(t, s, loud(300), rate, 0)
	s.Finalize()
	if e := events.Next(t); e.Text != "" || !e.Flushed {
		t.Errorf("never read: %+v", e)
	}
}

// What was said before the stream was open comes at once, and live sound after
// it must not make the stream give up.
func TestAReplayIsNoLag(t *testing.T) {
	t.Parallel()
	s, _ := openStand(t, Options{Program: stand(t, "exec sleep 60")})
	if err := s.Write(audio.Frame{PCM: make([]int16, 12*rate), Rate: rate}); err != nil {
		t.Fatal(err)
	}
	if got := transcriber.Behind(s); got < 11*time.Second || got > 12*time.Second {
		t.Errorf("behind by %s, want nearly 12 s", got)
	}
	for i := range 9 * 50 {
		if err := s.Write(audio.Frame{PCM: make([]int16, rate/50), Rate: rate}); err != nil {
			t.Fatalf("frame %d after the replay: %v", i, err)
		}
	}
}

func TestARecogniserThatDoesNotReadEndsTheStream(t *testing.T) {
	t.Parallel()
	s, events := openStand(t, Options{Program: stand(t, "exec sleep 60")})
	frame := audio.Frame{PCM: make([]int16, rate/50), Rate: rate}
	var err error
	n := 0
	for ; err == nil && n < 1000; n++ {
		err = s.Write(frame)
	}
	if !errors.Is(err, transcriber.ErrBehind) || n < 500 || n > 520 {
		t.Errorf("after %d frames: %v", n, err)
	}
	if err := events.End(t); !errors.Is(err, transcriber.ErrBehind) {
		t.Errorf("events ended with %v", err)
	}
}

func TestLinesBecomeFinals(t *testing.T) {
	t.Parallel()
	s, events := openStand(t, Options{Program: stand(t, `echo; echo " first one "; head -c 12800 >/dev/null; echo; echo second; exec sleep 60`), FlushWait: 10 * time.Second})
	if e := events.Next(t); e.Text != "first one" || e.Flushed {
		t.Errorf("unasked: %+v", e)
	}
	transcribertest.Feed(t, s, loud(200), rate, 0)
	s.Finalize()
	if e := events.Next(t); e.Text != "second" || !e.Flushed {
		t.Errorf("asked: %+v", e)
	}
}

func TestARecogniserThatEndsIsAnError(t *testing.T) {
	t.Parallel()
	_, events := openStand(t, Options{Program: stand(t, "echo bye; exit 3")})
	if e := events.Next(t); e.Text != "bye" {
		t.Errorf("got %+v", e)
	}
	if err := events.End(t); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("events ended with %v", err)
	}
}
