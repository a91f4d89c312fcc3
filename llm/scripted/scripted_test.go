package scripted

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
)

func clinic(t testing.TB) (prompt string, book *Playbook) {
	t.Helper()
	file, err := os.ReadFile("testdata/clinic.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, _, ok := Find(string(file))
	if !ok {
		t.Fatal("no playbook in testdata/clinic.txt")
	}
	if book, err = Parse(text); err != nil {
		t.Fatal(err)
	}
	return string(file), book
}

func parse(t *testing.T, text string) *Playbook {
	t.Helper()
	book, err := Parse("playbook: test\n" + text)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func stringsOf(replies []Reply) []string {
	var all []string
	for _, r := range replies {
		text := r.Text
		for _, call := range r.Calls {
			text += " [" + call.Name + string(call.Args) + "]"
		}
		all = append(all, text)
	}
	return all
}

func expect(t *testing.T, book *Playbook, turns ...[2]string) {
	t.Helper()
	var lines, want []string
	for _, turn := range turns {
		lines, want = append(lines, turn[0]), append(want, turn[1])
	}
	if diff := cmp.Diff(want, stringsOf(book.Rehearse(lines...))); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	prompt, book := clinic(t)
	llmtest.Run(t, func(*testing.T) llmtest.Harness {
		with := func(text string) llm.Request {
			return llm.Request{
				Messages: []llm.Message{{Role: llm.System, Text: prompt}, {Role: llm.User, Text: text}},
				Tools:    []llm.Tool{{Name: "end_conversation"}},
			}
		}
		return llmtest.Harness{Driver: New(book, nil), Request: with("when are you open"), CallRequest: with("good bye"), Deterministic: true}
	})
}

func TestClinicCall(t *testing.T) {
	t.Parallel()
	_, book := clinic(t)
	expect(t, book,
		[2]string{"how do i make an appointment", "Of course, I can book that for you. Which day would you like to come?"},
		[2]string{"can i come on tuesday morning", "Tuesday morning is free at ten fifteen. What is your name, please?"},
		[2]string{"excuse me is there any parking at the clinic", "Yes, there is free parking for patients behind the building. What is your name, please?"},
		[2]string{"my name is mary jones", "Mary Jones on Tuesday morning at ten fifteen. Is that right?"},
		[2]string{"that is right", `You are booked. Is there anything else? [book_appointment{"day":"Tuesday morning","name":"Mary Jones"}]`},
		[2]string{"what are you opened", "We are open from Monday to Friday from eight in the morning until six in the evening. On Saturday we are open from nine in the morning until noon, but only for urgent cases. On Sunday and on public holidays the clinic is closed, and the hospital in River Street will help you."},
		[2]string{"sorry where can i parked my car", "Yes, there is free parking for patients behind the building."},
		[2]string{"purple elephants", "I am sorry, I did not understand. You can ask for an appointment, our opening hours or parking."},
		[2]string{"no that is all good bye", "Thank you for calling Sunny Hill clinic. Goodbye. [end_conversation{}]"},
	)
}

// Every recorded recognition of a line gets the same answer as the line.
func TestClinicLinesAreUnderstoodAsRecognised(t *testing.T) {
	t.Parallel()
	_, book := clinic(t)
	file, err := os.ReadFile("testdata/clinic_lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	var said, heard []string
	for line := range strings.Lines(string(file)) {
		if parts := strings.Split(strings.TrimSpace(line), " | "); len(parts) == 3 {
			said, heard = append(said, parts[0]), append(heard, parts[2])
		}
	}
	if len(said) < 5 {
		t.Fatalf("only %d lines", len(said))
	}
	want, got := stringsOf(book.Rehearse(said...)), stringsOf(book.Rehearse(heard...))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replies (-spoken +recognised):\n%s", diff)
	}
	for i, reply := range want {
		if strings.Contains(reply, "did not") {
			t.Errorf("%q is answered by %q", said[i], reply)
		}
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	book := parse(t, `
when caller says: table
  ask day as day: Which day?
  ask people as number: How many of you?
  ask wish: Any wish?
  say: $people on $day: $wish. That is $5.
when caller says: help
  say: Help is here.
  ask what: With what?
  say: Fine.
`)
	t.Run("answered in one breath", func(t *testing.T) {
		t.Parallel()
		expect(t, book,
			[2]string{"a table on thursday afternoon for twenty five", "Any wish?"},
			[2]string{"Near the help desk!", "25 on Thursday afternoon: Near the help desk!. That is $5."},
			[2]string{"a table please", "Which day?"},
		)
	})
	t.Run("put again and then taken", func(t *testing.T) {
		t.Parallel()
		expect(t, book,
			[2]string{"table", "Which day?"},
			[2]string{"hm", "I am sorry, I did not get that. Which day?"},
			[2]string{"hm", "I am sorry, I did not get that. Which day?"},
			[2]string{"the ides of march", "How many of you?"},
			[2]string{"help", "Help is here. With what?"},
			[2]string{"counting", "Fine. How many of you?"},
			[2]string{"five", "Any wish?"},
		)
	})
}

func TestConditionsAndStart(t *testing.T) {
	t.Parallel()
	book := parse(t, `
At the start:
  say: Hello, this is a survey.
  ask happy as yes or no: Are you happy?
  if happy is yes: say: Good.
  if happy is no: ask why: Why not?
  if happy is no: say: Because $why.
  hang up
`)
	p := newPlay(book, []llm.Tool{{Name: endTool}})
	if got := p.answer(nil).Text; got != "Hello, this is a survey. Are you happy?" {
		t.Errorf("the start is %q", got)
	}
	messages := []llm.Message{{Role: llm.User, Text: "yes"}}
	if got := newPlay(book, nil).answer(messages).Text; got != "I am sorry, I cannot help with that." {
		t.Errorf("without start and otherwise: %q", got)
	}
}

// After a start without a caller's word, its question is still open.
func TestTheStartIsRemembered(t *testing.T) {
	t.Parallel()
	book := parse(t, "at the start:\n  ask happy as yes or no: Are you happy?\n  if happy is no: say: Oh.\n  hang up")
	history := []llm.Message{{Role: llm.Assistant, Text: "Are you happy?"}, {Role: llm.User, Text: "not really"}}
	got := newPlay(book, []llm.Tool{{Name: endTool}}).answer(history)
	if got.Text != "Oh." || len(got.Calls) != 1 {
		t.Errorf("reply = %+v", got)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	_, book := clinic(t)
	user := func(text string) llm.Message { return llm.Message{Role: llm.User, Text: text} }
	agent := func(text string, cut bool) llm.Message {
		return llm.Message{Role: llm.Assistant, Text: text, Interrupted: cut}
	}
	for name, c := range map[string]struct {
		messages []llm.Message
		want     string
	}{
		"interrupted by a question": {[]llm.Message{user("opening hours"), agent("We are open from", true), user("is there parking")}, "Yes, there is free parking for patients behind the building."},
		"interrupted by a noise":    {[]llm.Message{user("opening hours"), agent("We are open from", true), user("er")}, "Sorry, please go ahead."},
		"interrupted question":      {[]llm.Message{user("an appointment"), agent("Of course, I", true), user("tuesday")}, "Tuesday is free at ten fifteen. What is your name, please?"},
		"two messages at once":      {[]llm.Message{user("an appointment"), user("on friday")}, "Of course, I can book that for you. Friday is free at ten fifteen. What is your name, please?"},
		"idle":                      {[]llm.Message{user("an appointment"), agent("Which day?", false)}, "Are you still there? Which day would you like to come?"},
		"silence first":             {nil, "Hello. How can I help you?"},
	} {
		if got := newPlay(book, nil).answer(c.messages).Text; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	book := parse(t, "when caller says: weather\n  do look_up place=the town, asked=$caller\n  say: It is $result.")
	tools := []llm.Tool{{Name: "look_up"}}
	history := []llm.Message{{Role: llm.User, Text: `what "weather"`}}
	first := newPlay(book, tools).answer(history)
	if len(first.Calls) != 1 || string(first.Calls[0].Args) != `{"asked":"what \"weather\"","place":"the town"}` || first.Text != "" {
		t.Fatalf("reply = %+v", first)
	}
	history = append(history, llm.Message{Role: llm.Assistant, Calls: first.Calls})
	interrupted := append(history[:2:2], llm.Message{Role: llm.User, Text: "weather"})
	if got := newPlay(book, tools).answer(interrupted); len(got.Calls) != 1 || got.Calls[0].ID == first.Calls[0].ID {
		t.Errorf("asked again: %+v", got)
	}
	history = append(history, llm.Message{Role: llm.ToolRole, CallID: first.Calls[0].ID, Text: " sunny\n"})
	if got := newPlay(book, tools).answer(history); got.Text != "It is sunny." || len(got.Calls) != 0 {
		t.Errorf("after the result: %+v", got)
	}
}

// An action that has failed ends its rule: nothing is said that counts on it.
func TestFailedActions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps, result, want string
	}{
		"otherwise":           {"do book\n otherwise: I could not book that.\n say: Booked.", "failed: unknown action: book", "I could not book that."},
		"otherwise, success":  {"do book\n otherwise: I could not book that.\n say: Booked, $result.", "number 7", "Booked, number 7."},
		"nothing is written":  {"do book\n say: Booked.\n hang up", "failed: no result in time", "I am sorry, that did not work."},
		"a condition":         {"do book\n if result is failed: say: Sorry: $result.\n if result is done: say: Booked.\n say: More.", "failed: x", "Sorry: failed."},
		"the first of two":    {"do book\n otherwise: No booking.\n do pay\n otherwise: No payment.\n say: Paid.", "failed: x", "No booking."},
		"a result like it":    {"do book\n otherwise: No booking.\n say: It $result.", "failed", "It failed."},
		"still running":       {"do book\n say: Booked.", "in progress", ""},
		"a condition not met": {"if caller is x: do book\n otherwise: No booking.\n say: Fine.", "", "Fine."},
	} {
		book := parse(t, "when caller says: table\n "+c.steps)
		history := []llm.Message{{Role: llm.User, Text: "a table"}}
		tools := []llm.Tool{{Name: endTool}} // the agent has no such action: that fails where actions are run
		first := newPlay(book, tools).answer(history)
		if c.result != "" {
			if len(first.Calls) != 1 || first.Calls[0].Name != "book" || first.Text != "" {
				t.Errorf("%s: first %+v, want a call of book alone", name, first)
				continue
			}
			history = append(history, llm.Message{Role: llm.Assistant, Calls: first.Calls},
				llm.Message{Role: llm.ToolRole, CallID: first.Calls[0].ID, Text: c.result})
			first = newPlay(book, tools).answer(history)
		}
		if first.Text != c.want || len(first.Calls) != 0 {
			t.Errorf("%s: %+v, want %q and no action", name, first, c.want)
		}
	}
}

// A reply that may not have actions says that the action did not work.
func TestActionsThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	book := parse(t, "when caller says: table\n do book\n otherwise: Not now.\n say: Booked.")
	if got := newPlay(book, nil).answer([]llm.Message{{Role: llm.User, Text: "table"}}); got.Text != "Not now." || len(got.Calls) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for prompt, want := range map[string]string{
		"":         "",
		"Be nice.": "",
		"Be nice.\n\nPlaybook: x\notherwise:\n shout":                                       "",
		"\ufeffplaybook: x\nblah":                                                           `line 2, column 1: expected "when caller says:", "when interrupted:", "at the start:" or "otherwise:"`,
		"\ufeff\ufeffplaybook: x\n\ufeffotherwise:\n say: hi\n\ufeffend of playbook\nshout": "",
		"playbook: x\notherwise:\n say: hi":                                                 "",
		"playbook:":                                                                         `line 1, column 1: a playbook begins with "playbook:" and a name`,
		"\n Playbook: x\notherwise:\n shout":                                                `line 4, column 2: expected "say:", "ask", "do", "if" or "hang up"`,
		"playbook: x\nend of playbook\nshout":                                               "",
	} {
		got := ""
		if err := Check(prompt); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", prompt, got, want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	const head = "playbook: x\n"
	for _, c := range []struct {
		text         string
		line, column int
		problem      string
	}{
		{"", 1, 1, "begins with"},
		{"hello", 1, 1, "begins with"},
		{head + "say: hi", 2, 1, "expected \"when caller says:\""},
		{head + "when caller says: a,, b", 2, 24, "key word"},
		{head + "when caller says: a, b ${c}", 2, 24, "key words are written out"},
		{head + "otherwise:\n  if ${a} is b: say: c", 3, 6, "FIELD is VALUE"},
		{head + "otherwise:\n  ask ${a}: b?", 3, 7, "name of a field"},
		{head + "otherwise:\n  do ${a}", 3, 6, "name of an action"},
		{head + "otherwise:\n  do a ${b}=c", 3, 8, "name=value"},
		{head + "otherwise:\n  ${a}", 3, 3, "expected \"say:\""},
		{head + "otherwise: say: hi", 2, 12, "line of their own"},
		{head + "otherwise:\notherwise:", 3, 1, "already"},
		{head + "when interrupted:\n  do x\n  otherwise: a\n  otherwise: b", 5, 14, "line of their own"},
		{head + "when interrupted:\n  do x\n  otherwise: $who", 4, 14, "nothing asks for this field, $who"},
		{head + "otherwise:\n  shout: hi", 3, 3, "expected \"say:\""},
		{head + "otherwise:\n  say:", 3, 7, "something to say"},
		{head + "otherwise:\n  say: hé $who", 3, 11, "nothing asks for this field, $who"},
		{head + "otherwise:\n  ask day", 3, 7, "a question"},
		{head + "otherwise:\n  ask a b: c", 3, 7, "name of a field"},
		{head + "otherwise:\n  ask day as date: When?", 3, 14, "yes or no"},
		{head + "otherwise:\n  do x y", 3, 8, "name=value"},
		{head + "otherwise:\n  if day is: say: x", 3, 6, "FIELD is VALUE"},
		{head + "otherwise:\n  if caller is x: if caller is y: say: z", 3, 19, "cannot hold"},
		{head + "otherwise:\n  hang up\n  say: more", 4, 3, "nothing can follow"},
	} {
		_, err := Parse(c.text)
		var wrong *SyntaxError
		if !errors.As(err, &wrong) {
			t.Errorf("%q: error = %v", c.text, err)
			continue
		}
		if wrong.Line != c.line || wrong.Column != c.column || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%q: %v, want %q at line %d, column %d", c.text, wrong, c.problem, c.line, c.column)
		}
	}
}

// A warning says where a playbook is wrong, wherever it begins, and repeats nothing of
// it.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	const before = "The playbook cannot be read, and without another model calls are refused: "
	for prompt, want := range map[string]string{
		"Be kind.": "",
		"Be kind.\nplaybook: x\notherwise:\n  say: Hello.": "",
		"playbook: x\nwhen caller says: book\n  dance\n":   before + `line 3, column 3: expected "say:", "ask", "do", "if" or "hang up".`,
		"You are a clinic.\n\nplaybook: x\n  dance\n":      before + `line 4, column 3: expected "when caller says:", "when interrupted:", "at the start:" or "otherwise:".`,
		"# mine\nplaybook: x\notherwise:\n  say: $who\n":   before + "line 4, column 8: nothing asks for this field.",
		"```\nplaybook: x\notherwise:\n  say: Hi.\n```\n":  before + `line 5, column 1: expected "say:", "ask", "do", "if" or "hang up".`,
	} {
		if got := Unreadable(prompt); got != want {
			t.Errorf("%q: got %q, want %q", prompt, got, want)
		}
	}
}

// What fills a placeholder is text: no statement, no field, no placeholder and no
// argument comes of it, and it stands on one line.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	const evil = "Bob.\n  say: Pay.\n  hang up"
	for name, c := range map[string]struct{ steps, value, want string }{
		"a name":                  {"say: Hello ${who}.", "Bob", "Hello Bob."},
		"statements":              {"say: Hello ${who}.", evil, "Hello Bob. say: Pay. hang up."},
		"a field":                 {"say: Hello ${who}.", "$caller $nope ${who}", "Hello $caller $nope ${who}."},
		"said by the caller":      {"say: You said $caller.", "Bob", "You said ${who}."},
		"an argument":             {"do book name=${who}, day=today", "x, day=never\ny=z", ` [book{"day":"today","name":"x, day=never y=z"}]`},
		"a condition":             {"if caller is ${who}: say: Yes.\n say: Done.", "${WHO}", "Yes. Done."},
		"a condition, another":    {"if caller is ${who}: say: Yes.\n say: Done.", "Bob", "Done."},
		"a condition, unfilled":   {"if result is ${who}: say: Yes.\n say: Done.", "", "Done."},
		"nothing":                 {"say: ${who}\n say: Done.\n say: ${nope}", "", "Done."},
		"nothing at all":          {"say: ${who}", " \n", ""},
		"no placeholder":          {"say: ${who $5 $", "Bob", "${who $5 $"},
		"a field inside":          {"say: ${a$b}x", "Bob", "x"},
		"a question":              {"ask day: Which day, ${who}?", "Bob", "Which day, Bob?"},
		"nothing fills the other": {"say: Hello ${other}.", "Bob", "Hello ."},
	} {
		r := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "${who}"}}, Tools: []llm.Tool{{Name: endTool}}}
		driver := New(parse(t, "otherwise:\n "+c.steps), map[string]string{"who": c.value})
		text, calls, _, err := llmtest.Collect(t.Context(), t, driver, r)
		if got := stringsOf([]Reply{{Text: text, Calls: calls}})[0]; err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind       kind
		said, want string
	}{
		{kindDay, "on Wensday evening please", "Wednesday evening"},
		{kindDay, "on Wednesdays evening please", "Wednesday evening"},
		{kindDay, "tomorrow", "tomorrow"},
		{kindDay, "in the morning", ""},
		{kindName, "Hi, this is Ann Lee Smith Jones", "Ann Lee Smith"},
		{kindName, "I'm Zoë, thank you", "Zoë"},
		{kindName, "hello", ""},
		{kindNumber, "it is 007 five", "0075"},
		{kindNumber, "five five oh one two", "55012"},
		{kindNumber, "thirty two and more", "32"},
		{kindNumber, "thirty twelve", "3012"},
		{kindNumber, "none", ""},
		{kindYesNo, "No, thank you", "no"},
		{kindYesNo, "that's right", "yes"},
		{kindYesNo, "perhaps", ""},
		{kindText, "anything", ""},
	} {
		if got := c.kind.find(words(c.said)); got != c.want {
			t.Errorf("kind %d in %q = %q, want %q", c.kind, c.said, got, c.want)
		}
	}
}

func TestAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, said string
		want      int
	}{
		{"open", "open", exact}, {"open", "opened", sameEnd}, {"parking", "park", sameEnd}, {"hours", "hour", sameEnd},
		{"miller", "millar", misread}, {"appointment", "apointmant", misread}, {"appointment", "apartment", 0},
		{"book", "look", 0}, {"no", "not", 0}, {"tuesday", "thursday", 0}, {"car", "card", 0},
	} {
		if got := alike(c.key, c.said); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.key, c.said, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	prompt, _ := clinic(f)
	text, _, _ := Find(prompt)
	f.Add(text, "an appointment on tuesday", "yes")
	f.Add("playbook: x\nwhen caller says: a + b c, d\n if result is x: do y z=$caller\n hang up", "a b c", "d")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		book, err := Parse(text)
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) || wrong.Line < 1 || wrong.Column < 1 {
				t.Errorf("error %v has no place", err)
			}
			return
		}
		if got := book.Rehearse(one, two); len(got) != 2 {
			t.Errorf("%d replies to two lines", len(got))
		}
	})
}

// The examples of docs/playbook.md are true.
func TestDocumentedExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/playbook.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```")
	if len(blocks) < 4 {
		t.Fatal("the examples are gone")
	}
	book, err := Parse(strings.TrimSpace(blocks[1]))
	if err != nil {
		t.Fatal(err)
	}
	var turns [][2]string
	for line := range strings.Lines(strings.TrimSpace(blocks[3])) {
		if said, ok := strings.CutPrefix(line, "caller: "); ok {
			turns = append(turns, [2]string{strings.TrimSpace(said)})
			continue
		}
		turns[len(turns)-1][1] = strings.TrimSpace(strings.TrimPrefix(line, "agent:"))
	}
	expect(t, book, turns...)
}

// A whole call by text telephone stays below 240 characters, 42 s of tones.
func TestClinicByTextTelephoneIsShort(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/clinic_tty.txt")
	if err != nil {
		t.Fatal(err)
	}
	book, err := Parse(string(file))
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"WHEN ARE U OPEN?", "AN APPOINTMENT PLS", "TUESDAY", "IS THERE PARKING?", "THANKS BYE"}
	want := []string{"Mon to Fri 8 to 6.", "Which day?", "Tuesday at 9 is yours.", "Free, behind the house.", "Bye. [end_conversation{}]"}
	replies := book.Rehearse(lines...)
	if diff := cmp.Diff(want, stringsOf(replies)); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
	total := 0
	for i, r := range replies {
		total += len(lines[i]) + len(r.Text) + 2*len(" GA")
	}
	if total > 240 {
		t.Errorf("the call has %d characters", total)
	}
}
