package conversation

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCountWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, " ": 0, "one": 1, "one two": 2, "Yes, I can.": 3, "ja": 1,
		"はい": 1, "はい。": 1, "少々お待ちください。": 5, "今日は 天気が": 4, "AIは便利": 3, "東京にある3つの店": 6, "ขอบคุณ": 3, "감사합니다 네": 2,
		"।": 1, "नमस्ते जी": 2,
	} {
		if got := countWords(text); got != want {
			t.Errorf("%q has %d words, want %d", text, got, want)
		}
	}
}

// TestWordBefore: where a text goes on, and what of it was heard, a word less than it may
// have been.
func TestWordBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		at    int
		again string // from WordBefore on
		heard string // by oneWordLess
	}{
		{"one two three", 0, "one two three", ""},
		{"one two three", 2, "one two three", ""},
		{"one two three", 9, "two three", "one"},
		{"one two three", 8, "two three", "one"},
		{"one two three", 13, "two three", "one two"},
		{"one two three", 99, "two three", "one two"},
		{"予約をお取りします", 9, "予約をお取りします", ""},
		{"予約をお取りします", 10, "予約をお取りします", ""},
		{"予約をお取りします", 18, "をお取りします", "予約"},
		{"予約をお取りします", 27, "りします", "予約をお取りし"},
		{"Zoomで会う。", 20, "で会う。", "Zoomで"},
	} {
		if got := c.text[WordBefore(c.text, c.at):]; got != c.again {
			t.Errorf("%q at %d goes on with %q, want %q", c.text, c.at, got, c.again)
		}
		if got := c.text[:oneWordLess(c.text, c.at)]; got != c.heard {
			t.Errorf("%q at %d: heard %q, want %q", c.text, c.at, got, c.heard)
		}
	}
}

// TestHeardOfOneLongWord: a voice that takes a sentence for one word does not make it
// all or nothing.
func TestHeardOfOneLongWord(t *testing.T) {
	t.Parallel()
	const text = "明日の午後三時にお待ちしております。"
	u := utterance{text: text, done: true, total: 4 * time.Second, words: []Word{{End: len(text), To: 4 * time.Second}}}
	if got := text[:u.heardUpTo(2*time.Second)]; got != "明日の午後" {
		t.Errorf("after half of it: %q", got)
	}
	if got := text[:u.heardUpTo(4*time.Second)]; got != text {
		t.Errorf("after all of it: %q", got)
	}
	if got := u.restart(2 * time.Second); got != 1700*time.Millisecond {
		t.Errorf("goes on at %v", got)
	}
}

func TestJoinWords(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][]string{
		"a b": {" a ", "", "b"}, "はい。どうぞ。": {"はい。", "どうぞ。"}, "네. 좋아요": {"네.", "좋아요"}, "はい ok": {"はい", "ok"},
	} {
		if got := joinWords(parts...); got != want {
			t.Errorf("%q: %q, want %q", parts, got, want)
		}
	}
}

// FuzzWords: boundaries are in the text, at characters, and before the position.
func FuzzWords(f *testing.F) {
	f.Add("one two 予約を", 9)
	f.Fuzz(func(t *testing.T, text string, at int) {
		for _, got := range []int{WordBefore(text, at), oneWordLess(text, at)} {
			if got < 0 || got > max(0, min(at, len(text))) || utf8.ValidString(text) && !utf8.ValidString(text[:got]) {
				t.Errorf("%q at %d: %d", text, at, got)
			}
		}
		if n := countWords(text); n < 0 || n > utf8.RuneCountInString(text) {
			t.Errorf("%q has %d words", text, n)
		}
	})
}

// TestServersOwnWords: all languages of agents have phrases and word lists of their own.
func TestServersOwnWords(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, language := range []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"} {
		p, l := PhrasesOf(language), lexiconOf(language)
		for _, text := range append(slices.Clone(p.Idle), p.Goodbye, p.Repeat, p.BadLine, p.Filler, p.Apology) {
			if len(p.Idle) != 2 || !strings.ContainsAny(lastRune(text), ".?。।？") || spoken(text) != text || slices.Contains(seen, text) {
				t.Errorf("%s: phrase %q", language, text)
			}
			seen = append(seen, text)
		}
		for name, words := range map[string]list{"hums": l.hums, "backchannels": l.backchannels, "stops": l.stops, "farewells": l.farewells,
			"hanging": l.hanging, "digits": l.digits, "dictated": l.dictated} {
			if n := len(slices.Collect(words.all())); n < 3 {
				t.Errorf("%s: %d %s", language, n, name)
			}
			for phrase := range words.all() {
				if got := strings.Join(wordsOf(phrase), " "); name != "dictated" && got != phrase {
					t.Errorf("%s: %s: %q is compared as %q", language, name, phrase, got)
				}
			}
		}
		if got := New(Config{Language: language + "-XX"}).Prepared()[0]; got != p.Filler {
			t.Errorf("%s: a machine says %q", language, got)
		}
		if stop := first(l.stops); judge(stop, Low, false, false, &l) != interruption {
			t.Errorf("%s: %q does not interrupt", language, stop)
		}
		if word := first(l.backchannels); judge(word, Low, false, false, &l) != backchannel {
			t.Errorf("%s: %q interrupts", language, word)
		}
	}
}

// first is what comes first in a list.
func first(l list) string {
	for s := range l.all() {
		return s
	}
	return ""
}

// TestScriptsWithoutBlanks: what is matched by words elsewhere is found inside them.
func TestScriptsWithoutBlanks(t *testing.T) {
	t.Parallel()
	ja, ko := lexiconOf("ja"), lexiconOf("ko")
	if !ja.asksForDictation("お電話番号をお願いします。") || !ko.asksForDictation("전화번호를 말씀해 주세요.") || ja.asksForDictation("はい、どうぞ。") {
		t.Error("what is asked for is not recognised")
	}
	if !unfinished("予約を", wordsOf("予約を"), &ja) || !unfinished("明日は、", wordsOf("明日は、"), &ja) || unfinished("お願いします。", wordsOf("お願いします。"), &ja) {
		t.Error("the end of a sentence is not recognised")
	}
	if v := judge("ちょっと待ってください", Low, false, false, &ja); v != interruption {
		t.Error("a stop word inside a text does not interrupt")
	}
	if n := ja.dictation(wordsOf("０９０ 1234")); n != 7 {
		t.Errorf("%d digits", n)
	}
}
