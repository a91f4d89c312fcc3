package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/support"
)

// supportDocument is the whole table; README.md has a short one.
const supportDocument = "docs/support.md"

// The short table stands between these lines of README.md.
const (
	tableBegin = "<!-- The table is written by `make docs`. -->"
	tableEnd   = "<!-- End of the table. -->"
)

// writeSupport writes both tables into the repository at root.
func writeSupport(root string) error {
	table := support.NewTable()
	if err := os.WriteFile(filepath.Join(root, supportDocument), []byte(wholeTable(table)), 0o644); err != nil {
		return err
	}
	path := filepath.Join(root, "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	replaced, err := replaceTable(string(text), shortTable(table))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(replaced), 0o644)
}

// replaceTable puts a table between the two lines of text that frame it.
func replaceTable(text, table string) (string, error) {
	before, rest, begins := strings.Cut(text, tableBegin+"\n")
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return "", fmt.Errorf("lacks the lines %q and %q", tableBegin, tableEnd)
	}
	return before + tableBegin + "\n" + table + tableEnd + after, nil
}

const introduction = `# What acts, and what is only kept

<!-- Written by ` + "`make docs`" + ` from package support; a test fails when it is stale. -->

The contract that clients are written for has more than this version does. Nothing of it is accepted and then ignored in
silence. Each property of a request, and each value that selects something, is one of these:

- **acts**: it does what the document of the API says. A test shows it; its name stands beside it.
- **kept**: it is stored and returned, and has no other effect. The answer has a ` + "`Sidetone-Warning`" + ` header that says so.
- **refused**: it is an error.

A value that is not in the table, where there are values, is a 400 that names the possible ones. A property that is not in
the table is dropped, with a warning; so is one that another operation of the resource sets and this one does not, unless it
says what is stored anyway. An agent that has nothing to think with is warned about wherever it is made, changed or named.

A running server answers the same as JSON: ` + "`GET /v1/support`" + `, and ` + "`GET /v1/support?agent=ID`" + ` what of an agent does not act;
` + "`sidetone support`" + ` prints it.

`

// wholeTable is the document.
func wholeTable(table *support.Table) string {
	var out strings.Builder
	out.WriteString(introduction)
	fmt.Fprintf(&out, "%s\n", total(table))
	resource := ""
	for _, e := range table.Entries() {
		if e.Resource != resource {
			resource = e.Resource
			fmt.Fprintf(&out, "\n## %s\n\n| property | value | | shown by, or why not |\n|---|---|---|---|\n", title(resource))
		}
		why := strings.TrimSpace(code(e.Test) + " " + e.Sentence)
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", code(e.Property), code(e.Value), e.Status, why)
	}
	return out.String()
}

// title is what the document calls a resource.
func title(resource string) string {
	if resource == "query" {
		return "Parameters of addresses"
	}
	text := strings.ReplaceAll(resource, "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// total counts the entries.
func total(table *support.Table) string {
	count := map[support.Status]int{}
	for _, e := range table.Entries() {
		count[e.Status]++
	}
	return fmt.Sprintf("Of %d properties and values %d act, %d are kept and %d refused.",
		len(table.Entries()), count[support.Acts], count[support.Kept], count[support.Refused])
}

// choice is a property whose values select what a call is made with.
type choice struct{ title, resource, property string }

// choices are the rows of the short table.
func choices() []choice {
	return []choice{
		{"Languages", "agent", "language"},
		{"Language models", "agent", "provider"},
		{"Voices", "voice", "type"},
		{"Actions", "action", "type"},
		{"Triggers of actions", "action", "action_trigger"},
		{"Accounts at vendors", "account_connection", "type"},
		{"Webhook events", "webhook", "subscriptions"},
		{"Vector databases", "vector_database", "type"},
	}
}

// shortTable is the table of README.md: what selects a driver, and the sum of all.
func shortTable(table *support.Table) string {
	var out strings.Builder
	out.WriteString("\n| | acts | only stored and returned, with a warning |\n|---|---|---|\n")
	for _, c := range choices() {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", c.title, values(table, c, support.Acts), values(table, c, support.Kept))
	}
	fmt.Fprintf(&out, "\n%s All of them: [docs/support.md](docs/support.md).\n\n", total(table))
	return out.String()
}

// values lists the values of a choice that have a status, without what the names of
// all its values begin with.
func values(table *support.Table, c choice, status support.Status) string {
	var all, chosen []string
	for _, e := range table.Entries() {
		if e.Resource != c.resource || e.Property != c.property || e.Value == "" {
			continue
		}
		all = append(all, e.Value)
		if e.Status == status {
			chosen = append(chosen, e.Value)
		}
	}
	slices.Sort(chosen)
	prefix := shared(all)
	for i, value := range chosen {
		chosen[i] = strings.TrimPrefix(value, prefix)
	}
	if len(chosen) == 0 {
		return "none"
	}
	return strings.Join(chosen, ", ")
}

// shared is what all texts begin with, up to an underscore.
func shared(texts []string) string {
	prefix := texts[0]
	for {
		prefix = prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "_"), '_')+1]
		others := func(s string) bool { return !strings.HasPrefix(s, prefix) }
		if !slices.ContainsFunc(texts, others) { // "" is a prefix of all
			return prefix
		}
	}
}
