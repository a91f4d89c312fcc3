package hearing_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// Sound is understood however it is cut, also between the bytes of a sample.
func TestListenerHearsWhateverTheMessages(t *testing.T) {
	t.Parallel()
	pcm, _ := tonewords.Speak("one two", 16000)
	pcm = append(pcm, make([]int16, 1600)...)
	var linear []byte
	for _, s := range pcm {
		linear = binary.LittleEndian.AppendUint16(linear, uint16(s))
	}
	for coding, raw := range map[string][]byte{"linear16": linear, "mulaw": audio.EncodeULaw(nil, pcm)} {
		for _, size := range []int{1, 7, 639, 640, len(raw)} {
			l, err := hearing.NewListener(hearing.ToneWords, coding, 16000, "")
			if err != nil {
				t.Fatal(err)
			}
			came := 0
			for rest := raw; len(rest) > 0; {
				n := min(size, len(rest))
				l.Hear(rest[:n], func(words bool) {
					if words {
						came++
					}
				})
				rest = rest[n:]
			}
			if l.Text() != "one two" || came != 2 || l.Position() != audio.Span(int64(len(pcm)), 16000) {
				t.Errorf("%s in pieces of %d: %q in %d steps, %v", coding, size, l.Text(), came, l.Position())
			}
			if s := l.Silence().Milliseconds(); s < 90 || s > 110 {
				t.Errorf("silence of %d ms", s)
			}
			l.Close()
		}
	}
}

func TestListenerOnDemandHearsNothing(t *testing.T) {
	t.Parallel()
	pcm, _ := tonewords.Speak("one two", 8000)
	for fault, want := range map[standin.Kind]int{standin.EmptySuccess: 0, standin.Blank: 2} {
		l, err := hearing.NewListener(hearing.ToneWords, "mulaw", 8000, fault)
		if err != nil {
			t.Fatal(err)
		}
		l.HearSamples(pcm)
		if text, words := l.Take(); len(words) != want || strings.TrimSpace(text) != "" {
			t.Errorf("%s: %q, %d words", fault, text, len(words))
		}
	}
}

// Ears for real speech pass sound on to a driver, at one of the rates of telephone
// lines, and give out its texts.
func TestSpeech(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]int{8000: 8000, 16000: 16000, 24000: 16000} {
		stub := transcribertest.NewStub("good morning", "")
		ear, err := hearing.Speech(stub)(rate)
		if err != nil {
			t.Fatal(err)
		}
		ear.Write(make([]int16, rate))
		words := ear.Finish()
		if len(words) != 2 || words[1].Text != "morning" || words[1].To.Seconds() != 1 {
			t.Errorf("words %v", words)
		}
		if words := ear.Finish(); len(words) != 0 {
			t.Errorf("then %v", words)
		}
		ear.Close()
		s := stub.Streams()[0]
		if s.Config().Rate != want || s.Samples() < int64(want)-200 || s.Samples() > int64(want) || !s.Closed() {
			t.Errorf("of a second at %d Hz the driver got %d samples at %d Hz", rate, s.Samples(), s.Config().Rate)
		}
	}
}

func TestUnknownCodings(t *testing.T) {
	t.Parallel()
	if _, err := hearing.NewListener(hearing.ToneWords, "opus", 8000, ""); err == nil {
		t.Error("opus is accepted")
	}
	if _, err := hearing.NewListener(hearing.ToneWords, "mulaw", 4000, ""); err == nil {
		t.Error("4 kHz is accepted")
	}
}
