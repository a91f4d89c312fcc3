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

// Transcript renders the conversation in events, one line each. What the caller
// put in while the agent went on speaking ("mm-hm") stands in brackets.
func Transcript(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		var speaker string
		text := e.Text
		switch e.Kind {
		case EventCaller, EventDigits:
			speaker = "HUMAN"
		case EventIgnored:
			speaker, text = "HUMAN", "["+text+"]"
		case EventAgent:
			speaker = "BOT"
		default:
			continue
		}
		b.WriteString(Line{e.Offset, speaker, text}.String())
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
