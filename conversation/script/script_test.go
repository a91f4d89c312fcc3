package script_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/script"
)

func inputs() []conversation.Input {
	return []conversation.Input{
		conversation.MediaStarted{}, conversation.SpeechStarted{}, conversation.SpeechEnded{}, conversation.Heard{},
		conversation.TurnYielded{}, conversation.CallerLeaves{}, conversation.Digit{}, conversation.ModelText{}, conversation.ModelWaits{},
		conversation.ModelCall{}, conversation.ModelDone{}, conversation.ModelFailed{}, conversation.Voiced{},
		conversation.VoiceFailed{}, conversation.Audible{}, conversation.Played{}, conversation.Stopped{}, conversation.Held{},
		conversation.Unheld{}, conversation.HungUp{}, conversation.Command{}, conversation.ToolDone{},
		conversation.RecogniserLost{}, conversation.RecogniserAway{}, conversation.TimerFired{}, conversation.TurnEnding{}, conversation.TurnGoesOn{},
		conversation.RecogniserReplaced{}, conversation.Resumed{}, conversation.Born{}, conversation.Worded{},
	}
}

func outputs() []conversation.Output {
	return []conversation.Output{
		conversation.AskModel{}, conversation.CancelModel{}, conversation.Say{}, conversation.Unsay{},
		conversation.PausePlayout{}, conversation.ResumePlayout{}, conversation.StopPlayout{}, conversation.FinalizeSpeech{},
		conversation.ResetDetector{}, conversation.Arm{}, conversation.Disarm{}, conversation.RunTool{}, conversation.Hangup{},
		conversation.Note{}, conversation.Cover{}, conversation.Uncover{}, conversation.Collected{},
	}
}

// The lists above, which the tests below go through, are complete: a type that is
// added to package conversation is added here, and then needs a text form.
func TestEveryTypeIsTested(t *testing.T) {
	t.Parallel()
	for method, tested := range map[string][]string{"input": names(inputs()), "output": names(outputs())} {
		if diff := cmp.Diff(receivers(t, method), tested); diff != "" {
			t.Errorf("types with the method %s (-conversation +this test):\n%s", method, diff)
		}
	}
}

func names[T any](values []T) (out []string) {
	for _, v := range values {
		out = append(out, reflect.TypeOf(v).Name())
	}
	slices.Sort(out)
	return out
}

// receivers returns the types of package conversation that have a method.
func receivers(t *testing.T, method string) (out []string) {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
				out = append(out, f.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Every input and output is read back as it was written, whatever its members
// are; a member that is added to a type needs a place in its text form.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, in := range inputs() {
		t.Run(reflect.TypeOf(in).Name(), func(t *testing.T) {
			t.Parallel()
			roundTrip(t, in, script.AppendInput, script.ParseInput)
		})
	}
	for _, out := range outputs() {
		t.Run(reflect.TypeOf(out).Name(), func(t *testing.T) {
			t.Parallel()
			roundTrip(t, out, script.AppendOutput, script.ParseOutput)
		})
	}
}

func roundTrip[T any](t *testing.T, sample T, write func([]byte, T) ([]byte, error), read func(string) (T, error)) {
	t.Helper()
	one := func(v T) string {
		text, err := write([]byte("before "), v)
		if err != nil {
			return err.Error()
		}
		got, err := read(strings.TrimPrefix(string(text), "before "))
		if err != nil {
			return string(text) + ": " + err.Error()
		}
		return cmp.Diff(v, got, cmpopts.EquateEmpty())
	}
	if diff := one(sample); diff != "" {
		t.Errorf("the zero value: %s", diff)
	}
	rapid.Check(t, func(r *rapid.T) {
		v := reflect.New(reflect.TypeOf(sample)).Elem()
		fill(r, v)
		if diff := one(v.Interface().(T)); diff != "" {
			r.Fatalf("%#v is read back differently:\n%s", v.Interface(), diff)
		}
	})
}

// fill gives v and all its members random values.
func fill(r *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case conversation.NoteKind:
		kinds := []string{"agent", "caller", "turn", "", "a new one"}
		v.SetString(rapid.SampledFrom(kinds).Draw(r, "kind"))
		return
	case conversation.Figure:
		v.SetString(string(rapid.SampledFrom(conversation.Figures()).Draw(r, "figure")))
		return
	case rune:
		v.SetInt(int64(rapid.Rune().Draw(r, "rune")))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(r, "bool"))
	case reflect.String:
		v.SetString(text().Draw(r, "text"))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(r, "number"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(r, "number"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(r, "length"), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 3).Draw(r, "length") {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key)
			fill(r, value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		r.Fatalf("%v: this test cannot fill a %v", v.Type(), v.Kind())
	}
}

