package dialect

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTypes shows resources of every type to clients that know few of them.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		k         Types
		from, to  string
		needs     string
		unchanged bool
	}{
		{VoiceTypes(), "voice_flite", "voice_azure", "voice_name", false},
		{VoiceTypes(), "voice_rime", "voice_rime", "speaker", true},
		{ActionTypes(), "action_warm_transfer", "action_add_to_conference", "config", false},
		{ActionTypes(), "action_something", "action_external", "config", false},
		{ConnectionTypes(), "account_connection_telnyx", "account_connection_twilio", "credentials", false},
		{ConnectionTypes(), "account_connection_deepseek", "account_connection_openai", "credentials", false},
		{modelAccounts(), "account_connection_twilio", "account_connection_openai", "credentials", false},
		{carrierAccounts(), "account_connection_openai", "account_connection_twilio", "credentials", false},
	} {
		o := map[string]any{"id": "1", "user_id": "u", "label": "L", "type": test.from, "own": 1}
		test.k.fit(o)
		_, completed := o[test.needs]
		_, own := o["own"]
		if o["type"] != test.to || o["id"] != "1" || o["label"] != "L" || !completed || own != test.unchanged {
			t.Errorf("%s became %v", test.from, o)
		}
		if again := test.k.Shown(test.from); again != test.to {
			t.Errorf("%s is shown as %s", test.from, again)
		}
	}
}

// TestTextMaps: the values of free maps are texts.
func TestTextMaps(t *testing.T) {
	t.Parallel()
	got := textMap(json.RawMessage(`{"s":"x","n":1.50,"b":true,"z":null,"o":{ "a" : [1] }}`))
	want := map[string]string{"s": "x", "n": "1.50", "b": "true", "z": "", "o": `{"a":[1]}`}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := withoutPlus([]string{"+1", "2"}); !cmp.Equal(got, any([]string{"1", "2"})) {
		t.Errorf("got %v", got)
	}
}
