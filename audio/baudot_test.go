package audio

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pangram = "THE QUICK BROWN FOX, 0123456789, JUMPS OVER - A $4.50 DOG: OK? (YES!) \"IT'S\" 7/8; GA"

// demodulated returns the text and the other events of a sound, heard in 20 ms
// frames.
func demodulated(rate int, pcm []int16) (string, []BaudotEvent) {
	d := NewBaudotDemodulator(rate)
	var text strings.Builder
	var all []BaudotEvent
	for frame := range slices.Chunk(pcm, rate/50) {
		for _, e := range d.Write(frame) {
			if e.Character.Char != 0 {
				text.WriteByte(e.Character.Char)
			}
			all = append(all, e)
		}
	}
	return text.String(), all
}

func silenced(rate int, pcm []int16) []int16 {
	return slices.Concat(make([]int16, rate/3), pcm, make([]int16, rate/2))
}

func TestBaudotText(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"Mail me: a_b@example.com", "MAIL ME: A B AT EXAMPLE.COM"},
		{"50% of #3 & more", "50 PERCENT OF NUMBER 3 AND MORE"},
		{"“Café”\u00a0— naïve…\n", "\"CAFE\" - NAIVE..."},
		{"€5 [now] {x}", "EUR 5 (NOW) (X)"},
		{"日本\x00\x07\u200b", ""},
		{"+1 415: 1=1", "PLUS 1 415: 1 EQUALS 1"},
		{"  a \t b\r\n", "A B"},
	}
	for _, test := range tests {
		if got := BaudotText(test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestBaudotRoundTrip(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, text := range []string{pangram, strings.Repeat("1234567890 ", 15) + "END", "A", "5"} {
			pcm, characters := NewBaudotModulator(rate).Modulate(text)
			got, _ := demodulated(rate, silenced(rate, pcm))
			if got != text {
				t.Errorf("%d Hz: got %q, want %q", rate, got, text)
			}
			if len(characters) != len(text) {
				t.Errorf("%d Hz: %d characters, want %d", rate, len(characters), len(text))
			}
		}
	}
}

func TestBaudotNoiseAndCompanding(t *testing.T) {
	t.Parallel()
	for color := range 3 {
		pcm, _ := NewBaudotModulator(8000).Modulate(pangram)
		pcm = silenced(8000, pcm)
		pcm = mixed(pcm, Noise(NoiseColor(color), len(pcm), baudotLevel-20, 5))
		args := []string{"-t", "raw", "-r", "8000", "-c", "1"}
		law := run(t, bytesOf(pcm), slices.Concat([]string{"sox"}, args, []string{"-e", "signed", "-b", "16", "-"},
			args, []string{"-e", "mu-law", "-b", "8", "-"})...)
		back := run(t, law, slices.Concat([]string{"sox"}, args, []string{"-e", "mu-law", "-b", "8", "-"},
			args, []string{"-e", "signed", "-b", "16", "-"})...)
		if got, _ := demodulated(8000, samplesOf(back)); got != pangram {
			t.Errorf("noise %d: got %q", color, got)
		}
	}
}

func TestBaudotPositions(t *testing.T) {
	t.Parallel()
	const rate, lead = 8000, 8000 / 3
	pcm, sent := NewBaudotModulator(rate).Modulate("HELLO GA")
	if got := sent[0].Start; got != rate*150/1000 {
		t.Errorf("the first character starts at %d, want after 150 ms", got)
	}
	if got := int64(len(pcm)) - sent[len(sent)-1].End; got != rate*150/1000 {
		t.Errorf("%d samples of mark at the end, want 150 ms", got)
	}
	_, events := demodulated(rate, silenced(rate, pcm))
	heard := 0
	for i, e := range events {
		switch {
		case e.CarrierOn:
			if i != 0 || abs(int(e.At)-lead) > rate*15/1000 {
				t.Errorf("carrier on at %d, want %d", e.At, lead)
			}
		case e.CarrierOff:
			if i != len(events)-1 || abs(int(e.At)-lead-len(pcm)) > rate*15/1000 {
				t.Errorf("carrier off at %d, want %d", e.At, lead+len(pcm))
			}
		default:
			if off := int(e.Character.End-sent[heard].End) - lead; abs(off) > rate*25/1000 {
				t.Errorf("%c ends %d samples off", e.Character.Char, off)
			}
			heard++
		}
	}
	if heard != len(sent) || len(events) != heard+2 {
		t.Errorf("%d characters in %d events, want %d and two carrier edges", heard, len(events), len(sent))
	}
}

// A peer that says letters after a space in figures is one whose figures go on
// behind a space: it is believed from then on.
func TestBaudotLearnsThePeersSpaces(t *testing.T) {
	t.Parallel()
	m := NewBaudotModulator(8000)
	m.tone(baudotMark, 200_000)
	for _, code := range []int{
		baudotFigures, 16, 4, baudotLetters, 3, // "5 A": letters are said
		baudotFigures, 16, 4, 16, // "5 5": the second 5 without a shift
	} {
		m.code(code)
	}
	m.tone(baudotMark, 200_000)
	if got, _ := demodulated(8000, m.pcm); got != "5 A5 5" {
		t.Errorf("got %q, want %q", got, "5 A5 5")
	}
}

// 72 characters after a shift it is said again, for receivers that lost it.
func TestBaudotRepeatsShifts(t *testing.T) {
	t.Parallel()
	_, characters := NewBaudotModulator(8000).Modulate(strings.Repeat("A", 80))
	var long []int
	for i, c := range characters {
		if c.End-c.Start > 2*1408-100 {
			long = append(long, i)
		}
	}
	if diff := cmp.Diff([]int{0, 72}, long); diff != "" {
		t.Errorf("characters with a shift before them (-want +got):\n%s", diff)
	}
}

func TestMinimodemReadsBaudot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, rate := range []string{"8000", "16000"} {
		n := map[string]int{"8000": 8000, "16000": 16000}[rate]
		pcm, _ := NewBaudotModulator(n).Modulate(pangram)
		wav := filepath.Join(dir, rate+".wav")
		run(t, bytesOf(silenced(n, pcm)), "sox", "-t", "raw", "-r", rate, "-e", "signed", "-b", "16", "-c", "1", "-", wav)
		got := string(run(t, nil, "minimodem", "--rx", "tdd", "-R", rate, "-f", wav, "-q"))
		if strings.TrimSpace(got) != pangram {
			t.Errorf("%s Hz: minimodem read %q, want %q", rate, got, pangram)
		}
	}
}

