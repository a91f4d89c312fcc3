package call

import (
	"errors"
	"reflect"
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
	const asked = `{"pin":"{{pin}}","text":"pin {{pin}}"}`
	values, err := s.in(asked, []string{"pin", "card"})
	if got := reveal([]byte(asked), values); err != nil || string(got) != `{"pin":"427","text":"pin 427"}` || len(values) != 1 {
		t.Errorf("%s, %q, %v", got, values, err)
	}
	if got := withhold("427 is right", values); got != "**** is right" {
		t.Errorf("an action returns %q", got)
	}
	for _, failure := range []error{errors.New("427 is wrong"), &Misused{"427 is wrong"}, &Uncertain{"427 is wrong"}} {
		result, err := withheld(ToolResult{Text: "427", Say: "say 427", JSON: []byte(`{"a":427,"b":"427"}`)}, failure, values)
		if err.Error() != "**** is wrong" || reflect.TypeOf(err) != reflect.TypeOf(failure) || result.Text != "****" || result.Say != "say ****" || result.JSON != nil {
			t.Errorf("%T: %v, %+v", failure, err, result)
		}
	}
	s.collected(conversation.Collected{Field: "pin", Digits: "hidden1 hidden99"})
	if _, err := s.in(`{"pin":"{{pin}}"}`, []string{"pin"}); err == nil || err.Error() != "pin has no value: ask the caller for it" {
		t.Errorf("digits of another process: %v", err)
	}
}
