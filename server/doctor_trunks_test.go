package server

import (
	"strings"
	"testing"
)

// The doctor warns of each setting with which a trunk does without a protection, and of
// none that does not.
func TestDoctorWarnsOfTrunks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings string
		want     []string // details, in order
	}{
		"nothing":      {"", nil},
		"usual":        {"transport: tls, media: {sources: peer, srtp: require}", nil},
		"strict":       {"media: {sources: strict}", nil},
		"learn":        {"media: {sources: learn}", []string{"media.sources: learn"}},
		"learn, SRTP":  {"transport: tls, media: {sources: learn, srtp: require}", []string{"has the keys"}},
		"insecure":     {"transport: tls, tls: {insecure: true}", []string{"tls.insecure"}},
		"over clear":   {"media: {srtp: prefer, srtp_over_clear: true}", []string{"srtp_over_clear"}},
		"all of these": {"tls: {insecure: true}, media: {sources: learn, srtp: prefer, srtp_over_clear: true}", []string{"tls.insecure", "srtp_over_clear", "learn"}},
	} {
		c, err := LoadConfig(write(t, "sip: {trunks: [{name: carrier, host: sip.carrier.example, "+test.settings+"}]}"), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := checkTrunkSettings(c.SIP)
		if len(found) != len(test.want) {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for i, f := range found {
			if f.Name != "trunk carrier" || f.Fix == "" || !f.Optional || !strings.Contains(f.Detail, test.want[i]) {
				t.Errorf("%s: %+v, want %s", name, f, test.want[i])
			}
		}
	}
	if found := trunkRisks("t", Trunk{EnvironmentID: "e", TLS: TrunkTLS{Insecure: true}}); len(found) != 1 || strings.Contains(found[0].Fix, "ca_file") {
		t.Errorf("an environment's trunk cannot name files: %+v", found)
	}
}
