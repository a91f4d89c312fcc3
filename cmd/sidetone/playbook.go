package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/apply"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/scripted"
)

type playbookCommand struct {
	Check playbookCheck `cmd:"" help:"Say whether playbooks can be read, and where not."`
	Try   playbookTry   `cmd:"" help:"Hold a conversation with a playbook, typed in the terminal."`
}

// playbookFile is a prompt with a playbook and what surrounds it in its file.
type playbookFile struct {
	// place names it in messages.
	place string
	// key is the prompt's in a file for apply, else "".
	key, prompt string
	// greeting is the agent's initial_message, context the number's
	// example_context; files of plain text have none.
	greeting string
	context  map[string]any
}

// readPlaybooks reads a file of plain text, which is one prompt, or a file for
// apply, of which it returns the prompts with a playbook.
func readPlaybooks(name string) ([]playbookFile, error) {
	raw, err := readInput(name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
		return []playbookFile{{place: name, prompt: string(raw)}}, nil
	}
	resources, err := apply.Parse(name, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	var out []playbookFile
	for _, r := range resources {
		content, _ := r.Fields["content"].(string)
		if _, _, has := scripted.Find(content); r.Kind == apply.Prompt && has {
			f := playbookFile{place: r.Source + ": prompt " + r.Key, key: r.Key, prompt: content, context: map[string]any{}}
			f.surround(resources)
			out = append(out, f)
		}
	}
	return out, nil
}

// surround adds what agents with the prompt, and numbers with these agents, say.
func (f *playbookFile) surround(resources []apply.Resource) {
	agents := map[any]bool{}
	for _, r := range resources {
		if r.Kind == apply.Agent && r.Fields["prompt"] == f.key {
			agents[r.Key] = true
			if text, ok := r.Fields["initial_message"].(string); ok && f.greeting == "" {
				f.greeting = text
			}
		}
	}
	for _, r := range resources {
		agent, named := r.Fields["inbound_agent"].(string)
		example, ok := r.Fields["example_context"].(map[string]any)
		if r.Kind == apply.Number && named && ok && agents[agent] {
			maps.Copy(f.context, example)
		}
	}
}

// book parses the playbook, which must be there.
func (f playbookFile) book() (*scripted.Playbook, error) {
	book, found, err := scripted.InPrompt(f.prompt)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.place, err)
	case !found:
		return nil, fmt.Errorf(`%s: there is no playbook, which begins with a line "playbook: NAME"`, f.place)
	}
	return book, nil
}

type playbookCheck struct {
	Files []string `arg:"" name:"file" help:"Plain text with a playbook, or a .yaml file for apply; - is standard input." placeholder:"FILE"`
}

// Run names every mistake and fails if there is one.
func (c playbookCheck) Run(a *app) error {
	var problems []error
	for _, name := range c.Files {
		books, err := readPlaybooks(name)
		if err == nil && len(books) == 0 {
			err = fmt.Errorf("%s: no prompt has a playbook", name)
		}
		problems = append(problems, err)
		for _, f := range books {
			book, err := f.book()
			problems = append(problems, err)
			if err == nil {
				fmt.Fprintf(a.out, "%s: playbook %s can be read\n", f.place, shown(book.Name))
			}
		}
	}
	return errors.Join(problems...)
}

type playbookTry struct {
	File    string            `arg:"" help:"Plain text with a playbook, or a .yaml file for apply, whose initial_message and example_context are used." placeholder:"FILE"`
	Prompt  string            `help:"The key of the prompt, when the file has several." placeholder:"KEY"`
	Context map[string]string `help:"Value of a placeholder: what fills $${name}. May be repeated." placeholder:"NAME=VALUE" mapsep:"none"`
	Result  map[string]string `help:"Result of an action. Actions without one fail, as they do for an agent that does not have them. May be repeated." placeholder:"ACTION=TEXT" mapsep:"none"`
}

// Run holds the conversation with standard input.
func (c playbookTry) Run(a *app) error {
	info, err := os.Stdin.Stat()
	return c.converse(a, os.Stdin, err == nil && info.Mode()&os.ModeCharDevice != 0)
}

// converse holds the conversation: a line of in is what the caller says. typed
// says that the terminal shows those lines already.
func (c playbookTry) converse(a *app, in io.Reader, typed bool) error {
	f, err := c.choose()
	if err != nil {
		return err
	}
	book, err := f.book()
	if err != nil {
		return err
	}
	if err := c.checkResults(book); err != nil {
		return err
	}
	values := c.values(f)
	for _, name := range unfilled(f.greeting+f.prompt, values) {
		fmt.Fprintf(a.err, "sidetone: nothing fills ${%s}, which is empty: --context %s=VALUE fills it\n", shown(name), shown(name))
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("encode the context: %w", err)
	}
	t := trial{out: a.out, results: c.Result, model: scripted.New(book, call.Values(raw))}
	t.greet(call.Preview(f.greeting, raw))
	lines := bufio.NewScanner(in)
	for !t.over {
		fmt.Fprint(a.out, "caller: ")
		if !lines.Scan() {
			fmt.Fprintln(a.out)
			return lines.Err()
		}
		if !typed {
			fmt.Fprintln(a.out, shown(lines.Text()))
		}
		if err := t.turn(a.ctx, lines.Text()); err != nil {
			return err
		}
	}
	return nil
}

