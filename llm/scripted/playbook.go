// Package scripted is a language model that follows a playbook: a short plain
// text, carried in the agent's prompt, that says what to answer, what to ask and
// what to do. It needs no network and always gives the same answer to the same
// conversation. docs/playbook.md describes the language.
package scripted

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Playbook is a parsed playbook. It is immutable and may be used concurrently.
type Playbook struct {
	// Name is the title on the first line.
	Name  string
	rules []rule
}

// Actions are the names of the actions that the playbook takes, in its order.
func (p *Playbook) Actions() []string {
	var names []string
	for _, r := range p.rules {
		for _, s := range r.steps {
			if s.verb == do && !slices.Contains(names, s.tool) {
				names = append(names, s.tool)
			}
		}
	}
	return names
}

// SyntaxError says where a playbook is wrong.
type SyntaxError struct {
	// Line and Column count from 1; Column counts characters.
	Line, Column int
	// Problem says what is wrong there, without words of the playbook.
	Problem string
	// Field is the field that the problem is about; "" for most.
	Field string
}

// Error returns place and problem.
func (e *SyntaxError) Error() string {
	if e.Field == "" {
		return e.plain()
	}
	return e.plain() + ", $" + e.Field
}

// plain leaves out what the playbook says.
func (e *SyntaxError) plain() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// trigger says when a rule applies.
type trigger uint8

const (
	onStart trigger = iota + 1
	onWords
	onInterrupt
	otherwise
)

// rule is a trigger and the steps that follow it.
type rule struct {
	on       trigger
	patterns []pattern
	steps    []step
	line     int
}

// verb is what a step does.
type verb uint8

const (
	say verb = iota + 1
	ask
	do
	hangUp
)

// step is one line of a rule.
type step struct {
	verb verb
	// text is what is said or asked, with $fields.
	text string
	// field and kind are what an ask collects; tool and args what a do calls.
	field string
	kind  kind
	tool  string
	args  []argument
	// onlyIf and is are the condition of an if line; onlyIf is "" without one.
	onlyIf, is string
	// onFailure: it is taken only when the action before it has failed.
	onFailure bool
}

// argument is one argument of a tool.
type argument struct{ key, value string }

// InPrompt reads the playbook in an agent's prompt. found is false when there is
// none. The error is a *SyntaxError, whose line counts from the prompt's first.
func InPrompt(prompt string) (book *Playbook, found bool, err error) {
	text, before, found := Find(prompt)
	if !found {
		return nil, false, nil
	}
	book, err = Parse(text)
	if wrong := (*SyntaxError)(nil); errors.As(err, &wrong) {
		wrong.Line += before
	}
	return book, true, err
}

// Check returns the mistake in the playbook that a prompt begins with, as a
// *SyntaxError. A prompt that begins with something else may be meant for another
// model: in its text a line such as "Playbook: be kind" is no mistake.
func Check(prompt string) error {
	if _, begins := keyword(trim(prompt), "playbook:"); !begins {
		return nil
	}
	_, _, err := InPrompt(prompt)
	return err
}

// Unreadable says in a sentence, without words of the prompt, where the playbook in a
// prompt has a mistake, wherever it begins; "" when there is none.
func Unreadable(prompt string) string {
	_, _, err := InPrompt(prompt)
	if wrong := (*SyntaxError)(nil); errors.As(err, &wrong) {
		return "The playbook cannot be read, and without another model calls are refused: " + wrong.plain() + "."
	}
	return ""
}

// Find returns the playbook in an agent's prompt: the lines from one that begins
// with "playbook:" to one that reads "end of playbook" or to the end, and the
// number of lines before it. ok is false when there is none.
func Find(prompt string) (text string, before int, ok bool) {
	lines := strings.Split(prompt, "\n")
	for i, line := range lines {
		if _, found := keyword(trim(line), "playbook:"); found {
			end := len(lines)
			for j := i + 1; j < len(lines); j++ {
				if strings.EqualFold(trim(lines[j]), "end of playbook") {
					end = j
					break
				}
			}
			return strings.Join(lines[i:end], "\n"), i, true
		}
	}
	return "", 0, false
}

// trim cuts white space and byte order marks off a line.
func trim(line string) string {
	return strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}

// keyword cuts a keyword, in any case, off the beginning of line.
func keyword(line, word string) (rest string, ok bool) {
	if len(line) < len(word) || !strings.EqualFold(line[:len(word)], word) {
		return "", false
	}
	return line[len(word):], true
}
