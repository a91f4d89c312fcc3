package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/server"
)

// TestTrunksAdd: what a preset knows and what was said is stored and tested.
func TestTrunksAdd(t *testing.T) {
	t.Parallel()
	const given = "trunks add asterisk --name pbx --set host=10.0.0.5 --set addresses=10.0.0.5,10.0.0.6 --set numbers=+14155550123 --set realm=r"
	tested := `{"name":"pbx","ok":false,"checks":[{"step":"options","ok":true,"latency_ms":3,"detail":"200 OK from 10.0.0.5:5060"},
		{"step":"register","ok":true,"skipped":true,"detail":"the trunk has no username"},{"step":"call","ok":false,"error":"dial: unknown number (status 404)","remedy":"See extensions.conf."}]}`
	for name, c := range map[string]struct {
		args  string
		test  string
		code  int
		out   string
		tests int
	}{
		"a step fails": {"", tested, 1, "trunk     pbx is stored and takes calls\noptions   ok, 3 ms: 200 OK from 10.0.0.5:5060\nregister  not done: the trunk has no username\n" +
			"call      failed: dial: unknown number (status 404)\n          See extensions.conf.\n", 1},
		"all is well": {"", `{"name":"pbx","ok":true,"checks":[]}`, 0, "trunk     pbx is stored and takes calls\n" +
			"next      sidetone numbers buy +14155550123 --set telephony_provider=sip --agent ID\n", 1},
		"untested": {" --no-test", "", 0, "trunk     pbx is stored and takes calls\nnext      sidetone numbers buy +14155550123 --set telephony_provider=sip --agent ID\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stored map[string]any
			tests := 0
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // what came of it is compared
				if r.URL.Path == "/v1/trunks/test" {
					tests++
					_, _ = io.WriteString(w, c.test)
					return
				}
				if err := json.Unmarshal(body, &stored); err != nil || r.URL.Path != "/v1/trunks/create" {
					t.Errorf("%s: %v", r.URL, err)
				}
				_, _ = w.Write(body)
			}))
			defer api.Close()
			var out, errs bytes.Buffer
			code := run(append(strings.Fields(given+c.args), "--url", api.URL, "--key", "sk_x"), &out, &errs)
			if code != c.code || out.String() != c.out || tests != c.tests {
				t.Errorf("code %d after %d tests, printed %q, %q", code, tests, out.String(), errs.String())
			}
			want := map[string]any{"name": "pbx", "preset": "asterisk", "host": "10.0.0.5", "transport": "udp", "realm": "r",
				"addresses": []any{"10.0.0.5", "10.0.0.6"}, "numbers": []any{"+14155550123"}}
			if diff := cmp.Diff(want, stored); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTrunksAddPrints: what is printed is a configuration file.
func TestTrunksAddPrints(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := run(strings.Fields("trunks add telnyx --print --set username=acct --set password=secret --set numbers=+14155550123"), &out, &errs)
	if code != 0 || !strings.HasPrefix(out.String(), "sip:\n  trunks:\n    - name: telnyx\n      preset: telnyx\n      host: sip.telnyx.com:5060\n") {
		t.Fatalf("code %d, printed %s%s", code, out.String(), errs.String())
	}
	path := filepath.Join(t.TempDir(), "sidetone.yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := server.LoadConfig(path, nil)
	if err != nil || len(c.SIP.Trunks) != 1 || c.SIP.Trunks[0].Password != "secret" || len(c.SIP.Trunks[0].Addresses) != 8 || c.SIP.Trunks[0].Numbers[0] != "+14155550123" {
		t.Errorf("%v: %+v", err, c.SIP.Trunks)
	}
}

// TestTrunksAddAsks: what is missing is named, and so are the presets.
func TestTrunksAddAsks(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"trunks add nobody": "there are asterisk, freeswitch, fritzbox, telnyx, twilio, vonage",
		"trunks add twilio": "host is needed: Termination SIP URI",
	} {
		var out, errs bytes.Buffer
		if code := run(append(strings.Fields(args), "--key", "sk_x"), &out, &errs); code != 1 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: code %d, %s", args, code, errs.String())
		}
	}
}

// TestPrivateSystemsAreAdvised: what stands in a network of one's own is for the operator
// to allow.
func TestPrivateSystemsAreAdvised(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"statusCode":400,"message":"host: 10.0.0.5:5060 must not be reached: the operator can allow it with outbound.allow"}`)
	}))
	defer api.Close()
	var out, errs bytes.Buffer
	code := run(append(strings.Fields("trunks add asterisk --set host=10.0.0.5 --set numbers=+14155550123"), "--url", api.URL, "--key", "sk_x"), &out, &errs)
	if code != 1 || !strings.Contains(errs.String(), "sidetone trunks add asterisk --print") {
		t.Errorf("code %d: %s", code, errs.String())
	}
}
