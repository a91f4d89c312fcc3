package tty

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func tones(text string, rate int) []int16 {
	pcm, _ := audio.NewBaudotModulator(rate).Modulate(text)
	return pcm
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		transcribertest.Run(t, func(*testing.T) transcribertest.Harness {
			return transcribertest.Harness{
				Driver: New(Options{}), Rate: rate, Speech: tones("IS IT 5?", rate), Want: []string{"is", "it", "5?"},
			}
		})
	}
}

// hear returns the events of a caller's sound, partials reduced to the last
// before another event, with the media time at which each came.
func hear(t *testing.T, rate int, pieces ...[]int16) (events []transcriber.Event, partials int) {
	t.Helper()
	s, err := New(Options{}).Open(t.Context(), transcriber.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	at := int64(0)
	for _, pcm := range pieces {
		at = transcribertest.Feed(t, s, pcm, rate, at)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for e, err := range s.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == transcriber.Partial {
			partials++
			continue
		}
		events = append(events, e)
	}
	return events, partials
}

func silence(d time.Duration, rate int) []int16 { return make([]int16, audio.Samples(d, rate)) }

// kinds renders events for comparison.
func kinds(events []transcriber.Event) []string {
	var all []string
	for _, e := range events {
		switch e.Kind {
		case transcriber.Final:
			all = append(all, "final "+e.Text)
		case transcriber.SpeechStarted:
			all = append(all, "started")
		case transcriber.SpeechEnded:
			all = append(all, "ended")
		case transcriber.EndOfTurn:
			all = append(all, "yields")
		case transcriber.Goodbye:
			all = append(all, "goodbye")
		}
	}
	return all
}

func TestTurns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		sent  []string
		pause time.Duration // after each
		want  []string
	}{
		{"go ahead", []string{"HELLO GA"}, time.Second, []string{"started", "ended", "final HELLO", "yields"}},
		{"no go ahead", []string{"HELLO"}, 2 * time.Second, []string{"started", "ended", "final HELLO"}},
		{"pause too short", []string{"HELLO"}, 1200 * time.Millisecond, []string{"started", "ended"}},
		{"one turn in two pieces", []string{"HELLO", " YOU GA"}, time.Second, []string{"started", "ended", "started", "ended", "final HELLO YOU", "yields"}},
		{"not go ahead", []string{"A GARAGE"}, 2 * time.Second, []string{"started", "ended", "final A GARAGE"}},
		{"go ahead inside", []string{"HI GA BYE"}, 2 * time.Second, []string{"started", "final HI", "yields", "ended", "final BYE"}},
		{"only go ahead", []string{"GA"}, time.Second, []string{"started", "ended", "yields"}},
		{"goodbye", []string{"THANKS BYE SK"}, time.Second, []string{"started", "ended", "final THANKS BYE", "goodbye"}},
		{"long goodbye", []string{"BYE GA SK SKSK"}, time.Second, []string{"started", "final BYE", "yields", "goodbye", "ended", "goodbye"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pieces := [][]int16{silence(300*time.Millisecond, 8000)}
			for _, text := range c.sent {
				pieces = append(pieces, tones(text, 8000), silence(c.pause, 8000))
			}
			events, partials := hear(t, 8000, pieces...)
			got := kinds(events)
			// Two texts sent apart have a space between them only if it was sent.
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], "HELLOYOU", "HELLO YOU")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if partials == 0 {
				t.Error("no partial text")
			}
		})
	}
}

func TestWordTimes(t *testing.T) {
	t.Parallel()
	pcm, characters := audio.NewBaudotModulator(8000).Modulate("OK 42")
	events, _ := hear(t, 8000, silence(time.Second, 8000), pcm, silence(2*time.Second, 8000))
	var words []transcriber.Word
	for _, e := range events {
		if e.Kind == transcriber.Final {
			words = e.Words
		}
	}
	if len(words) != 2 || words[0].Text != "OK" || words[1].Text != "42" {
		t.Fatalf("words = %+v", words)
	}
	for i, last := range []int{1, 4} {
		want := time.Second + audio.Span(characters[last].End, 8000)
		if off := words[i].To - want; off > 20*time.Millisecond || off < -50*time.Millisecond {
			t.Errorf("%s ends at %v, was sent until %v", words[i].Text, words[i].To, want)
		}
	}
}

func TestSpeechIsNoText(t *testing.T) {
	t.Parallel()
	events, partials := hear(t, 8000, audio.SpeechLike(8000, 80000, -20, 7), silence(2*time.Second, 8000))
	if len(events) != 0 || partials != 0 {
		t.Errorf("speech gave %v and %d partial texts", kinds(events), partials)
	}
}

// An independent modem is read.
func TestMinimodemIsRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tty.wav")
	cmd := exec.Command("minimodem", "--tx", "tdd", "-R", "8000", "-f", file)
	cmd.Stdin = strings.NewReader("IS THE CLINIC OPEN AT 9:30 ON 24-12? GA")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("minimodem: %v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) < 44 {
		t.Fatalf("%d bytes of sound: %v", len(data), err)
	}
	pcm := make([]int16, (len(data)-44)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(data[44+2*i:])) / 4
	}
	events, _ := hear(t, 8000, silence(time.Second, 8000), pcm, silence(2*time.Second, 8000))
	want := []string{"started", "ended", "final IS THE CLINIC OPEN AT 9:30 ON 24-12?", "yields"}
	if diff := cmp.Diff(want, kinds(events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
