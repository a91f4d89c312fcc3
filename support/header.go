package support

import "fmt"

const (
	// maxHeaders and maxHeaderBytes bound the warnings of one response.
	maxHeaders     = 16
	maxHeaderBytes = 4 << 10
)

// Headers writes warnings as the values of Sidetone-Warning headers, "property;
// reason; sentence": at most 16 that have 4 KiB together. The last may say how many
// more there are.
func Headers(warnings []Warning) []string {
	var out []string
	used := 0
	for i, w := range warnings {
		text := fmt.Sprintf("%s; %s; %s", w.Property, w.Reason, w.Sentence)
		rest := fmt.Sprintf("and %d more, see GET /v1/support", len(warnings)-i)
		last := i == len(warnings)-1
		// There must be room for the sentence about the rest, unless this is the last.
		if fits := used+len(text) <= maxHeaderBytes; last && fits && len(out) < maxHeaders {
			return append(out, text)
		}
		if used+len(text)+len(rest) > maxHeaderBytes || len(out) == maxHeaders-1 {
			return append(out, rest)
		}
		out, used = append(out, text), used+len(text)
	}
	return out
}
