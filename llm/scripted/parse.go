package scripted

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse reads a playbook. The error is a *SyntaxError.
func Parse(text string) (*Playbook, error) {
	p := parser{fields: map[string]bool{resultField: true, "caller": true}}
	for i, line := range strings.Split(text, "\n") {
		p.line, p.full = i+1, line
		if err := p.read(trim(line)); err != nil {
			return nil, err
		}
	}
	if p.book.Name == "" {
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: `a playbook begins with "playbook:" and a name`}
	}
	for _, u := range p.uses {
		if !p.fields[u.field] {
			return nil, &SyntaxError{u.line, u.column, "nothing asks for this field", u.field}
		}
	}
	return &p.book, nil
}

// parser reads line by line.
type parser struct {
	book   Playbook
	line   int
	full   string // the whole line
	fields map[string]bool
	uses   []use
}

// use is a place where a field is used.
type use struct {
	field        string
	line, column int
}

// wrong returns an error about the place where part, a slice of the line, is.
func (p *parser) wrong(part, problem string) error {
	return &SyntaxError{Line: p.line, Column: p.column(part), Problem: problem}
}

// column finds part in the line; what is cut off the end of a line is found by
// its length.
func (p *parser) column(part string) int {
	at := len(p.full)
	if part != "" {
		if i := strings.LastIndex(p.full, part); i >= 0 {
			at = i
		}
	}
	return utf8.RuneCountInString(p.full[:at]) + 1
}

// read handles one line without the space around it.
func (p *parser) read(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	if p.book.Name == "" {
		name, ok := keyword(line, "playbook:")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return p.wrong(line, `a playbook begins with "playbook:" and a name`)
		}
		p.book.Name = name
		return nil
	}
	if started, err := p.rule(line); started || err != nil {
		return err
	}
	if len(p.book.rules) == 0 {
		return p.wrong(line, `expected "when caller says:", "when interrupted:", "at the start:" or "otherwise:"`)
	}
	last := &p.book.rules[len(p.book.rules)-1]
	s, err := p.ruleStep(last, line)
	if err != nil {
		return err
	}
	if n := len(last.steps); n > 0 && last.steps[n-1].verb == hangUp && last.steps[n-1].onlyIf == "" {
		return p.wrong(line, `nothing can follow "hang up"`)
	}
	last.steps = append(last.steps, s)
	return nil
}

// ruleStep reads a step of a rule, or what is said when the action before it
// fails.
func (p *parser) ruleStep(r *rule, line string) (step, error) {
	var rest string
	if !r.endsWithAction() || !match(line, "otherwise:", &rest) {
		return p.step(line)
	}
	text, err := p.text(rest)
	return step{verb: say, text: text, onFailure: true}, err
}

func (r *rule) endsWithAction() bool {
	n := len(r.steps)
	return n > 0 && r.steps[n-1].verb == do
}

// rule starts a new rule if line is the head of one.
func (p *parser) rule(line string) (started bool, err error) {
	r := rule{line: p.line}
	var rest string
	switch {
	case match(line, "when caller says:", &rest):
		r.on = onWords
		if r.patterns, err = p.patterns(rest); err != nil {
			return true, err
		}
	case match(line, "when interrupted:", &rest):
		r.on = onInterrupt
	case match(line, "at the start:", &rest):
		r.on = onStart
	case match(line, "otherwise:", &rest):
		r.on = otherwise
		if n := len(p.book.rules); n > 0 && p.book.rules[n-1].endsWithAction() && strings.TrimSpace(rest) != "" {
			return false, nil // it belongs to the action
		}
	default:
		return false, nil
	}
	if r.on != onWords && strings.TrimSpace(rest) != "" {
		return true, p.wrong(strings.TrimSpace(rest), "steps begin on a line of their own")
	}
	for _, before := range p.book.rules {
		if r.on != onWords && before.on == r.on {
			return true, p.wrong(line, "this rule is there already")
		}
	}
	p.book.rules = append(p.book.rules, r)
	return true, nil
}

func match(line, word string, rest *string) bool {
	var ok bool
	*rest, ok = keyword(line, word)
	return ok
}

// patterns reads "a, b + c d".
func (p *parser) patterns(text string) ([]pattern, error) {
	if i := strings.Index(text, "${"); i >= 0 {
		return nil, p.wrong(text[i:], "key words are written out: no placeholder can stand here")
	}
	var all []pattern
	for part := range strings.SplitSeq(text, ",") {
		var one pattern
		for phrase := range strings.SplitSeq(part, "+") {
			ws := words(phrase)
			if len(ws) == 0 {
				return nil, p.wrong(strings.TrimSpace(part), "expected a key word")
			}
			one = append(one, ws)
		}
		all = append(all, one)
	}
	return all, nil
}

