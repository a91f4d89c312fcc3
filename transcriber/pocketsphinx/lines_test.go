package pocketsphinx

import (
	"flag"
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

// The caller's lines of the demo come back with their key words through G.722, whatever their place in the recogniser's frames.
// Run with -shifts 20 for every place.
func TestDemoLinesAreRecognised(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../llm/scripted/testdata/clinic_lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	var sounds [][]int16
	var want []string
	for line := range strings.Lines(string(file)) {
		if parts := strings.Split(strings.TrimSpace(line), " | "); len(parts) == 3 {
			sounds, want = append(sounds, say(t, parts[0])), append(want, parts[1])
		}
	}
	if len(want) < 5 {
		t.Fatalf("only %d lines", len(want))
	}
	for shift := range shiftCount(t) {
		stream, err := New(Options{FlushWait: 45 * time.Second}).Open(t.Context(), transcriber.Config{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		events := transcribertest.Read(t, stream)
		line := newLine(t, stream)
		line.send(make([]int16, rate))
		for i, sound := range sounds {
			line.send(make([]int16, rate*shift/1000))
			line.send(sound)
			line.send(make([]int16, rate*3/10))
			stream.Finalize()
			got := events.Flushed(t)
			t.Logf("shifted by %d ms: %q", shift, got)
			for word := range strings.FieldsSeq(want[i]) {
				if !strings.Contains(" "+got+" ", " "+word+" ") {
					t.Errorf("shifted by %d ms: heard %q, want %q in it", shift, got, word)
				}
			}
			line.send(make([]int16, rate-rate*shift/1000))
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
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

// line is a G.722 line into a stream.
type line struct {
	t       *testing.T
	stream  transcriber.Stream
	encoder *audio.G722Encoder
	decoder *audio.G722Decoder
	left    []int16 // less than a frame
	offset  int64
}

func newLine(t *testing.T, s transcriber.Stream) *line {
	return &line{t: t, stream: s, encoder: audio.NewG722Encoder(), decoder: audio.NewG722Decoder()}
}

func (l *line) send(pcm []int16) {
	l.t.Helper()
	l.left = append(l.left, pcm...)
	n := len(l.left) / 320 * 320
	decoded := l.decoder.Decode(nil, l.encoder.Encode(nil, l.left[:n]))
	l.left = append(l.left[:0], l.left[n:]...)
	l.offset = transcribertest.Feed(l.t, l.stream, decoded, rate, l.offset)
}
