package sidetone

import (
	"fmt"
	"strings"
	"time"
)

// Line is one line of a transcript.
type Line struct {
	// Offset is since the answer.
	Offset time.Duration
	// Speaker is BOT or HUMAN.
	Speaker string
	Text    string
}

// String renders the line as clients parse it: "[MM:SS.cc] BOT: text".
func (l Line) String() string {
	c := l.Offset.Milliseconds() / 10
	return fmt.Sprintf("[%02d:%02d.%02d] %s: %s", c/6000, c/100%60, c%100, l.Speaker, l.Text)
}

// Transcript renders the conversation in events, one line each.
func Transcript(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		var speaker string
		switch e.Kind {
		case EventCaller, EventDigits:
			speaker = "HUMAN"
		case EventAgent:
			speaker = "BOT"
		default:
			continue
		}
		b.WriteString(Line{e.Offset, speaker, e.Text}.String())
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
