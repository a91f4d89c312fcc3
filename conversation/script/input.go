package script

import (
	"fmt"

	"github.com/sidetone/sidetone/conversation"
)

// AppendInput appends the text form of in to b. It fails only for an input that
// this package does not know. A key that is no valid character is written as
// U+FFFD.
func AppendInput(b []byte, in conversation.Input) ([]byte, error) {
	who, what := head(in)
	if who == "" {
		return b, fmt.Errorf("input %T has no text form", in)
	}
	f := form{out: b}
	f.word(&who, "")
	f.blank()
	f.word(&what, "")
	f.input(in)
	return f.out, nil
}

// ParseInput reads the text form of an input. Its errors are of type *Error.
func ParseInput(text string) (conversation.Input, error) {
	return parseInput(text, 0)
}

// parseInput reads the input that begins at position at of a line.
func parseInput(line string, at int) (conversation.Input, error) {
	f := form{reading: true, text: line, at: at}
	var who, what string
	f.word(&who, inputNames)
	f.blank()
	f.word(&what, "a second word")
	if f.err != nil {
		return nil, f.err
	}
	in, expected := prototype(who, what)
	if in == nil {
		f.at = at
		f.fail(expected)
		return nil, f.err
	}
	in = f.input(in)
	f.end()
	if f.err != nil {
		return nil, f.err
	}
	return in, nil
}

// head returns the two words that the text form of in begins with.
func head(in conversation.Input) (who, what string) {
	switch in := in.(type) {
	case conversation.MediaStarted:
		return "line", "starts"
	case conversation.Held:
		return "line", "held"
	case conversation.Unheld:
		return "line", "unheld"
	case conversation.Resumed:
		return "line", "resumed"
	case conversation.HungUp:
		return "line", choose(in.Remote, "hungup", "ended")
	case conversation.SpeechStarted:
		return "caller", "speaks"
	case conversation.SpeechEnded:
		return "caller", "quiet"
	case conversation.Digit:
		return "caller", "key"
	case conversation.TurnYielded:
		return "caller", "yields"
	case conversation.TurnEnding:
		return "caller", "ending"
	case conversation.TurnGoesOn:
		return "caller", "continues"
	case conversation.CallerLeaves:
		return "caller", "leaves"
	case conversation.Heard:
		return "heard", choose(in.Flushed, choose(in.Final, "flushed", "flushed-partial"), choose(in.Final, "final", "partial"))
	case conversation.RecogniserLost:
		return "recogniser", "lost"
	case conversation.RecogniserAway:
		return "recogniser", "away"
	case conversation.RecogniserReplaced:
		return "recogniser", "replaced"
	case conversation.Command:
		return "api", in.Verb
	case conversation.TimerFired:
		return "timer", string(in.Name)
	default:
		return agentHead(in)
	}
}