func TestBaudotReadsMinimodem(t *testing.T) {
	t.Parallel()
	const text = "HELLO, THIS IS UNIT 4. CALL 555 1234 - OK? GA"
	wav := filepath.Join(t.TempDir(), "sent.wav")
	run(t, []byte(text+"\n"), "minimodem", "--tx", "tdd", "-R", "8000", "-f", wav)
	if _, err := os.Stat(wav); err != nil {
		t.Fatal(err)
	}
	pcm := samplesOf(run(t, nil, "sox", wav, "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"))
	got, _ := demodulated(8000, silenced(8000, pcm))
	if strings.TrimSpace(got) != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

func TestBaudotIgnoresSpeech(t *testing.T) {
	t.Parallel()
	for voice, sentences := range spoken(t) {
		if got, events := demodulated(8000, labelSpeech(sentences, -20).pcm); got != "" || len(events) > 0 {
			t.Errorf("%s: heard %q and %d events", voice, got, len(events))
		}
	}
}

func FuzzBaudotText(f *testing.F) {
	f.Add("Hello @ 5%")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range []byte(BaudotText(text)) {
			if !canSend(c) {
				t.Errorf("%q contains %q", text, c)
			}
		}
	})
}

func FuzzBaudotDemodulator(f *testing.F) {
	pcm, _ := NewBaudotModulator(8000).Modulate("HI")
	f.Add(bytesOf(pcm))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := demodulated(8000, samplesOf(raw))
		for _, c := range []byte(text) {
			if c != '\n' && !canSend(c) {
				t.Errorf("unexpected character %q", c)
			}
		}
	})
}
