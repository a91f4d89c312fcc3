package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
)

// asking sends a request with a key and returns the answer; status is 200 or the error's.
func (r *running) asking(key, method, path, body string) (out map[string]any, status int) {
	r.t.Helper()
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	path, text, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(text)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.client(key).Do(r.t.Context(), method, path, query, sent, &out)
	if refused := (*client.Error)(nil); errors.As(err, &refused) {
		return map[string]any{"message": refused.Error()}, refused.StatusCode
	}
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return out, http.StatusOK
}

// must is asking for what has to succeed.
func (r *running) must(key, method, path, body string) map[string]any {
	r.t.Helper()
	out, status := r.asking(key, method, path, body)
	if status != http.StatusOK {
		r.t.Fatalf("%s %s: %v\n%s", method, path, out["message"], r.log)
	}
	return out
}

// echoing answers calls with an agent that says back what it hears.
const echoing = `{"prompt":{"content":"x"},"provider":"echo"}`

// TestTrunksOfEnvironments: two environments bring the same carrier while the server
// runs. Each one's numbers ring there, in both directions, and when a trunk is deleted,
// new calls are not taken any more and those under way go on.
func TestTrunksOfEnvironments(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.SIP.Loopback = false
	config.Outbound.Allow = []string{"127.0.0.0/8"}
	r := run(t, config)
	one := r.ready.APIKey
	other, _ := r.must(one, http.MethodPost, "/v1/environments/create", `{"name":"other"}`)["id"].(string)
	two := r.keyIn(other)

	incoming := make(chan telephony.Leg, 4)
	carrier, err := sip.New(sip.Config{Listen: "127.0.0.1:0", Trunks: []sip.Trunk{{Name: "server", Host: r.ready.SIP}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = carrier.Close() }()
	go func() {
		_ = carrier.Serve(t.Context(), func(ctx context.Context, leg telephony.Leg) {
			_ = leg.Accept(ctx)
			incoming <- leg
			for range leg.Events(ctx) { //nolint:revive // until it ends
			}
		})
	}()
	call := func(number string) (telephony.Leg, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		return carrier.Dial(ctx, telephony.DialRequest{From: theirNumber, To: number, Trunk: "server"}, nil)
	}
	refused := func(number string, statuses ...int) {
		t.Helper()
		_, err := call(number)
		var failed *telephony.DialError
		if !errors.As(err, &failed) {
			t.Fatalf("%s: %v", number, err)
		}
		for _, status := range statuses {
			if failed.Status == status {
				return
			}
		}
		t.Errorf("%s: %v, want %v", number, err, statuses)
	}
	const first, second = "+14155550100", "+14155550101"
	trunk := func(number string) string {
		return `{"name":"carrier","host":"` + carrier.Addr().String() + `","addresses":["127.0.0.1"],"numbers":["` + number + `"]}`
	}
	refused(first, 0) // a stranger gets no response

	r.must(one, http.MethodPost, "/v1/trunks/create", trunk(first))
	r.must(one, http.MethodPost, "/v1/numbers/buy", `{"phone_number":"`+first+`","telephony_provider":"sip","inbound_agent":`+echoing+`}`)
	leg, err := call(first)
	if err != nil {
		t.Fatalf("a call in: %v\n%s", err, r.log)
	}

	r.must(two, http.MethodPost, "/v1/trunks/create", trunk(second))
	refused(second, 404) // nobody has it yet
	r.must(two, http.MethodPost, "/v1/numbers/buy", `{"phone_number":"`+second+`","telephony_provider":"sip","inbound_agent":`+echoing+`}`)
	for _, number := range []string{first, second} {
		leg, err := call(number)
		if err != nil {
			t.Fatalf("%s: %v\n%s", number, err, r.log)
		}
		_ = leg.Hangup(t.Context(), telephony.CauseNormal)
	}
	if _, status := r.asking(two, http.MethodPost, "/v1/numbers/buy", `{"phone_number":"+14155550102","telephony_provider":"sip"}`); status != 404 {
		t.Errorf("a number that no trunk of the environment lists was sold: %d", status)
	}

	placed := r.must(two, http.MethodPost, "/v1/calls/create", `{"to_number":"`+theirNumber+`","from_number":"`+second+`","agent":`+echoing+`}`)
	select {
	case out := <-incoming:
		if info := out.Info(); info.From != second || info.To != theirNumber {
			t.Errorf("call out from %s to %s", info.From, info.To)
		}
		r.must(two, http.MethodPost, "/v1/calls/end?id="+placed["id"].(string), "")
	case <-time.After(20 * time.Second):
		t.Fatalf("nobody was called\n%s", r.log)
	}

	r.must(one, http.MethodPost, "/v1/numbers/cancel?phone_number="+first[1:], "")
	r.must(one, http.MethodDelete, "/v1/trunks/delete?name=carrier", "")
	refused(first, 404) // the other environment's trunk still admits the carrier
	select {
	case ended := <-ends(t, leg):
		t.Errorf("the call ended with its trunk: %+v", ended)
	case <-time.After(300 * time.Millisecond):
	}
	if err := leg.Hangup(t.Context(), telephony.CauseNormal); err != nil {
		t.Errorf("hang up after the trunk was deleted: %v", err)
	}
	r.must(two, http.MethodPost, "/v1/numbers/cancel?phone_number="+second[1:], "")
	r.must(two, http.MethodDelete, "/v1/trunks/delete?name=carrier", "")
}

// ends receives when a leg ends.
func ends(t *testing.T, leg telephony.Leg) <-chan telephony.Event {
	t.Helper()
	out := make(chan telephony.Event, 1)
	go func() {
		for ev := range leg.Events(t.Context()) {
			if ev.Kind == telephony.KindEnded {
				out <- ev
			}
		}
	}()
	return out
}

// keyIn makes a key of another environment.
func (r *running) keyIn(environment string) string {
	r.t.Helper()
	var out struct {
		Key string `json:"key"`
	}
	c := r.client(r.ready.APIKey)
	c.Environment = environment
	err := c.Do(r.t.Context(), http.MethodPost, "/v1/api_keys/create", nil, json.RawMessage(`{"scopes":["read","write","calls"]}`), &out)
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Key
}

// TestTrunksOfOtherNodes: a node follows what another one stored, and a row that it
// cannot use costs no other trunk.
func TestTrunksOfOtherNodes(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, err := s.CreateAccount(t.Context(), "e", "production")
		if err != nil {
			t.Fatal(err)
		}
		driver, err := sip.New(sip.Config{Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = driver.Close() }()
		guard, err := newGuard(OutboundConfig{})
		if err != nil {
			t.Fatal(err)
		}
		log := &lines{}
		l := newTrunkLines(SIPConfig{Trunks: []Trunk{{Name: "operators"}}}, nil, s, guard, slog.New(slog.NewTextHandler(log, nil)))
		l.driver = driver
		if err := l.follow(t.Context()); err != nil || len(l.now().list) != 1 {
			t.Fatalf("%v, %v", l.now().list, err)
		}
		add := func(id, settings string) {
			t.Helper()
			row := sidetone.NewTrunk(id, env.ID, time.Now())
			row.Name, row.Settings = id, []byte(settings)
			if err := s.Write(t.Context(), env.ID, func(tx *store.Tx) error { return tx.InsertTrunk(row) }); err != nil {
				t.Fatal(err)
			}
		}
		add("good", `{"host":"sip.acme.example","numbers":["+14155550100"]}`)
		add("newer", `{"host":"sip.acme.example","of_a_later_version":true}`)
		add("broken", `{`)
		if err := l.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.now().in(env.ID).owners("+14155550100"); len(got) != 1 || got[0] != "good" || len(l.now().list) != 2 {
			t.Errorf("owners %v of %+v", got, l.now().list)
		}
		if got := l.now().in("another").owners("+14155550100"); len(got) != 0 {
			t.Errorf("another environment uses %v", got)
		}
		for _, name := range []string{"newer", "broken"} {
			if !strings.Contains(log.String(), "trunk="+name) {
				t.Errorf("the log does not name %s: %s", name, log)
			}
		}
	})
}

// TestChoose: of several trunks a call may come from, the one that lists the number and
// whose environment has it.
func TestChoose(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env, err := s.CreateAccount(t.Context(), "e", "production")
	if err != nil {
		t.Fatal(err)
	}
	number := sidetone.NewNumber("n", env.ID, "+14155550100", "sip", time.Now())
	if err := s.Write(t.Context(), env.ID, func(tx *store.Tx) error { return tx.InsertNumber(number) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Route(t.Context(), "+14155550100"); err != nil { // memory is filled
		t.Fatal(err)
	}
	l := newTrunkLines(SIPConfig{Trunks: []Trunk{{Name: "operators", Numbers: []string{"+14155550109"}},
		{Name: "squatter", ID: "squatter", EnvironmentID: "another", Numbers: []string{"+14155550100", "+14155550105"}},
		{Name: "rightful", ID: "rightful", EnvironmentID: env.ID, Numbers: []string{"+14155550100"}}}}, nil, s, nil, nil)
	among := []string{"operators", "", "squatter", "rightful"}
	for called, want := range map[string]string{"+14155550100": "rightful", "4155550100": "rightful", "+14155550105": "squatter",
		"+14155550109": "operators", "+14155550111": "", "reception": ""} {
		got, ok := l.choose(called, among)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, want %q", called, got, ok, want)
		}
	}
}

// TestTryTrunk tests trunks whose far end is an echo, refuses, and is not there.
func TestTryTrunk(t *testing.T) {
	t.Parallel()
	far, err := sip.New(sip.Config{Listen: "127.0.0.1:0", LocalSources: []netip.Prefix{}, Users: []sip.User{{Name: "acct", Password: "pw"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	go func() {
		_ = far.Serve(t.Context(), func(ctx context.Context, leg telephony.Leg) {
			if leg.Info().To != "600" {
				_ = leg.Hangup(ctx, telephony.CauseUnknownNumber)
				return
			}
			_ = leg.Accept(ctx)
			for ev := range leg.Events(ctx) {
				if ev.Kind == telephony.KindAudio && !ev.Audio.Missing {
					_ = leg.Send(ev.Audio)
				}
			}
		})
	}()
	config := testConfig(t)
	host := far.Addr().String()
	config.SIP.Trunks = []Trunk{
		{Name: "good", Host: host, Username: "acct", Password: "pw", Numbers: []string{ourNumber}, Preset: "asterisk"},
		{Name: "wrong", Host: host, Username: "acct", Password: "no", Numbers: []string{ourNumber}, Preset: "asterisk"},
		{Name: "inward"}, {Name: "bare", Host: host},
		{Name: "nobody", Host: "127.0.0.1:9", Transport: "tcp"},
	}
	r := run(t, config)
	test := func(query string) []map[string]any {
		t.Helper()
		var out []map[string]any
		for _, check := range r.must(r.ready.APIKey, http.MethodPost, "/v1/trunks/test?"+query, "")["checks"].([]any) {
			out = append(out, check.(map[string]any))
		}
		return out
	}
	good := test("name=good")
	if len(good) != 3 || good[0]["ok"] != true || good[1]["ok"] != true || good[2]["ok"] != true || !strings.Contains(good[2]["detail"].(string), "sound came back after") {
		t.Errorf("good: %v\n%s", good, r.log)
	}
	if absent := test("name=good&echo=601"); absent[2]["ok"] != false || !strings.Contains(absent[2]["remedy"].(string), "context") {
		t.Errorf("an extension that is not there: %v", absent[2])
	}
	if inward := test("name=inward"); len(inward) != 1 || inward[0]["skipped"] != true {
		t.Errorf("inward: %v", inward)
	}
	if bare := test("name=bare"); len(bare) != 3 || bare[1]["skipped"] != true || bare[2]["skipped"] != true {
		t.Errorf("bare: %v", bare)
	}
	if nobody := test("name=nobody"); len(nobody) != 1 || nobody[0]["ok"] != false || nobody[0]["remedy"] == "" {
		t.Errorf("nobody: %v", nobody)
	}
	wrong := test("name=wrong")
	if len(wrong) != 3 || wrong[1]["ok"] != false || !strings.Contains(wrong[1]["error"].(string), "401") || !strings.Contains(wrong[1]["remedy"].(string), "username and password") {
		t.Errorf("wrong: %v", wrong)
	}
	if _, status := r.asking(r.ready.APIKey, http.MethodPost, "/v1/trunks/test?name=none", ""); status != 404 {
		t.Errorf("no trunk: %d", status)
	}
}