// choose returns the prompt that is to be tried.
func (c playbookTry) choose() (playbookFile, error) {
	books, err := readPlaybooks(c.File)
	if err != nil {
		return playbookFile{}, err
	}
	if c.Prompt != "" {
		books = slices.DeleteFunc(books, func(f playbookFile) bool { return f.key != c.Prompt })
	}
	if len(books) != 1 {
		return playbookFile{}, fmt.Errorf("%s has %d prompts with a playbook to choose from; --prompt KEY chooses", c.File, len(books))
	}
	return books[0], nil
}

// checkResults refuses results of actions that the playbook does not take, and of
// the end of the call, which has none.
func (c playbookTry) checkResults(book *scripted.Playbook) error {
	actions := slices.DeleteFunc(book.Actions(), func(name string) bool { return name == endConversation })
	for _, name := range slices.Sorted(maps.Keys(c.Result)) {
		switch {
		case slices.Contains(actions, name):
		case len(actions) == 0:
			return fmt.Errorf("--result %s: the playbook takes no action", name)
		default:
			return fmt.Errorf("--result %s: the playbook takes no such action, only %s", name, strings.Join(actions, ", "))
		}
	}
	return nil
}

// endConversation is the action that ends the call.
const endConversation = "end_conversation"

// values are what placeholders are filled with: the file's examples, and what the
// command line says instead.
func (c playbookTry) values(f playbookFile) map[string]any {
	values := maps.Clone(f.context)
	if values == nil {
		values = map[string]any{}
	}
	for name, value := range c.Context {
		values[name] = value
	}
	return values
}

// unfilled returns the names of the placeholders of text that have no value.
func unfilled(text string, values map[string]any) (names []string) {
	for _, m := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
		if _, ok := values[m[1]]; !ok && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// trial is a conversation in a terminal.
type trial struct {
	out      io.Writer
	model    llm.Driver
	results  map[string]string
	messages []llm.Message
	over     bool
}

// chain is how many actions in a row a call runs for one reply.
const chain = 3

func (t *trial) greet(text string) {
	if text != "" {
		t.messages = append(t.messages, llm.Message{Role: llm.Assistant, Text: text})
		fmt.Fprintln(t.out, "agent: ", shown(text))
	}
}

// turn is what the caller says and the agent's reply.
func (t *trial) turn(ctx context.Context, said string) error {
	t.messages = append(t.messages, llm.Message{Role: llm.User, Text: said})
	for step := 0; ; step++ {
		calls, err := t.reply(ctx, step < chain)
		if err != nil || len(calls) == 0 || t.over {
			return err
		}
	}
}

// reply asks the model once and runs the actions that it takes.
func (t *trial) reply(ctx context.Context, actions bool) ([]llm.ToolCall, error) {
	r := llm.Request{Messages: t.messages}
	if actions {
		r.Tools = []llm.Tool{{Name: endConversation}}
	}
	var text strings.Builder
	var calls []llm.ToolCall
	for d, err := range t.model.Generate(ctx, r) {
		if err != nil {
			return nil, err
		}
		text.WriteString(d.Text)
		if d.Call != nil {
			calls = append(calls, *d.Call)
		}
	}
	if text.Len() > 0 {
		fmt.Fprintln(t.out, "agent: ", shown(text.String()))
	}
	t.messages = append(t.messages, llm.Message{Role: llm.Assistant, Text: text.String(), Calls: calls})
	for _, c := range calls {
		t.act(c)
	}
	return calls, nil
}

// act runs an action: nothing is done, the result is what the command line says.
func (t *trial) act(c llm.ToolCall) {
	if c.Name == endConversation {
		t.over = true
		fmt.Fprintln(t.out, "(the agent hangs up)")
		return
	}
	result, ok := t.results[c.Name]
	if !ok {
		result = llm.FailedResult + "unknown action: " + c.Name
	}
	fmt.Fprintf(t.out, "(action %s %s: %s)\n", c.Name, shown(string(c.Args)), shown(result))
	t.messages = append(t.messages, llm.Message{Role: llm.ToolRole, CallID: c.ID, Text: result})
}

// shown is text as the terminal may have it, on one line.
func shown(text string) string { return strings.Map(printable, text) }
