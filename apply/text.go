package apply

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteText prints the plan for people: one line per step, one per property,
// and for long texts the lines that change.
func (p *Plan) WriteText(w io.Writer) error {
	var b strings.Builder
	counts := map[Verb]int{}
	for _, s := range p.Steps {
		counts[s.Verb]++
		fmt.Fprintf(&b, "%s %s\n", mark(s.Verb), s.Resource.name())
		for _, c := range s.Changes {
			writeChange(&b, s.Verb, c)
		}
	}
	fmt.Fprintf(&b, "%d to create, %d to buy, %d to change, %d to delete, %d as described\n",
		counts[Create], counts[Buy], counts[Update], counts[Delete], p.Unchanged)
	_, err := io.WriteString(w, b.String())
	return err
}

func mark(v Verb) string {
	switch v {
	case Create, Buy:
		return "+"
	case Delete:
		return "-"
	default:
		return "~"
	}
}

func writeChange(b *strings.Builder, v Verb, c Change) {
	from, fromText := c.From.(string)
	to, toText := c.To.(string)
	if fromText && toText && (strings.Contains(from, "\n") || strings.Contains(to, "\n")) {
		fmt.Fprintf(b, "    %s:\n", c.Property)
		for _, line := range lineChanges(strings.Split(from, "\n"), strings.Split(to, "\n")) {
			fmt.Fprintf(b, "      %s\n", line)
		}
		return
	}
	if v == Update {
		fmt.Fprintf(b, "    %s: %s -> %s\n", c.Property, short(c.From), short(c.To))
		return
	}
	fmt.Fprintf(b, "    %s: %s\n", c.Property, short(c.To))
}

// shown is the most characters of a value in one line.
const shown = 72

func short(v any) string {
	if v == nil {
		return "none"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if r := []rune(string(raw)); len(r) > shown {
		return string(r[:shown]) + "..."
	}
	return string(raw)
}

// longestDiff bounds the work of comparing two texts line by line.
const longestDiff = 2000

// lineChanges lists the lines that are removed ("- ") and added ("+ "), by the
// longest common subsequence; unchanged ones are left out.
func lineChanges(from, to []string) []string {
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	if len(from) > longestDiff || len(to) > longestDiff {
		return []string{fmt.Sprintf("(%d lines become %d)", len(from), len(to))}
	}
	common := commonLengths(from, to)
	var out []string
	for i, j := 0, 0; i < len(from) || j < len(to); {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			i, j = i+1, j+1
		case j == len(to) || i < len(from) && common[i+1][j] >= common[i][j+1]:
			out, i = append(out, "- "+from[i]), i+1
		default:
			out, j = append(out, "+ "+to[j]), j+1
		}
	}
	return out
}

// commonLengths is the table of the longest common subsequences of the ends.
func commonLengths(from, to []string) [][]int32 {
	table := make([][]int32, len(from)+1)
	for i := range table {
		table[i] = make([]int32, len(to)+1)
	}
	for i := len(from) - 1; i >= 0; i-- {
		for j := len(to) - 1; j >= 0; j-- {
			if from[i] == to[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
