package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
)

// pictureFile is the picture in README.md.
const pictureFile = "docs/call.svg"

// writePicture draws the call of the events and the recording.
func writePicture(path, events, recording string) error {
	told, err := readEvents(events)
	if err != nil {
		return err
	}
	f, err := os.Open(recording)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	pcm, format, err := audio.ReadWAV(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", recording, err)
	}
	if format.Channels != 2 {
		return fmt.Errorf("%s has %d channels, want the caller's and the agent's", recording, format.Channels)
	}
	s, err := newScene(told, pcm, format.Rate)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(s.svg()), 0o644)
}

// readEvents reads what `sidetone calls events ID -o json` printed.
func readEvents(path string) ([]client.Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	var events []client.Event
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e client.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		events = append(events, e)
	}
	return events, lines.Err()
}

const (
	// audible is the level from which a sample counts as sound: -40 dBFS.
	audible = 328
	// pauseWithin is how long a pause within one utterance may be.
	pauseWithin = 700 * time.Millisecond
)

// stretch is sound without a long pause in one channel.
type stretch struct{ begin, end time.Duration }

// stretches finds the stretches of sound.
func stretches(pcm []int16, rate int) []stretch {
	var found []stretch
	for i, sample := range pcm {
		if sample < audible && sample > -audible {
			continue
		}
		at := audio.Span(int64(i), rate)
		if n := len(found); n > 0 && at-found[n-1].end <= pauseWithin {
			found[n-1].end = at
			continue
		}
		found = append(found, stretch{at, at})
	}
	return found
}

// turn is an utterance: its place in the recording and its words.
type turn struct {
	stretch
	heard, unheard string
	interrupted    bool
}

// gap is the time from the caller's last sound to the answer.
type gap struct {
	took   time.Duration
	answer time.Duration // when the answer began, in the recording
}

// scene is the part of a call that is drawn: from the caller's turn before the
// interruption to the end.
type scene struct {
	caller, agent []turn
	gaps          []gap
	sound         [2][]int16 // of the caller and the agent
	rate          int
	from, to      time.Duration
	// onset is when the interrupting caller's sound begins, silent when the
	// agent's ends.
	onset, silent time.Duration
}

// newScene puts events and recording together.
func newScene(events []client.Event, pcm []int16, rate int) (*scene, error) {
	s := &scene{rate: rate}
	for i, sample := range pcm {
		s.sound[i%2] = append(s.sound[i%2], sample)
	}
	s.to = audio.Span(int64(len(s.sound[0])), rate)
	heard := [2][]stretch{stretches(s.sound[0], rate), stretches(s.sound[1], rate)}
	s.caller = turns(events, "caller", heard[0])
	s.agent = turns(events, "agent", heard[1])
	s.gaps = gaps(events, heard[1])
	return s, s.cut()
}

// turns gives each utterance the sound that came since the one before.
func turns(events []client.Event, kind string, sound []stretch) []turn {
	var found []turn
	for _, e := range events {
		if e.Type != kind {
			continue
		}
		t := turn{heard: e.Text, interrupted: e.Data["interrupted"] == true}
		if said, ok := e.Data["said"].(string); ok && len(said) > len(e.Text) {
			t.unheard = said[len(e.Text):]
		}
		for len(sound) > 0 && sound[0].begin < time.Duration(e.OffsetMS)*time.Millisecond {
			if t.end == 0 {
				t.begin = sound[0].begin
			}
			t.end, sound = sound[0].end, sound[1:]
		}
		if t.end > 0 {
			found = append(found, t)
		}
	}
	return found
}

// gaps finds the sound of the answers whose gaps the server measured: an answer
// begins when its turn event comes.
func gaps(events []client.Event, agent []stretch) []gap {
	var found []gap
	for _, e := range events {
		ms, ok := e.Data["gap_ms"].(float64)
		if e.Type != "turn" || !ok {
			continue
		}
		for _, s := range agent {
			at := time.Duration(e.OffsetMS) * time.Millisecond
			if off := (s.begin - at).Abs(); off < pauseWithin/2 {
				found = append(found, gap{time.Duration(ms * float64(time.Millisecond)), s.begin})
			}
		}
	}
	return found
}

// lead is what is drawn before the first sound.
const lead = 300 * time.Millisecond

// cut finds the interruption and leaves out what lies before the turn that led to
// it.
func (s *scene) cut() error {
	for _, a := range s.agent {
		if !a.interrupted {
			continue
		}
		for i, c := range s.caller {
			if c.begin < a.begin || c.begin > a.end || i == 0 {
				continue
			}
			s.onset, s.silent = c.begin, a.end
			s.from = max(0, s.caller[i-1].begin-lead)
			return nil
		}
	}
	return errors.New("nobody interrupts the agent in this call")
}
