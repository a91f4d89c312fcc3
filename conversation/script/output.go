package script

import (
	"fmt"
	"strings"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// AppendOutput appends the text form of out to b. It fails only for an output
// that this package does not know. AskModel has a line of its own for each
// message, all other outputs have one line.
func AppendOutput(b []byte, out conversation.Output) ([]byte, error) {
	name := outputName(out)
	if name == "" {
		return b, fmt.Errorf("output %T has no text form", out)
	}
	f := form{out: append(b, name...)}
	f.output(out)
	return f.out, nil
}

// ParseOutput reads the text form of an output. Its errors are of type *Error.
func ParseOutput(text string) (conversation.Output, error) {
	f := form{reading: true, text: text}
	name := text
	if i := strings.IndexAny(text, " \n"); i >= 0 {
		name = text[:i]
	}
	out := newOutput(name)
	if out == nil {
		f.fail("the name of an output")
		return nil, f.err
	}
	f.advance(len(name))
	out = f.output(out)
	f.end()
	if f.err != nil {
		return nil, f.err
	}
	return out, nil
}

// outputs returns a zero value of each output.
func outputs() []conversation.Output {
	return []conversation.Output{
		conversation.AskModel{}, conversation.CancelModel{}, conversation.Say{}, conversation.Unsay{},
		conversation.PausePlayout{}, conversation.ResumePlayout{}, conversation.StopPlayout{}, conversation.FinalizeSpeech{},
		conversation.ResetDetector{}, conversation.Arm{}, conversation.Disarm{}, conversation.RunTool{}, conversation.Hangup{},
		conversation.Note{}, conversation.Cover{}, conversation.Uncover{}, conversation.Collected{},
	}
}

func newOutput(name string) conversation.Output {
	for _, o := range outputs() {
		if outputName(o) == name {
			return o
		}
	}
	return nil
}

// outputName returns the word that the text form of out begins with.
func outputName(out conversation.Output) string {
	switch out.(type) {
	case conversation.AskModel:
		return "AskModel"
	case conversation.CancelModel:
		return "CancelModel"
	case conversation.Say:
		return "Say"
	case conversation.Unsay:
		return "Unsay"
	case conversation.PausePlayout:
		return "PausePlayout"
	case conversation.ResumePlayout:
		return "ResumePlayout"
	case conversation.StopPlayout:
		return "StopPlayout"
	case conversation.FinalizeSpeech:
		return "FinalizeSpeech"
	case conversation.ResetDetector:
		return "ResetDetector"
	case conversation.Arm:
		return "Arm"
	case conversation.Disarm:
		return "Disarm"
	case conversation.RunTool:
		return "RunTool"
	case conversation.Hangup:
		return "Hangup"
	case conversation.Note:
		return "Note"
	case conversation.Cover:
		return "Cover"
	case conversation.Uncover:
		return "Uncover"
	case conversation.Collected:
		return "Collected"
	default:
		return ""
	}
}

// output writes or reads the members behind the name.
func (f *form) output(out conversation.Output) conversation.Output {
	switch out := out.(type) {
	case conversation.AskModel:
		f.askModel(&out)
		return out
	case conversation.CancelModel:
		f.id(&out.Gen, "a generation")
		return out
	case conversation.Say:
		f.say(&out)
		return out
	case conversation.Unsay:
		f.id(&out.Utt, "an utterance")
		return out
	case conversation.ResumePlayout:
		f.id(&out.Utt, "an utterance")
		f.named(" from ", &out.At, false)
		return out
	case conversation.Arm:
		f.timer(&out.Name)
		f.named(" at ", &out.At, false)
		f.someNumber(" epoch=", &out.Epoch)
		return out
	case conversation.Disarm:
		f.timer(&out.Name)
		return out
	case conversation.RunTool:
		f.tool(&out.ID, &out.Name, &out.Args)
		f.flag("unoffered", &out.Unoffered)
		return out
	case conversation.Collected:
		f.blank()
		f.word(&out.Field, "a field's name")
		f.someText(&out.Digits)
		return out
	case conversation.Hangup:
		f.blank()
		f.word(&out.Reason, "a reason")
		f.someText(&out.Cause)
		return out
	case conversation.Note:
		f.note(&out)
		return out
	default:
		return out
	}
}

func (f *form) timer(p *conversation.Timer) {
	f.blank()
	f.word((*string)(p), "a timer's name")
}

func (f *form) say(v *conversation.Say) {
	f.id(&v.Utt, "an utterance")
	f.literal(" gen=", false)
	f.number(&v.Gen, "the number of a generation")
	f.blank()
	f.quoted(&v.Text)
	f.flag("cached", &v.Cached)
	f.someNumber(" ahead of ", &v.Ahead)
}

func (f *form) askModel(v *conversation.AskModel) {
	f.id(&v.Gen, "a generation")
	f.flag("hedge", &v.Hedge)
	f.flag("continue", &v.Continue)
	f.flag("no-tools", &v.NoTools)
	if !f.reading {
		for i := range v.Messages {
			f.literal(messageIndent, false)
			f.message(&v.Messages[i])
		}
		return
	}
	for f.present(messageIndent, false) {
		var m conversation.Message
		f.message(&m)
		v.Messages = append(v.Messages, m)
	}
}

const messageIndent = "\n    "

func (f *form) message(m *conversation.Message) {
	f.word((*string)(&m.Role), "user, assistant or tool")
	f.blank()
	f.quoted(&m.Text)
	f.flag("interrupted", &m.Interrupted)
	f.named(" after=", &m.HeardFor, true)
	if !f.reading {
		for i := range m.Calls {
			f.literal(" calls", false)
			f.called(&m.Calls[i])
		}
	}
	for f.reading && f.present(" calls", false) {
		var c conversation.ToolCall
		f.called(&c)
		m.Calls = append(m.Calls, c)
	}
	f.someWord(" for ", &m.CallID, "the call's id")
}

// noArgs are the arguments of a call that has none. A message leaves them out.
const noArgs = "{}"

// called is a tool call of a message.
func (f *form) called(c *conversation.ToolCall) {
	f.blank()
	f.word(&c.ID, "the call's id")
	f.blank()
	f.word(&c.Name, "the tool's name")
	if f.reading {
		c.Args = noArgs
	}
	if f.reading && strings.HasPrefix(f.rest(), ` "`) || !f.reading && c.Args != noArgs {
		f.blank()
		f.quoted(&c.Args)
	}
}

func (f *form) note(v *conversation.Note) {
	f.blank()
	f.word((*string)(&v.Kind), "the kind of a note")
	f.someText(&v.Text)
	implied := ""
	if v.Kind == conversation.NoteAgent {
		implied = v.Text // mostly all of it was heard
	}
	if f.reading {
		v.Said = implied
	}
	if f.present(" of ", v.Said != implied) {
		f.quoted(&v.Said)
	}
	f.flag("interrupted", &v.Interrupted)
	f.flag("continues", &v.Continues)
	for _, name := range conversation.Figures() {
		f.figure(v, name)
	}
}

// figure is a measured time, in milliseconds.
func (f *form) figure(v *conversation.Note, name conversation.Figure) {
	d, ok := v.Figures[name]
	if !f.present(" "+string(name)+"_ms=", ok) {
		return
	}
	f.millis(&d)
	if !f.reading || !f.boundary() {
		return
	}
	if v.Figures == nil {
		v.Figures = map[conversation.Figure]time.Duration{}
	}
	v.Figures[name] = d
}
