package conversation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChunker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []string
		want []string
	}{
		{"sentences", []string{"Good morning to you. How are you? "}, []string{"Good morning to you.", "How are you?"}},
		{"first of three words", []string{"Yes. Of course. I can."}, []string{"Yes. Of course.", "I can."}},
		{"nothing but a short one", []string{"Yes."}, []string{"Yes."}},
		{"question at once", []string{"What can I do?", " Tell"}, []string{"What can I do?", "Tell"}},
		{"split anywhere", []string{"Go", "od mor", "ning all", ".", " Bye", "."}, []string{"Good morning all.", "Bye."}},
		{"title", []string{"Please ask Dr. Smith about it. Thanks."}, []string{"Please ask Dr. Smith about it.", "Thanks."}},
		{"initial", []string{"My name is J. Smith today."}, []string{"My name is J. Smith today."}},
		{"decimal", []string{"It costs 3.50 in all. Fine."}, []string{"It costs 3.50 in all.", "Fine."}},
		{"number at the end", []string{"We open at 9. See you then."}, []string{"We open at 9.", "See you then."}},
		{"numbered list", []string{"1. Take the bus now. 2. Get off."}, []string{"1. Take the bus now.", "2. Get off."}},
		{"lines", []string{"One two three\nfour five\n"}, []string{"One two three", "four five"}},
		{"late closing mark", []string{"He said \"come in!", "\" Then he left."}, []string{"He said \"come in!", "Then he left."}},
		{"several marks", []string{"You did what?! I see."}, []string{"You did what?!", "I see."}},
		{"markup", []string{"## Our **offer** for _you_:\n- `one` thing\n"}, []string{"Our offer for you :", "one thing"}},
		{"link", []string{"See [our page](https://example.com/a) for more."}, []string{"See our page for more."}},
		{"pictographs", []string{"That is great 😀👍🏽. ❤️"}, []string{"That is great ."}},
		{"nothing to say", []string{"...", "\n\n", "***", " "}, nil},
		{"first clause without blanks", []string{"明日の午後は、", "空いて", "おります"}, []string{"明日の午後は、", "空いております"}},
		{"first sentence without blanks", []string{"はい。承知いたしました。", "お名前をどうぞ"}, []string{"はい。承知いたしました。", "お名前をどうぞ"}},
		{"a short one without blanks", []string{"はい、そうです！"}, []string{"はい、そうです！"}},
		{"quoted without blanks", []string{"「営業しています。」と書きました。"}, []string{"「営業しています。」", "と書きました。"}},
		{"other scripts", []string{"今日は 天気が いいですね。 はい。"}, []string{"今日は 天気が いいですね。", "はい。"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := chunker{abbreviations: english().abbreviations}
			var got []string
			for _, s := range c.in {
				got = append(got, k.push(s)...)
			}
			got = append(got, k.flush()...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChunkerWhole(t *testing.T) {
	t.Parallel()
	k := chunker{}
	k.push("You have ten dollars left. And tomorrow")
	if got := k.whole(); len(got) != 0 {
		t.Errorf("whole = %q, want nothing but what was cut already", got)
	}
	k.push("You have ten dollars left.")
	if got := k.whole(); len(got) != 1 {
		t.Errorf("whole = %q, want the sentence that was complete", got)
	}
}

// However the stream is cut, no letter is lost or repeated.
func FuzzChunker(f *testing.F) {
	f.Add("Hello there, Dr. Who. 1. Yes!\n2. No? [a](b) *c*", 3)
	f.Fuzz(func(t *testing.T, text string, at int) {
		if at < 0 || at > len(text) || strings.ContainsAny(text, "[]()") {
			return
		}
		k := chunker{abbreviations: english().abbreviations}
		out := append(k.push(text[:at]), k.push(text[at:])...)
		out = append(out, k.flush()...)
		got := letters(strings.Join(out, " "))
		want := letters(spoken(text))
		if strings.ToValidUTF8(text[:at], "") == text[:at] && strings.ToValidUTF8(text, "") == text && got != want {
			t.Errorf("chunks %q say %q, text says %q", out, got, want)
		}
	})
}

// letters returns text without blanks, marks and case.
func letters(text string) string {
	return strings.ReplaceAll(strings.Join(wordsOf(text), ""), "'", "")
}