// text returns texts that look like syntax, and any bytes.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", " ", "\n", `"`, `\`, `\n`, "done", "ago=0.100", "#", "{}", " for x", "a\n    user \"b\"", "\x00", "\xff", "é", "\u2028"}),
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func TestForms(t *testing.T) {
	t.Parallel()
	for text, in := range map[string]conversation.Input{
		"line starts":                          conversation.MediaStarted{},
		"line resumed until=4.210":             conversation.Resumed{Until: 4210 * time.Millisecond},
		"line hungup normal":                   conversation.HungUp{Remote: true, Reason: "normal"},
		`line ended "timed out"`:               conversation.HungUp{Reason: "timed out"},
		"caller speaks ago=0.080":              conversation.SpeechStarted{Ago: 80 * time.Millisecond},
		"caller quiet ago=0.200 length=1.0005": conversation.SpeechEnded{Ago: 200 * time.Millisecond, Length: 1000500 * time.Microsecond},
		"caller key #":                         conversation.Digit{Key: '#'},
		`heard flushed "a \"b\"\n"`:            conversation.Heard{Text: "a \"b\"\n", Final: true, Flushed: true},
		"heard partial ago=-0.000000001":       conversation.Heard{Ago: -1},
		`model call 1 c1 lookup "{\"a\":1}"`:   conversation.ModelCall{Gen: 1, ID: "c1", Name: "lookup", Args: `{"a":1}`},
		`model call 1 c1 lookup {}`:            conversation.ModelCall{Gen: 1, ID: "c1", Name: "lookup", Args: `{}`},
		`tool done c1 "{}" says "All set."`:    conversation.ToolDone{ID: "c1", Result: "{}", Say: "All set."},
		"tool failed c1 misused":               conversation.ToolDone{ID: "c1", Failed: true, Misused: true},
		"tool failed c1 unknown":               conversation.ToolDone{ID: "c1", Failed: true, Unknown: true},
		"voice sound 1 2.000":                  conversation.Voiced{Utt: 1, Total: 2 * time.Second},
		"voice sound 1 2.000 done 0:5@0.000:0.480": conversation.Voiced{Utt: 1, Total: 2 * time.Second, Done: true,
			Words: []conversation.Word{{Start: 0, End: 5, From: 0, To: 480 * time.Millisecond}}},
		"timer endpoint epoch=7": conversation.TimerFired{Name: "endpoint", Epoch: 7},
		`api say "Hello."`:       conversation.Command{Verb: "say", Text: "Hello."},
	} {
		same(t, text, in, script.AppendInput, script.ParseInput)
	}
	for text, out := range map[string]conversation.Output{
		`Say 2 gen=1 "Hello." cached ahead of 1`: conversation.Say{Utt: 2, Gen: 1, Text: "Hello.", Cached: true, Ahead: 1},
		"AskModel 2 no-tools\n    user \"a\"\n    assistant \"b\" interrupted calls c1 lookup calls c2 book \"[]\"\n    tool \"c\" for c1": conversation.AskModel{
			Gen: 2, NoTools: true, Messages: []conversation.Message{
				{Role: conversation.User, Text: "a"},
				{Role: conversation.Assistant, Text: "b", Interrupted: true, Calls: []conversation.ToolCall{
					{ID: "c1", Name: "lookup", Args: "{}"}, {ID: "c2", Name: "book", Args: "[]"}}},
				{Role: conversation.ToolRole, Text: "c", CallID: "c1"},
			}},
		`Note agent "a"`:                      conversation.Note{Kind: conversation.NoteAgent, Text: "a", Said: "a"},
		`Note agent "a" of "a b" interrupted`: conversation.Note{Kind: conversation.NoteAgent, Text: "a", Said: "a b", Interrupted: true},
		`Note action "a"`:                     conversation.Note{Kind: conversation.NoteAction, Text: "a"},
		`Note turn "fixed" wait_ms=500 gap_ms=710.25`: conversation.Note{Kind: conversation.NoteTurn, Text: "fixed",
			Figures: map[conversation.Figure]time.Duration{conversation.FigureWait: 500 * time.Millisecond, conversation.FigureGap: 710250 * time.Microsecond}},
	} {
		same(t, text, out, script.AppendOutput, script.ParseOutput)
	}
}

