package pocketsphinx

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// shiftCount is a function and not a variable of the package because flags are
// looked up by name.
func shiftCount(t *testing.T) int {
	t.Helper()
	if f := flag.Lookup("shifts"); f != nil {
		return f.Value.(flag.Getter).Get().(int)
	}
	return 1
}

func TestMain(m *testing.M) {
	flag.Int("shifts", 1, "how many shifts of 1 ms the demo's lines are recognised with, at most 20")
	flag.Parse()
	os.Exit(m.Run())
}

// The caller's lines of the demo come back with their key words through G.722 and
// through G.711, whatever their place in the recogniser's frames. Run with -shifts 20
// for every place.
func TestDemoLinesAreRecognised(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../llm/scripted/testdata/clinic_lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines, want []string
	for line := range strings.Lines(string(file)) {
		if parts := strings.Split(strings.TrimSpace(line), " | "); len(parts) == 3 {
			lines, want = append(lines, parts[0]), append(want, parts[1])
		}
	}
	if len(want) < 5 {
		t.Fatalf("only %d lines", len(want))
	}
	for _, r := range []int{rate, narrowRate} {
		var sounds [][]int16
		for _, line := range lines {
			sounds = append(sounds, sayAs(t, "rms", line, r))
		}
		t.Run(fmt.Sprintf("%d Hz", r), func(t *testing.T) {
			t.Parallel()
			for shift := range shiftCount(t) {
				checkLines(t, r, shift, sounds, want)
			}
		})
	}
}

// checkLines says sounds into a recogniser, each shifted by that many milliseconds,
// and wants their key words back.
func checkLines(t *testing.T, r, shift int, sounds [][]int16, want []string) {
	t.Helper()
	line := openLine(t, r, Options{})
	line.send(make([]int16, r))
	for i, sound := range sounds {
		line.send(make([]int16, r*shift/1000))
		line.send(sound)
		got := line.heard()
		t.Logf("shifted by %d ms: %q", shift, got)
		for word := range strings.FieldsSeq(want[i]) {
			if !strings.Contains(" "+got+" ", " "+word+" ") {
				t.Errorf("shifted by %d ms: heard %q, want %q in it", shift, got, word)
			}
		}
		line.send(make([]int16, r-r*shift/1000))
	}
	line.close()
}

// The comfort noise of a loss before the first words does not spoil them.
func TestComfortNoiseIsSilence(t *testing.T) {
	t.Parallel()
	stream, err := New(Options{FlushWait: 45 * time.Second}).Open(t.Context(), transcriber.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	events := transcribertest.Read(t, stream)
	pcm := make([]int16, 3*rate)
	audio.NewComfortNoise(1).Fill(pcm[rate : rate+rate/5])
	transcribertest.Feed(t, stream, append(pcm, say(t, "How do I make an appointment?")...), rate, 0)
	stream.Finalize()
	if got := events.Flushed(t); got != "how do i make an appointment" {
		t.Errorf("heard %q", got)
	}
}

// line is a telephone line into a stream: G.722 at 16 kHz, G.711 at 8 kHz.
type line struct {
	t       *testing.T
	stream  transcriber.Stream
	events  *transcribertest.Reader
	rate    int
	encoder *audio.G722Encoder
	decoder *audio.G722Decoder
	left    []int16 // less than a frame
	offset  int64
}

// openLine starts a recogniser that is given all the time it needs.
func openLine(t *testing.T, r int, o Options) *line {
	t.Helper()
	o.FlushWait = 45 * time.Second
	stream, err := New(o).Open(t.Context(), transcriber.Config{Rate: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return &line{t: t, stream: stream, events: transcribertest.Read(t, stream), rate: r,
		encoder: audio.NewG722Encoder(), decoder: audio.NewG722Decoder()}
}

func (l *line) send(pcm []int16) {
	l.t.Helper()
	l.left = append(l.left, pcm...)
	n := len(l.left) / (l.rate / 50) * (l.rate / 50)
	var decoded []int16
	if l.rate == narrowRate {
		decoded = audio.DecodeULaw(nil, audio.EncodeULaw(nil, l.left[:n]))
	} else {
		decoded = l.decoder.Decode(nil, l.encoder.Encode(nil, l.left[:n]))
	}
	l.left = append(l.left[:0], l.left[n:]...)
	l.offset = transcribertest.Feed(l.t, l.stream, decoded, l.rate, l.offset)
}

// heard returns what was understood since the last time.
func (l *line) heard() string {
	l.t.Helper()
	l.send(make([]int16, l.rate*3/10))
	l.stream.Finalize()
	return l.events.Flushed(l.t)
}

func (l *line) close() {
	l.t.Helper()
	if err := l.stream.Close(); err != nil {
		l.t.Error(err)
	}
}
