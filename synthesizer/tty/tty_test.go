package tty

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

const text = "Hi, mail bob@x.org — 5 & 6!"

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Yield: "GA"}} {
		synthesizertest.Run(t, func(*testing.T) synthesizertest.Harness {
			return synthesizertest.Harness{Driver: New(o), Text: "Good morning, this is the clinic. 555-0123?", WordTimes: true, Deterministic: true}
		})
	}
}

// receive demodulates pcm.
func receive(pcm []int16, rate int) string {
	var b strings.Builder
	for _, e := range audio.NewBaudotDemodulator(rate).Write(append(pcm, make([]int16, rate/2)...)) {
		if e.Character.Char != 0 {
			b.WriteByte(e.Character.Char)
		}
	}
	return b.String()
}

func TestSpokenIsReceived(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, c := range []struct {
			options Options
			want    string
		}{
			{Options{}, "HI, MAIL BOB AT X.ORG - 5 AND 6! "},
			{Options{Yield: "ga"}, "HI, MAIL BOB AT X.ORG - 5 AND 6! GA"},
			{Options{Characters: true}, "HI, MAIL BOB AT X.ORG - 5 AND 6! "},
		} {
			pcm, _, err := synthesizertest.Collect(t.Context(), t, New(c.options), synthesizer.Request{Text: text, Rate: rate})
			if err != nil {
				t.Fatal(err)
			}
			if got := receive(pcm, rate); got != c.want {
				t.Errorf("%+v at %d Hz: received %q, want %q", c.options, rate, got, c.want)
			}
		}
	}
}

// Cut off at the end of a word, the receiver has that word and nothing more.
func TestWordsEndWhereTheyAreReceived(t *testing.T) {
	t.Parallel()
	pcm, words, err := synthesizertest.Collect(t.Context(), t, New(Options{}), synthesizer.Request{Text: text, Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		got := receive(append([]int16(nil), pcm[:w.ToSample]...), 8000)
		if want := audio.BaudotText(text[:w.End]); got != want {
			t.Errorf("cut after %q: received %q, want %q", text[w.Start:w.End], got, want)
		}
	}
}

func TestCharacters(t *testing.T) {
	t.Parallel()
	_, words, err := synthesizertest.Collect(t.Context(), t, New(Options{Characters: true}), synthesizer.Request{Text: "aß@b 7 你é", Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	at := int64(0)
	for _, w := range words {
		got = append(got, "aß@b 7 你é"[w.Start:w.End])
		if w.FromSample < at || w.ToSample <= w.FromSample {
			t.Errorf("%q spans %d to %d after %d", got[len(got)-1], w.FromSample, w.ToSample, at)
		}
		at = w.ToSample
	}
	if diff := cmp.Diff([]string{"a", "ß", "@", "b", "7", "é"}, got); diff != "" {
		t.Errorf("characters (-want +got):\n%s", diff)
	}
}

// An independent modem reads it.
func TestMinimodemReadsIt(t *testing.T) {
	t.Parallel()
	const said = "The clinic opens at 9:30 on 24-12, bob@x."
	pcm, _, err := synthesizertest.Collect(t.Context(), t, New(Options{Yield: "GA"}), synthesizer.Request{Text: said, Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tty.wav")
	if err := os.WriteFile(file, wav(append(pcm, make([]int16, 8000)...)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("minimodem", "--rx", "tdd", "-R", "8000", "-q", "-f", file).Output()
	if err != nil {
		t.Fatalf("minimodem: %v", err)
	}
	if got, want := strings.TrimSpace(string(out)), audio.BaudotText(said)+" GA"; got != want {
		t.Errorf("minimodem reads %q, want %q", got, want)
	}
}

// wav puts pcm at 8 kHz into a RIFF file.
func wav(pcm []int16) []byte {
	file := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	binary.LittleEndian.PutUint32(file[4:], uint32(36+2*len(pcm)))
	file = binary.LittleEndian.AppendUint32(file, uint32(2*len(pcm)))
	for _, s := range pcm {
		file = binary.LittleEndian.AppendUint16(file, uint16(s))
	}
	return file
}
