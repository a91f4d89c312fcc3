package synthesizer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/synthesizer"
)

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \t\n", nil},
		{"... - !", nil},
		{"Hello", []string{"Hello"}},
		{"  Hello,  world! ", []string{"Hello,", "world!"}},
		{"Yes - of course.", []string{"Yes -", "of", "course."}},
		{"- well, no", []string{"- well,", "no"}},
		{"Größe 12 — ¿qué?", []string{"Größe", "12 —", "¿qué?"}},
		{"a\xffb c", []string{"a\xffb", "c"}},
	} {
		var got []string
		for _, w := range synthesizer.SplitWords(c.text) {
			got = append(got, c.text[w.Start:w.End])
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("words of %q (-want +got):\n%s", c.text, diff)
		}
	}
}
