package process_test

import (
	"testing"

	"github.com/sidetone/sidetone/process"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"bin/sidetone": "bin/sidetone", "my data": "'my data'", "": "''", "it's": `'it'\''s'`, "$HOME": "'$HOME'"} {
		if got := process.Quote(word); got != want {
			t.Errorf("process.Quote(%q) is %s, want %s", word, got, want)
		}
	}
}
