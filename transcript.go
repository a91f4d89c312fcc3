package sidetone

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Line is one line of a transcript.
type Line struct {
	// Offset is since the answer.
	Offset time.Duration
	// Speaker is BOT or HUMAN, or BOT_ACTION_START and BOT_ACTION_FINISH for what
	// the agent did besides talking.
	Speaker string
	Text    string
}

// String renders the line as clients parse it: "[MM:SS.cc] BOT: text".
func (l Line) String() string {
	c := l.Offset.Milliseconds() / 10
	return fmt.Sprintf("[%02d:%02d.%02d] %s: %s", c/6000, c/100%60, c%100, l.Speaker, l.Text)
}

// Transcript renders the conversation in events: a line for what was said or
// keyed, two for an action. What the caller put in while the agent went on
// speaking ("mm-hm") stands in brackets.
func Transcript(events []Event) string {
	var lines []string
	for _, e := range events {
		for _, l := range linesOf(e) {
			lines = append(lines, l.String())
		}
	}
	return strings.Join(lines, "\n")
}

func linesOf(e Event) []Line {
	switch e.Kind {
	case EventCaller, EventDigits:
		return []Line{{e.Offset, "HUMAN", e.Text}}
	case EventIgnored:
		return []Line{{e.Offset, "HUMAN", "[" + e.Text + "]"}}
	case EventAgent:
		return []Line{{e.Offset, "BOT", e.Text}}
	case EventAction:
		var data struct {
			Said string `json:"said"`
		}
		_ = json.Unmarshal(e.Data, &data) // without data nothing is known of the outcome
		finish := e.Text
		if data.Said != "" {
			finish += ": " + data.Said
		}
		return []Line{{e.Offset, "BOT_ACTION_START", e.Text}, {e.Offset, "BOT_ACTION_FINISH", finish}}
	}
	return nil
}
