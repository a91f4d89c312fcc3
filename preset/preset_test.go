package preset_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/preset"
)

// Every preset can be read, says where its facts are from and when they were read, and
// has a page.
func TestPresets(t *testing.T) {
	t.Parallel()
	names := preset.Names()
	for _, want := range []string{"twilio", "telnyx", "vonage", "asterisk", "freeswitch", "fritzbox"} {
		if !slices.Contains(names, want) {
			t.Errorf("no preset %s", want)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := preset.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Title == "" || p.NumberForm == "" || p.Codecs == "" || len(p.Sources) == 0 || len(p.Unverified) == 0 || len(p.Needs) == 0 {
				t.Errorf("incomplete: %+v", p)
			}
			page, err := os.ReadFile("../docs/lines/" + name + ".md")
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Sources {
				if _, err := time.Parse(time.DateOnly, s.Date); err != nil || !strings.HasPrefix(s.URL, "http") || s.Says == "" {
					t.Errorf("source %+v: %v", s, err)
				}
				if !strings.Contains(string(page), s.URL) {
					t.Errorf("the page does not name %s", s.URL)
				}
			}
			for _, network := range append(p.Media, p.Ports) {
				if !strings.Contains(string(page), network) {
					t.Errorf("the page does not name %s", network)
				}
			}
			if p.Echo != nil && !strings.Contains(string(page), p.Echo.Number) {
				t.Errorf("the page does not name the echo %s", p.Echo.Number)
			}
		})
	}
	if _, err := preset.Find("nobody"); err == nil || !strings.Contains(err.Error(), "telnyx") {
		t.Errorf("an unknown preset: %v", err)
	}
}

// The remedy of a status wins over the one of its step.
func TestRemedy(t *testing.T) {
	t.Parallel()
	p := preset.Preset{Remedies: map[string]string{"call": "any", "call 403": "forbidden"}}
	for status, want := range map[int]string{403: "forbidden", 404: "any", 0: "any"} {
		if got, _ := p.Remedy("call", status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
	if got, exact := p.Remedy("options", 0); exact || got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
