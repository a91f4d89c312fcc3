package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
)

// call is a call of ten seconds in which the caller speaks at 1 to 2, 4 to 5 and
// 8 to 8.5 s, and the agent at 2.5 to 4.1 and 5.75 to 7 s.
const call = `{"type":"caller","offset_ms":2400,"text":"when are you open"}
{"type":"turn","offset_ms":2510,"data":{"gap_ms":499.6}}
{"type":"agent","offset_ms":5600,"text":"From nine","data":{"interrupted":true,"said":"From nine until <ten>."}}
{"type":"caller","offset_ms":5600,"text":"is there parking"}
{"type":"turn","offset_ms":5760,"data":{"gap_ms":750}}
{"type":"agent","offset_ms":7100,"text":"Yes & no."}
{"type":"caller","offset_ms":9000,"text":"bye"}
{"type":"ended","offset_ms":10000,"text":"hangup"}
`

// recorded writes the events and the recording of a call, in which sound is at
// the given seconds of each channel.
func recorded(t *testing.T, events string, sounds [2][][2]float64) (eventFile, recording string) {
	t.Helper()
	const rate = 8000
	pcm := make([]int16, 10*rate*2)
	for channel, stretches := range sounds {
		for _, s := range stretches {
			for i := int(s[0] * rate); i < int(s[1]*rate); i++ {
				pcm[2*i+channel] = int16(3000 - 6000*(i%2))
			}
		}
	}
	dir := t.TempDir()
	recording = filepath.Join(dir, "call.wav")
	f, err := os.Create(recording)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audio.NewWAVWriter(f, audio.WAVFormat{Rate: rate, Channels: 2})
	if err == nil {
		err = errors.Join(w.Write(pcm), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close() // the writer may have closed it
	eventFile = filepath.Join(dir, "events")
	if err := os.WriteFile(eventFile, []byte(events), 0o600); err != nil {
		t.Fatal(err)
	}
	return eventFile, recording
}

func TestPictureShowsTurnsGapsAndTheInterruption(t *testing.T) {
	t.Parallel()
	events, recording := recorded(t, call, [2][][2]float64{{{1, 2}, {4, 5}, {8, 8.5}}, {{2.5, 3}, {3.3, 4.1}, {5.75, 7}}})
	path := filepath.Join(t.TempDir(), "call.svg")
	if err := writePicture(path, events, recording); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	inText := false
	d := xml.NewDecoder(strings.NewReader(string(raw)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, raw)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText && strings.TrimSpace(string(token)) != "" {
				texts = append(texts, string(token))
			}
		}
	}
	want := []string{
		"The recording of a call of make demo, seconds 1 to 10, and what the call's events say about it", "caller", "agent",
		"500 ms", "750 ms", "interrupted: the agent is", "silent after 100 ms",
		"“when are you open”", "“is there parking”", "“bye”", "From nine", "not heard: until <ten>.", "Yes & no.",
		"2 s", "4 s", "6 s", "8 s",
	}
	if d := cmp.Diff(want, texts); d != "" {
		t.Errorf("texts (-want +got):\n%s", d)
	}
	for _, rule := range []string{"prefers-color-scheme: dark", `class="page"`} {
		if !strings.Contains(string(raw), rule) {
			t.Errorf("without %q it cannot be read on every page", rule)
		}
	}
}

func TestSceneMeasuresTheRecording(t *testing.T) {
	t.Parallel()
	pcm := make([]int16, 8000)
	for _, at := range []int{800, 1600, 7600} {
		pcm[at] = audible
	}
	got := stretches(pcm, 8000)
	want := []stretch{{100 * time.Millisecond, 200 * time.Millisecond}, {950 * time.Millisecond, 950 * time.Millisecond}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(stretch{})); d != "" {
		t.Errorf("stretches (-want +got):\n%s", d)
	}
}

func TestPictureNeedsAnInterruption(t *testing.T) {
	t.Parallel()
	events, recording := recorded(t, strings.ReplaceAll(call, `"interrupted":true`, `"interrupted":false`),
		[2][][2]float64{{{1, 2}, {4, 5}}, {{2.5, 4.1}}})
	path := filepath.Join(t.TempDir(), "call.svg")
	if err := writePicture(path, events, recording); err == nil || !strings.Contains(err.Error(), "nobody interrupts") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a picture is written")
	}
}

func TestRunSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	if err := run([]string{"picture"}); err == nil || err.Error() != usage {
		t.Errorf("error %v, want the usage", err)
	}
}