func same[T any](t *testing.T, text string, want T, write func([]byte, T) ([]byte, error), read func(string) (T, error)) {
	t.Helper()
	if got, err := read(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is read as %#v, %v; want %#v", text, got, err, want)
	}
	if got, err := write(nil, want); err != nil || string(got) != text {
		t.Errorf("%#v is written as %s, %v; want %s", want, got, err, text)
	}
}

func TestInputErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "line 1, column 1: expected line, caller, heard, recogniser, api, timer, model, tool, voice or playout, found the end",
		"agent speaks":                          `line 1, column 1: expected line, caller, heard, recogniser, api, timer, model, tool, voice or playout, found "agent"`,
		"caller":                                "line 1, column 7: expected a blank, found the end",
		"caller sings":                          `line 1, column 1: expected caller speaks, caller quiet, caller key, caller yields, caller ending, caller continues or caller leaves, found "caller"`,
		"caller speaks":                         `line 1, column 14: expected "ago=", found the end`,
		"caller speaks length=1":                `line 1, column 15: expected "ago=", found "length=1"`,
		"caller speaks ago=soon":                `line 1, column 19: expected a duration in seconds, found "soon"`,
		"caller speaks ago=99999999999.0":       `line 1, column 19: expected a duration in seconds, found "99999999999.0"`,
		"caller speaks ago=0.0000000001":        `line 1, column 19: expected a duration in seconds, found "0.0000000001"`,
		"caller speaks ago=0.1s":                `line 1, column 22: expected a blank, found "s"`,
		"caller key 12":                         `line 1, column 12: expected a single key, found "12"`,
		"line starts now":                       `line 1, column 13: expected the end, found "now"`,
		`heard final hello`:                     `line 1, column 13: expected a text in quotes or "ago=" or the end, found "hello"`,
		`heard final "é" now`:                   `line 1, column 17: expected "ago=" or the end, found "now"`,
		`heard final "hello`:                    `line 1, column 13: expected a text in double quotes with the escapes of Go, found "\"hello"`,
		`heard final "\q"`:                      `line 1, column 13: expected a text in double quotes with the escapes of Go, found "\"\\q\""`,
		"model text 18446744073709551616 \"a\"": `line 1, column 12: expected the number of a generation, found "18446744073709551616"`,
		"model text one":                        `line 1, column 12: expected the number of a generation, found "one"`,
		"model text 1 one":                      `line 1, column 14: expected a text in double quotes, found "one"`,
		"voice sound 1 2.0 0:5@0.0":             `line 1, column 26: expected ":", found the end`,
		"voice sound 1 2.0 9223372036854775808:5@0.0:1.0": `line 1, column 19: expected a number, found "9223372036854775808:5@0."`,
	} {
		in, err := script.ParseInput(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %#v, error %v\nwant %s", text, in, err, want)
		}
	}
}

func TestOutputErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Shout 1":                                `line 1, column 1: expected the name of an output, found "Shout"`,
		"Say 1 \"a\"":                            `line 1, column 7: expected "gen=", found "\"a\""`,
		"Say 1 gen=1 \"a\" warm":                 `line 1, column 17: expected "cached" or "ahead of" or the end, found "warm"`,
		"AskModel 1\n    user \"a\"\n    user b": `line 3, column 10: expected a text in double quotes, found "b"`,
		"AskModel 1\nuser":                       `line 1, column 11: expected "hedge" or "continue" or "no-tools" or a message on the next line or the end, found the end of the line`,
		"Note turn wait_ms=":                     `line 1, column 19: expected a duration in milliseconds, found the end`,
	} {
		out, err := script.ParseOutput(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %#v, error %v\nwant %s", text, out, err, want)
		}
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	want := []script.Entry{
		{At: 0, In: conversation.MediaStarted{}},
		{At: 2200001 * time.Microsecond, In: conversation.Heard{Text: "two\nlines", Final: true}},
		{At: 2200001 * time.Microsecond, In: conversation.HungUp{Remote: true}},
	}
	var b []byte
	for _, e := range want {
		e.At += 999 // nanoseconds, which a journal does not have
		var err error
		if b, err = script.AppendEntry(b, e); err != nil {
			t.Fatal(err)
		}
	}
	const text = "0 line starts\n2200001 heard final \"two\\nlines\"\n2200001 line hungup\n"
	if string(b) != text {
		t.Errorf("journal:\n%s\nwant:\n%s", b, text)
	}
	var got []script.Entry
	for e, err := range script.ReadJournal(bytes.NewReader(b)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
	if b, err := script.AppendEntry([]byte("x"), script.Entry{At: -1, In: conversation.Held{}}); err == nil || string(b) != "x" {
		t.Errorf("a time before the call: %q, %v", b, err)
	}
}

func TestJournalErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0 line starts\n\n":                    "line 2, column 1: expected a time in microseconds, found the end",
		"0 line starts\n0.5 line held\n":       `line 2, column 2: expected a blank, found ".5"`,
		"-1 line starts\n":                     `line 1, column 1: expected a time in microseconds, found "-1"`,
		"9223372036854776 line starts\n":       `line 1, column 1: expected a time in microseconds, found "9223372036854776"`,
		"5 line starts\n6 line held\n5 x y\n":  `line 3, column 1: expected a time of at least 6, found "5"`,
		"5 line starts\n6 line helt\n7 line x": `line 2, column 3: expected line starts, line held, line unheld, line resumed, line hungup or line ended, found "line"`,
		"5 line starts\n6 line held":           "read journal: unexpected EOF",
	} {
		var last error
		n := 0
		for _, err := range script.ReadJournal(strings.NewReader(text)) {
			if last != nil {
				t.Errorf("%q: goes on after its error", text)
			}
			last = err
			n++
		}
		if last == nil || last.Error() != want {
			t.Errorf("%q: %d entries, error %v\nwant %s", text, n, last, want)
		}
	}
}

func FuzzParseInput(f *testing.F) {
	for _, in := range inputs() {
		b, err := script.AppendInput(nil, in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(`voice sound 1 2.000 done 0:5@0.000:0.480 6:9@0.480:0.700`)
	f.Add(`heard flushed "a \"b\"\n\xff" ago=-0.1`)
	f.Fuzz(func(t *testing.T, text string) { readTwice(t, text, script.AppendInput, script.ParseInput) })
}

func FuzzParseOutput(f *testing.F) {
	for _, out := range outputs() {
		b, err := script.AppendOutput(nil, out)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("AskModel 2\n    assistant \"a\" calls c1 lookup \"[]\" for c2")
	f.Add(`Note agent "a" of "b" wait_ms=1.5`)
	f.Fuzz(func(t *testing.T, text string) { readTwice(t, text, script.AppendOutput, script.ParseOutput) })
}

// readTwice checks that what text means is written as something that means the
// same.
func readTwice[T any](t *testing.T, text string, write func([]byte, T) ([]byte, error), read func(string) (T, error)) {
	v, err := read(text)
	if err != nil {
		return
	}
	again, err := write(nil, v)
	if err != nil {
		t.Fatalf("%q is read as %#v, which is not written: %v", text, v, err)
	}
	w, err := read(string(again))
	if err != nil || !reflect.DeepEqual(v, w) {
		t.Errorf("%q is read as %#v, written as %q and read as %#v, %v", text, v, again, w, err)
	}
}

func FuzzReadJournal(f *testing.F) {
	f.Add("0 line starts\n2200000 heard final \"two\\nlines\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		var b []byte
		for e, err := range script.ReadJournal(strings.NewReader(text)) {
			if err != nil {
				return
			}
			if b, err = script.AppendEntry(b, e); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Count(text, "\n") != bytes.Count(b, []byte("\n")) {
			t.Errorf("%q is written as %q", text, b)
		}
	})
}

func BenchmarkAppendEntry(b *testing.B) {
	e := sample()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = script.AppendEntry(buf[:0], e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadJournal(b *testing.B) {
	line, err := script.AppendEntry(nil, sample())
	if err != nil {
		b.Fatal(err)
	}
	journal := bytes.Repeat(line, 1000)
	b.SetBytes(int64(len(journal)))
	for b.Loop() {
		for _, err := range script.ReadJournal(bytes.NewReader(journal)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// sample is one of the longer inputs of a call.
func sample() script.Entry {
	v := conversation.Voiced{Utt: 12, Total: 1500 * time.Millisecond, Done: true}
	for i := range 6 {
		v.Words = append(v.Words, conversation.Word{Start: 5 * i, End: 5*i + 4, From: time.Duration(i) * 250 * time.Millisecond, To: time.Duration(i+1) * 250 * time.Millisecond})
	}
	return script.Entry{At: 61234567 * time.Microsecond, In: v}
}