// step reads one step.
func (p *parser) step(line string) (step, error) {
	var rest string
	switch {
	case match(line, "say:", &rest):
		text, err := p.text(rest)
		return step{verb: say, text: text}, err
	case match(line, "ask ", &rest):
		return p.ask(rest)
	case match(line, "do ", &rest):
		return p.do(rest)
	case match(line, "if ", &rest):
		return p.condition(rest)
	case strings.EqualFold(line, "hang up"):
		return step{verb: hangUp}, nil
	default:
		return step{}, p.wrong(line, `expected "say:", "ask", "do", "if" or "hang up"`)
	}
}

// text reads what is said and notes the fields in it.
func (p *parser) text(rest string) (string, error) {
	text := strings.TrimSpace(rest)
	if text == "" {
		return "", p.wrong("", "expected something to say")
	}
	expand(text, func(name string) string {
		p.uses = append(p.uses, use{name, p.line, p.column("$" + name)})
		return ""
	}, func(string) string { return "" })
	return text, nil
}

// ask reads "day as day: Which day?".
func (p *parser) ask(rest string) (step, error) {
	head, text, ok := strings.Cut(rest, ":")
	if !ok {
		return step{}, p.wrong(rest, `expected ":" and a question`)
	}
	name, kindName, typed := strings.Cut(strings.TrimSpace(head), " as ")
	s := step{verb: ask, field: strings.TrimSpace(name), kind: kindText}
	if !isName(s.field) {
		return step{}, p.wrong(rest, "expected the name of a field: letters, digits and underscores")
	}
	if typed {
		if s.kind, ok = kindNamed(strings.TrimSpace(kindName)); !ok {
			return step{}, p.wrong(strings.TrimSpace(kindName), "expected text, name, day, number or yes or no")
		}
	}
	var err error
	s.text, err = p.text(text)
	p.fields[s.field] = true
	return s, err
}

// do reads "tool key=value, key=value".
func (p *parser) do(rest string) (step, error) {
	rest = strings.TrimSpace(rest)
	tool, list, _ := strings.Cut(rest, " ")
	s := step{verb: do, tool: tool}
	if !isName(tool) {
		return step{}, p.wrong(rest, "expected the name of an action: letters, digits and underscores")
	}
	if strings.TrimSpace(list) == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || !isName(strings.TrimSpace(key)) {
			return step{}, p.wrong(strings.TrimSpace(part), "expected name=value")
		}
		value, err := p.text(value)
		if err != nil {
			return step{}, err
		}
		s.args = append(s.args, argument{strings.TrimSpace(key), value})
	}
	return s, nil
}

// condition reads "field is value: step".
func (p *parser) condition(rest string) (step, error) {
	head, then, ok := strings.Cut(rest, ":")
	field, value, is := strings.Cut(head, " is ")
	field, value = strings.TrimSpace(field), strings.TrimSpace(value)
	if !ok || !is || !isName(field) || value == "" {
		return step{}, p.wrong(rest, `expected "FIELD is VALUE:" and a step`)
	}
	then = strings.TrimSpace(then)
	if _, nested := keyword(then, "if "); nested {
		return step{}, p.wrong(then, `an "if" cannot hold another`)
	}
	s, err := p.step(then)
	if err != nil {
		return step{}, err
	}
	p.uses = append(p.uses, use{field, p.line, p.column(field)})
	s.onlyIf, s.is = field, value
	return s, nil
}

func isName(s string) bool {
	if s == "" || unicode.IsDigit(rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !nameRune(r) }) < 0
}

func nameRune(r rune) bool {
	return r == '_' || (r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)))
}

// expand replaces $name by what field returns and ${name} by what placeholder
// returns, once: nothing is replaced in what they return. "$5" is a price.
func expand(text string, field, placeholder func(name string) string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if inner, rest, closed := strings.Cut(after, "}"); closed && after[0] == '{' {
			b.WriteString(placeholder(inner[1:]))
			text = rest
			continue
		}
		end := strings.IndexFunc(after, func(r rune) bool { return !nameRune(r) })
		if end < 0 {
			end = len(after)
		}
		if name := after[:end]; isName(name) {
			b.WriteString(field(name))
		} else {
			b.WriteString("$" + name)
		}
		text = after[end:]
	}
}
