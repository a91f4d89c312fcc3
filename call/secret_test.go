package call

import (
	"testing"

	"github.com/sidetone/sidetone/conversation"
)

func heardAs(s *secrets, text string, final bool) string {
	return s.hear(conversation.Heard{Text: text, Final: final}).Text
}

func TestSecretsHideWhatIsSaidAndPressed(t *testing.T) {
	t.Parallel()
	s := newSecrets("en")
	if got := heardAs(s, "four one", true); got != "four one" {
		t.Errorf("nothing is asked for, and %q comes of it", got)
	}
	s.on = true
	for _, c := range []struct {
		text  string
		final bool
		want  string
	}{
		{"my PIN is Four,", false, "hidden0 hidden1"},
		{"my PIN is four one", false, "hidden0 hidden1 hidden2"}, // the same digits have the same numbers
		{"My pin is 4 2", true, "hidden0 hidden1 hidden3"},       // one was heard otherwise
		{"42", false, "hidden4 hidden5"},
		{"twenty two", true, "hidden0 hidden6"},
		{"", true, ""},
		{"I do not want to", true, "hidden0"},
	} {
		if got := heardAs(s, c.text, c.final); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if got := s.press(conversation.Digit{Key: '7'}); got != (conversation.Digit{Key: conversation.HiddenKey, Ref: 7}) {
		t.Errorf("a key: %+v", got)
	}
	if got := s.press(conversation.Digit{Key: '#'}); got.Key != '#' || got.Ref != 0 {
		t.Errorf("the end key: %+v", got)
	}
	s.collected(conversation.Collected{Field: "pin", Digits: "hidden1 hidden3 hidden7"})
	args, values, err := s.reveal(`{"pin":"{{pin}}","text":"pin {{pin}}"}`, []string{"pin", "card"})
	if err != nil || args != `{"pin":"427","text":"pin 427"}` || len(values) != 1 {
		t.Errorf("%s, %q, %v", args, values, err)
	}
	if got := withhold("427 is right", values); got != "**** is right" {
		t.Errorf("an action returns %q", got)
	}
	s.collected(conversation.Collected{Field: "pin", Digits: "hidden1 hidden99"})
	if _, _, err := s.reveal(`{"pin":"{{pin}}"}`, []string{"pin"}); err == nil || err.Error() != "pin has no value: ask the caller for it" {
		t.Errorf("digits of another process: %v", err)
	}
}