// agentHead is head for what model, tools, voice and playout report.
func agentHead(in conversation.Input) (who, what string) {
	switch in := in.(type) {
	case conversation.ModelText:
		return "model", "text"
	case conversation.ModelWaits:
		return "model", "waits"
	case conversation.ModelCall:
		return "model", "call"
	case conversation.ModelDone:
		return "model", choose(in.Silent, "silent", "done")
	case conversation.ModelFailed:
		return "model", "failed"
	case conversation.Born:
		return "model", "born"
	case conversation.Worded:
		return "model", "worded"
	case conversation.ToolDone:
		return "tool", choose(in.Failed, "failed", "done")
	case conversation.Voiced:
		return "voice", "sound"
	case conversation.VoiceFailed:
		return "voice", "failed"
	case conversation.Audible:
		return "playout", "audible"
	case conversation.Played:
		return "playout", "played"
	case conversation.Stopped:
		return "playout", "stopped"
	default:
		return "", ""
	}
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

const inputNames = "line, caller, heard, recogniser, api, timer, model, tool, voice or playout"

// prototype returns the input that begins with two words, its other members
// zero; or what was expected instead.
func prototype(who, what string) (in conversation.Input, expected string) {
	switch who {
	case "line":
		return lineInput(what)
	case "caller":
		return callerInput(what)
	case "heard":
		return heardInput(what)
	case "recogniser":
		switch what {
		case "away":
			return conversation.RecogniserAway{}, ""
		case "replaced":
			return conversation.RecogniserReplaced{}, ""
		}
		return only(what, "lost", conversation.RecogniserLost{}, "recogniser away, recogniser replaced or recogniser lost")
	case "api":
		return conversation.Command{Verb: what}, ""
	case "timer":
		return conversation.TimerFired{Name: conversation.Timer(what)}, ""
	case "model":
		return modelInput(what)
	case "tool":
		switch what {
		case "done":
			return conversation.ToolDone{}, ""
		case "failed":
			return conversation.ToolDone{Failed: true}, ""
		}
		return nil, "tool done or tool failed"
	case "voice":
		if what == "failed" {
			return conversation.VoiceFailed{}, ""
		}
		return only(what, "sound", conversation.Voiced{}, "voice sound or voice failed")
	case "playout":
		return playoutInput(what)
	default:
		return nil, inputNames
	}
}

func only(what, want string, in conversation.Input, expected string) (conversation.Input, string) {
	if what == want {
		return in, ""
	}
	return nil, expected
}

func lineInput(what string) (conversation.Input, string) {
	switch what {
	case "starts":
		return conversation.MediaStarted{}, ""
	case "held":
		return conversation.Held{}, ""
	case "unheld":
		return conversation.Unheld{}, ""
	case "resumed":
		return conversation.Resumed{}, ""
	case "hungup":
		return conversation.HungUp{Remote: true}, ""
	case "ended":
		return conversation.HungUp{}, ""
	default:
		return nil, "line starts, line held, line unheld, line resumed, line hungup or line ended"
	}
}

func callerInput(what string) (conversation.Input, string) {
	switch what {
	case "speaks":
		return conversation.SpeechStarted{}, ""
	case "quiet":
		return conversation.SpeechEnded{}, ""
	case "key":
		return conversation.Digit{}, ""
	case "yields":
		return conversation.TurnYielded{}, ""
	case "ending":
		return conversation.TurnEnding{}, ""
	case "continues":
		return conversation.TurnGoesOn{}, ""
	case "leaves":
		return conversation.CallerLeaves{}, ""
	default:
		return nil, "caller speaks, caller quiet, caller key, caller yields, caller ending, caller continues or caller leaves"
	}
}

func heardInput(what string) (conversation.Input, string) {
	switch what {
	case "partial":
		return conversation.Heard{}, ""
	case "final":
		return conversation.Heard{Final: true}, ""
	case "flushed":
		return conversation.Heard{Final: true, Flushed: true}, ""
	case "flushed-partial":
		return conversation.Heard{Flushed: true}, ""
	default:
		return nil, "heard partial, heard final, heard flushed or heard flushed-partial"
	}
}

func modelInput(what string) (conversation.Input, string) {
	switch what {
	case "text":
		return conversation.ModelText{}, ""
	case "waits":
		return conversation.ModelWaits{}, ""
	case "call":
		return conversation.ModelCall{}, ""
	case "done":
		return conversation.ModelDone{}, ""
	case "silent":
		return conversation.ModelDone{Silent: true}, ""
	case "failed":
		return conversation.ModelFailed{}, ""
	case "born":
		return conversation.Born{}, ""
	case "worded":
		return conversation.Worded{}, ""
	default:
		return nil, "model text, model waits, model call, model done, model silent, model failed, model born or model worded"
	}
}

func playoutInput(what string) (conversation.Input, string) {
	switch what {
	case "audible":
		return conversation.Audible{}, ""
	case "played":
		return conversation.Played{}, ""
	case "stopped":
		return conversation.Stopped{}, ""
	default:
		return nil, "playout audible, playout played or playout stopped"
	}
}

// input writes or reads the members behind the two words.
func (f *form) input(in conversation.Input) conversation.Input {
	switch in := in.(type) {
	case conversation.HungUp:
		f.someWord(" ", &in.Reason, "a reason")
		return in
	case conversation.Resumed:
		f.named(" until=", &in.Until, false)
		return in
	case conversation.SpeechStarted:
		f.named(" ago=", &in.Ago, false)
		return in
	case conversation.SpeechEnded:
		f.named(" ago=", &in.Ago, false)
		f.named(" length=", &in.Length, false)
		return in
	case conversation.Digit:
		f.key(&in.Key)
		f.someNumber(" ref=", &in.Ref)
		return in
	case conversation.Heard:
		f.someText(&in.Text)
		f.named(" ago=", &in.Ago, true)
		return in
	case conversation.RecogniserLost:
		f.someText(&in.Reason)
		return in
	case conversation.RecogniserReplaced:
		f.named(" final=", &in.FinalWait, true)
		f.named(" first=", &in.FirstTextWait, true)
		return in
	case conversation.Command:
		f.someText(&in.Text)
		return in
	case conversation.TimerFired:
		f.someNumber(" epoch=", &in.Epoch)
		return in
	case conversation.ToolDone:
		f.blank()
		f.word(&in.ID, "the call's id")
		f.someText(&in.Result)
		f.someQuoted(" says ", &in.Say)
		f.flag("unknown", &in.Unknown)
		f.flag("misused", &in.Misused)
		return in
	default:
		return f.agentInput(in)
	}
}

// agentInput is input for what model, voice and playout report.
func (f *form) agentInput(in conversation.Input) conversation.Input {
	switch in := in.(type) {
	case conversation.ModelText:
		f.id(&in.Gen, "a generation")
		f.blank()
		f.quoted(&in.Text)
		f.flag("protected", &in.Protected)
		f.named(" held=", &in.Held, true)
		return in
	case conversation.ModelCall:
		f.id(&in.Gen, "a generation")
		f.tool(&in.ID, &in.Name, &in.Args)
		f.flag("unoffered", &in.Unoffered)
		return in
	case conversation.ModelDone:
		f.id(&in.Gen, "a generation")
		return in
	case conversation.ModelFailed:
		f.id(&in.Gen, "a generation")
		f.someText(&in.Reason)
		f.flag("hopeless", &in.Hopeless)
		return in
	case conversation.Born:
		f.id(&in.Utt, "an utterance")
		return in
	case conversation.Worded:
		f.id(&in.Utt, "an utterance")
		f.someText(&in.Text)
		f.flag("done", &in.Done)
		return in
	case conversation.Voiced:
		f.sound(&in)
		return in
	case conversation.VoiceFailed:
		f.id(&in.Utt, "an utterance")
		f.someText(&in.Reason)
		f.flag("hopeless", &in.Hopeless)
		return in
	case conversation.Audible:
		f.id(&in.Utt, "an utterance")
		return in
	case conversation.Played:
		f.id(&in.Utt, "an utterance")
		return in
	case conversation.Stopped:
		f.id(&in.Utt, "an utterance")
		f.named(" ", &in.At, false)
		return in
	default:
		return in
	}
}

// id is the number of a generation or utterance.
func (f *form) id(p *uint64, what string) {
	f.blank()
	f.number(p, "the number of "+what)
	if f.reading {
		f.boundary()
	}
}

// tool is a tool call: id, name and arguments.
func (f *form) tool(id, name, args *string) {
	f.blank()
	f.word(id, "the call's id")
	f.blank()
	f.word(name, "the tool's name")
	f.blank()
	f.word(args, "the tool's arguments")
}

func (f *form) key(p *rune) {
	key := string(*p)
	f.blank()
	start := f.at
	f.word(&key, "a key")
	if !f.reading || f.err != nil {
		return
	}
	runes := []rune(key)
	if len(runes) != 1 {
		f.at = start
		f.fail("a single key")
		return
	}
	*p = runes[0]
}

func (f *form) sound(v *conversation.Voiced) {
	f.id(&v.Utt, "an utterance")
	f.named(" ", &v.Total, false)
	f.flag("done", &v.Done)
	if !f.reading {
		for i := range v.Words {
			f.spoken(&v.Words[i])
		}
		return
	}
	for f.err == nil && f.at < len(f.text) {
		var w conversation.Word
		f.spoken(&w)
		v.Words = append(v.Words, w)
	}
}

// spoken is a word of an utterance: where it is in the text, and in the sound.
func (f *form) spoken(w *conversation.Word) {
	f.blank()
	f.integer(&w.Start)
	f.literal(":", false)
	f.integer(&w.End)
	f.literal("@", false)
	f.seconds(&w.From)
	f.literal(":", false)
	f.seconds(&w.To)
}
