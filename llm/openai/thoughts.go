package openai

import "strings"

// What models on servers of one's own put around their thoughts, such as Qwen's and
// DeepSeek's where the server does not take them out as reasoning_content.
const (
	opening = "<think>"
	closing = "</think>"
)

// thoughts takes what a model thinks out of what it says, while it comes. Of thoughts
// without an opening mark, which some servers send, only the closing mark is taken out:
// they are told apart from an answer too late.
type thoughts struct {
	inside bool
	held   string // may be the beginning of a mark
}

// said returns what is to be said of the next piece.
func (t *thoughts) said(piece string) string {
	t.held += piece
	var out strings.Builder
	for {
		at, mark := t.mark()
		if at < 0 {
			break
		}
		if !t.inside {
			out.WriteString(t.held[:at])
		}
		t.held, t.inside = t.held[at+len(mark):], mark == opening
	}
	whole := len(t.held) - begun(t.held)
	if !t.inside {
		out.WriteString(t.held[:whole])
	}
	t.held = t.held[whole:]
	return out.String()
}

// rest returns what is left when nothing more comes.
func (t *thoughts) rest() string {
	if t.inside {
		return ""
	}
	return t.held
}

// mark returns the first mark that counts and where it is, -1 for none. Within thoughts
// an opening one does not.
func (t *thoughts) mark() (at int, mark string) {
	at, mark = strings.Index(t.held, closing), closing
	if i := strings.Index(t.held, opening); !t.inside && i >= 0 && (at < 0 || i < at) {
		return i, opening
	}
	return at, mark
}

// begun is how many bytes at the end of a text may be the beginning of a mark.
func begun(text string) int {
	i := strings.LastIndexByte(text, '<')
	if i < 0 || !strings.HasPrefix(opening, text[i:]) && !strings.HasPrefix(closing, text[i:]) {
		return 0
	}
	return len(text) - i
}
