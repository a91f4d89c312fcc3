package openai

import (
	"strings"
	"testing"
)

func TestThoughts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Hello.": "Hello.",
		"<think>The caller greets.</think>\n\nHello.": "\n\nHello.",
		"Hello. <think>Now what?</think>Bye.":         "Hello. Bye.",
		"<think>a <think> b</think>Hello.":            "Hello.",
		"<think>for ever":                             "",
		"late</think>Hello.":                          "lateHello.",
		"1 < 2 and <b>":                               "1 < 2 and <b>",
		"ends in <thi":                                "ends in <thi",
		"<think></think>":                             "",
		"<<think>x</think>>":                          "<>",
	} {
		for cut := range len(text) + 1 {
			var f thoughts
			if got := f.said(text[:cut]) + f.said(text[cut:]) + f.rest(); got != want {
				t.Errorf("%q cut at %d: %q, want %q", text, cut, got, want)
			}
		}
	}
}

// FuzzThoughts: it does not matter where the pieces end, and no mark is said.
func FuzzThoughts(f *testing.F) {
	f.Add("<think>x</think>Hello <think>", uint8(3))
	f.Add("</thi</think>nk>", uint8(1))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		var whole, pieces thoughts
		want := whole.said(text) + whole.rest()
		got := ""
		for rest, n := text, int(size)%7+1; rest != ""; {
			n = min(n, len(rest))
			got += pieces.said(rest[:n])
			rest = rest[n:]
		}
		if got += pieces.rest(); got != want || len(got) > len(text) {
			t.Errorf("%q in pieces: %q, want %q", text, got, want)
		}
		if !strings.Contains(text, "<") && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
