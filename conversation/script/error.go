package script

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error is text that is no input, output or journal.
type Error struct {
	// Line and Column are where the text is wrong; both count from 1, columns in
	// characters.
	Line, Column int
	// Expected says what could stand there, Found what does.
	Expected, Found string
}

// Error returns place, expectation and finding in one sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: expected %s, found %s", e.Line, e.Column, e.Expected, e.Found)
}

// foundLimit is how many characters of a wrong text an error shows.
const foundLimit = 24

// found shows the beginning of the text that is wrong.
func found(rest string) string {
	switch {
	case rest == "":
		return "the end"
	case rest[0] == '\n':
		return "the end of the line"
	}
	end, n := 0, 0
	for end < len(rest) && rest[end] != ' ' && rest[end] != '\n' && n < foundLimit {
		_, size := utf8.DecodeRuneInString(rest[end:])
		end += size
		n++
	}
	return strconv.Quote(rest[:max(end, 1)])
}
