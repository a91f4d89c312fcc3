package conversation

import "testing"

func TestCover(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "",
		"a hidden agenda":                       "a hidden agenda",
		"hidden1 hidden2":                       "****",
		"keys pressed: hidden3 hidden4":         "keys pressed: ****",
		"hidden0 hidden1, and hidden2 hidden3.": "**** and ****",
	} {
		if got := cover(text); got != want {
			t.Errorf("cover(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestSpokenDigits: each language has a word for every digit, and the lists that the ends of
// turns are told by know them.
func TestSpokenDigits(t *testing.T) {
	t.Parallel()
	for language, lists := range lexicons() {
		l, seen := lists(), map[rune]bool{}
		for word, digit := range SpokenDigits(language) {
			seen[digit] = true
			if l.dictation([]string{word}) != 1 {
				t.Errorf("%s: %q is no digit where turns end", language, word)
			}
		}
		if len(seen) != 10 {
			t.Errorf("%s: %d digits", language, len(seen))
		}
	}
}

func TestHiddenDigits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		digits int
		mixed  bool
	}{
		"": {}, "hidden0": {0, true}, "hidden1 hidden2": {2, false}, "hidden0 hidden1 hidden2": {2, true},
		"hidden1 hidden0 hidden2": {1, true}, "keys pressed: hidden1 hidden2 hidden3": {3, false},
	} {
		digits, mixed := hiddenDigits(wordsOf(text))
		if len(digits) != want.digits || mixed != want.mixed {
			t.Errorf("%q: %d digits, mixed %v; want %+v", text, len(digits), mixed, want)
		}
	}
}
