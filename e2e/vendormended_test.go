package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// TestRecordSaysWhoIsPassedOver lets a voice want no requests for ten minutes: the record
// of the next call says who speaks in its place, why and until when, and it is left alone.
// A connection that was tested is used again at once, as is a changed key.
func TestRecordSaysWhoIsPassedOver(t *testing.T) {
	t.Parallel()
	listen(t)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	s := start(t, append(p.env(), "SIDETONE_OUTBOUND_ALLOW=127.0.0.1")...)
	ctx := within(t, 4*time.Minute)
	account := s.connect(t, "elevenlabs", vendorKey, p.url["elevenlabs"])
	number := s.placeJSON(t, mishap{part: voicePart}.unlucky())
	control := p.control["elevenlabs "+voicePart]
	limited := standin.Fault{Kind: standin.Status, Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Minute}

	// speaks holds a call and returns who speaks first, and how often the first voice was asked.
	speaks := func() (v visit, who string, asked int) {
		before := len(control.Ledger())
		v = s.ring(t, ctx, number, toneLine("please tell me the price", 0))
		served, _ := v.events[0].Data["vendors"].(map[string]any)
		return v, fmt.Sprint(served[voicePart]), len(control.Ledger()) - before
	}
	// passedOver checks a call whose voice is another one.
	passedOver := func(when string) {
		v, who, asked := speaks()
		i := slices.IndexFunc(v.events, func(e client.Event) bool { return e.Data["passed_over"] == true })
		if i < 0 || who != "cartesia" || asked != 0 {
			t.Fatalf("%s: %s speaks, elevenlabs was asked %d times, %v", when, who, asked, v.call.Errors)
		}
		e := v.events[i]
		if e.Data["vendor"] != "elevenlabs" || e.Data["next"] != "cartesia" || e.Data["status"] != 429.0 || e.Data["since"] == nil || e.Data["until"] == nil {
			t.Errorf("%s: %q %v", when, e.Text, e.Data)
		}
		if !slices.ContainsFunc(v.call.Errors, func(text string) bool {
			return strings.HasPrefix(text, "voice: elevenlabs is passed over until ") && strings.Contains(text, "too many requests (429)")
		}) {
			t.Errorf("%s: errors %q", when, v.call.Errors)
		}
	}
	serves := func(when string) {
		if v, who, asked := speaks(); who != "elevenlabs" || asked == 0 {
			t.Errorf("%s: %s speaks, elevenlabs was asked %d times, %q", when, who, asked, v.call.Errors)
		}
	}

	control.Inject(limited)
	speaks()
	passedOver("after a refusal")
	control.Clear()
	passedOver("within Retry-After")
	if err := s.api.Do(ctx, http.MethodPost, "/v1/account_connections/test", url.Values{"id": {account}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	serves("after a test")

	control.Inject(limited)
	speaks()
	control.Clear()
	passedOver("refused again")
	changed := map[string]any{"credentials": map[string]string{"elevenlabs_api_key": vendorKey + " "}}
	if err := s.api.Do(ctx, http.MethodPost, "/v1/account_connections/update", url.Values{"id": {account}}, changed, nil); err != nil {
		t.Fatal(err)
	}
	serves("after another key")
	p.idle(t)
}
