package server

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/telephony/sip"
)

// write puts text into a file of the test's own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sidetone.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNothingConfiguredMeansTheDefaults(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"no file": "", "empty file": write(t, ""), "sample": "../sidetone.sample.yaml"} {
		c, err := LoadConfig(path, []string{"HOME=/root", "SIDETONEX=1"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(normal(Defaults()), normal(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// normal makes empty lists nil.
func normal(c Config) Config {
	if len(c.SIP.Sources) == 0 {
		c.SIP.Sources = nil
	}
	if len(c.HTTP.TrustedProxies) == 0 {
		c.HTTP.TrustedProxies = nil
	}
	if len(c.SIP.Users) == 0 {
		c.SIP.Users = nil
	}
	if len(c.SIP.Trunks) == 0 {
		c.SIP.Trunks = nil
	}
	if len(c.Auth.JWT) == 0 {
		c.Auth.JWT = nil
	}
	if len(c.Providers) == 0 {
		c.Providers = nil
	}
	if len(c.Outbound.Allow)+len(c.Outbound.Only) == 0 {
		c.Outbound.Allow, c.Outbound.Only = nil, nil
	}
	return c
}

func TestSampleMentionsEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../sidetone.sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range knownKeys() {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if vendor, _, ours := strings.Cut(strings.TrimPrefix(key, "providers."), "."); ours && !strings.Contains(string(text), vendor) {
			t.Errorf("sidetone.sample.yaml does not mention %s", vendor)
		}
		if !strings.Contains(string(text), name+":") {
			t.Errorf("sidetone.sample.yaml does not mention %s", key)
		}
	}
	for _, member := range []string{"name:", "password:", "host:", "transport:", "addresses:", "username:", "numbers:", "realm:", "country:", "called:", "calling:", "strip:", "prepend:", "plus:", "asserted_identity:", "any_caller_id:", "transfer:", "headers_in:", "media:"} {
		if !strings.Contains(string(text), member) {
			t.Errorf("sidetone.sample.yaml does not show a user's or trunk's %s", member)
		}
	}
}

const fullFile = `
data: /srv/calls
http: {addr: "0.0.0.0:80", public_url: "https://phones.example", trusted_proxies: [10.1.0.0/16]}
auth:
  jwt:
    - issuer: https://login.example
      audience: sidetone
      jwks: /etc/jwks.json
      keys: [{id: a, algorithm: HS256, secret: hush, file: ""}]
      environment: e
      environment_claim: env
      scopes_claim: scp
      subject_prefix: x
      members_only: true
      leeway: 0s
sip:
  addr: 192.0.2.1:5060
  tls: {listen: "192.0.2.1:5061", cert_file: /etc/cert.pem, key_file: /etc/key.pem}
  advertise: 198.51.100.1
  rtp_min: 10000
  rtp_max: 20000
  loopback: false
  sources: [10.0.0.0/8]
  resolver: 192.0.2.53
  stun: stun.example
  ask_after: 20s
  ask_after_first: 40s
  ask_after_held: 50s
  users:
    - {name: desk, password: secret}
  trunks:
    - name: carrier
      host: sip.example.com:5060
      transport: tls
      target_timeout: 2s
      addresses: [198.51.100.0/24]
      username: account
      password: hush
      realm: example.com
      media: {sources: strict}
      outbound_proxy: "edge.example.com:5061;tls"
      keepalive: 30s
      register: true
      register_expires: 5m
      contact_user: us
      tls: {ca_file: /etc/ca.pem, cert_file: /etc/c.pem, key_file: /etc/k.pem, server_name: x, insecure: true, client_ca_file: /etc/cca.pem, client_name: y}
database: {url: "postgres://db/calls", migrate_url: "postgres://owner@db/calls"}
server: {resume: false}
calls: {max: 7, ringing_per_environment: 5, ringing_per_trunk: 6, answer_after: 2s, offline: 1, comfort_noise: false, drain: 30s}
speech: {flite: /opt/flite, pocketsphinx: /opt/sphinx, voice: tty, substitute: false}
recordings: {lame: /opt/lame, signalling: false, rtp: true, journals: false, journals_mib: 7}
log: {level: debug, format: json}
traces: {endpoint: "https://collector.example", headers: "x-key=hush"}
defaults: {model: openai, voice: voice_openai/nova, transcriber: transcriber_deepgram}
outbound: {allow: [10.0.0.0/8], only: [api.example], concurrent: 5}
providers:
  openai: {api_key: hush, base_url: "http://box:1/v1", environments: [e], hipaa: true}
  azure_speech: {region: westeurope}
`

func TestFileAndVariablesOverlayTheDefaults(t *testing.T) {
	t.Parallel()
	want := Config{
		Data: "/srv/calls",
		HTTP: HTTPConfig{Addr: "0.0.0.0:80", PublicURL: "https://phones.example", TrustedProxies: []string{"10.1.0.0/16"}},
		Auth: AuthConfig{JWT: []JWTConfig{{Issuer: "https://login.example", Audience: "sidetone", JWKS: "/etc/jwks.json",
			Keys: []JWTKey{{ID: "a", Algorithm: "HS256", Secret: "hush"}}, Environment: "e", EnvironmentClaim: "env", ScopesClaim: "scp",
			SubjectPrefix: "x", MembersOnly: true, Leeway: new(time.Duration)}}},
		SIP: SIPConfig{Addr: "192.0.2.1:5060", Advertise: "198.51.100.1", RTPMin: 10000, RTPMax: 20000, Sources: []string{"10.0.0.0/8"}, Resolver: "192.0.2.53", STUN: "stun.example",
			AskAfter: 20 * time.Second, AskAfterFirst: 40 * time.Second, AskAfterHeld: 50 * time.Second,
			Users: []SIPUser{{Name: "desk", Password: "secret"}},
			TLS:   SIPTLS{Listen: "192.0.2.1:5061", CertFile: "/etc/cert.pem", KeyFile: "/etc/key.pem"},
			Trunks: []Trunk{{Name: "carrier", Host: "sip.example.com:5060", Transport: "tls", TargetTimeout: 2 * time.Second, Addresses: []string{"198.51.100.0/24"},
				Username: "account", Password: "hush", Realm: "example.com", Media: TrunkMedia{Sources: "strict"},
				OutboundProxy: "edge.example.com:5061;tls", KeepAlive: 30 * time.Second, Register: true, RegisterExpires: 5 * time.Minute, ContactUser: "us",
				TLS: TrunkTLS{CAFile: "/etc/ca.pem", CertFile: "/etc/c.pem", KeyFile: "/etc/k.pem", ServerName: "x", Insecure: true,
					ClientCAFile: "/etc/cca.pem", ClientName: "y"}}}},
		Database:   DatabaseConfig{URL: "postgres://db/calls", MigrateURL: "postgres://owner@db/calls"},
		Calls:      CallsConfig{Max: 7, RingingPerEnvironment: 5, RingingPerTrunk: 6, AnswerAfter: 2 * time.Second, Offline: 1, Drain: 30 * time.Second},
		Speech:     SpeechConfig{Flite: "/opt/flite", Pocketsphinx: "/opt/sphinx", Voice: "tty"},
		Recordings: RecordingsConfig{Lame: "/opt/lame", RTP: true, JournalsMiB: 7},
		Log:        LogConfig{Level: "debug", Format: "json"},
		Traces:     TracesConfig{Endpoint: "https://collector.example", Headers: "x-key=hush"},
		Defaults:   DefaultsConfig{Model: "openai", Voice: "voice_openai/nova", Transcriber: "transcriber_deepgram"},
		Outbound:   OutboundConfig{Allow: []string{"10.0.0.0/8"}, Only: []string{"api.example"}, Concurrent: 5},
		Providers: map[string]ProviderConfig{"openai": {APIKey: "hush", BaseURL: "http://box:1/v1", Environments: []string{"e"}, HIPAA: true},
			"azure_speech": {Region: "westeurope"}},
	}
	got, err := LoadConfig(write(t, fullFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	want.HTTP.Addr, want.SIP.RTPMin, want.Calls.ComfortNoise, want.Calls.Drain = "127.0.0.1:1", 12000, true, time.Minute
	want.Database.URL = "postgres://elsewhere"
	got, err = LoadConfig(write(t, fullFile), []string{"SIDETONE_HTTP_ADDR=127.0.0.1:1", "SIDETONE_SIP_RTP_MIN=12000",
		"SIDETONE_CALLS_COMFORT_NOISE=true", "SIDETONE_CALLS_DRAIN=1m", "SIDETONE_DATABASE_URL=postgres://elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func TestListsAsVariables(t *testing.T) {
	t.Parallel()
	got, err := LoadConfig(write(t, fullFile), []string{
		"SIDETONE_SIP_SOURCES=10.0.0.0/8, 192.0.2.1", "SIDETONE_HTTP_TRUSTED_PROXIES=10.1.2.3,10.1.2.4",
		`SIDETONE_SIP_USERS=[{"name":"desk","password":"p,1"},{"name":"hall","password":"2"}]`,
		`SIDETONE_SIP_TRUNKS=[{name: carrier, host: "sip.example.com:5060", addresses: [198.51.100.0/24], numbers: ["+14155550123"]}]`,
		"SIDETONE_URL=http://127.0.0.1:8080", "SIDETONE_KEY=sk", "SIDETONE_CALL_PASSWORD=x", "SIDETONE_PHONE_PASSWORD=x", // of clients
	})
	if err != nil {
		t.Fatal(err)
	}
	want := SIPConfig{Sources: []string{"10.0.0.0/8", "192.0.2.1"},
		Users: []SIPUser{{Name: "desk", Password: "p,1"}, {Name: "hall", Password: "2"}},
		Trunks: []Trunk{{Name: "carrier", Host: "sip.example.com:5060", Addresses: []string{"198.51.100.0/24"},
			Numbers: []string{"+14155550123"}}}}
	if diff := cmp.Diff(want, SIPConfig{Sources: got.SIP.Sources, Users: got.SIP.Users, Trunks: got.SIP.Trunks}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.1.2.3", "10.1.2.4"}, got.HTTP.TrustedProxies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err = LoadConfig(write(t, fullFile), []string{"SIDETONE_SIP_SOURCES=", "SIDETONE_SIP_USERS=", "SIDETONE_SIP_TRUNKS=[]"})
	if err != nil || len(got.SIP.Sources)+len(got.SIP.Users)+len(got.SIP.Trunks) != 0 {
		t.Errorf("emptied: %+v, %v", got.SIP, err)
	}
	got, err = LoadConfig("", []string{`SIDETONE_SIP_SOURCES=["10.0.0.0/8"]`})
	if err != nil || len(got.SIP.Sources) != 1 || got.SIP.Sources[0] != "10.0.0.0/8" {
		t.Errorf("sources as a YAML list: %+v, %v", got.SIP.Sources, err)
	}
}

// TestUsualKeys: the variables in which the vendors' tools look for keys count, unless the
// configuration says something else.
func TestUsualKeys(t *testing.T) {
	t.Parallel()
	got, err := LoadConfig(write(t, "providers: {openai: {api_key: file, environments: [e]}, rime: {environments: [e]}}"),
		[]string{"OPENAI_API_KEY=variable", "DEEPGRAM_API_KEY=deep", "RIME_API_KEY=rime", "GEMINI_API_KEY=", "SIDETONE_PROVIDERS_ELEVENLABS_API_KEY=eleven",
			"SIDETONE_PROVIDERS_ELEVENLABS_ENVIRONMENTS=a,b", "SIDETONE_OUTBOUND_ALLOW=a.lan, 10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ProviderConfig{"openai": {APIKey: "file", Environments: []string{"e"}}, "deepgram": {APIKey: "deep", Found: true},
		"rime": {APIKey: "rime", Environments: []string{"e"}, Found: true}, "elevenlabs": {APIKey: "eleven", Environments: []string{"a", "b"}}}
	if diff := cmp.Diff(want, got.Providers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a.lan", "10.0.0.0/8"}, got.Outbound.Allow); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, file string
		environ    []string
		want       string // in the error
	}{
		{name: "unknown key", file: "calls: {maximum: 3}", want: "calls.maximum"},
		{name: "unknown section", file: "webserver: {addr: x}", want: "webserver"},
		{name: "unknown vendor", file: "providers: {acme: {api_key: sesame}}", want: "providers.acme.api_key"},
		{name: "unknown member of a vendor", file: "providers: {openai: {key: sesame}}", want: "providers.openai.key"},
		{name: "a vendor's address", file: "providers: {openai: {base_url: box}}", want: "providers.openai.base_url"},
		{name: "no way out", file: "outbound: {concurrent: 0}", want: "outbound.concurrent"},
		{name: "no network", file: "outbound: {allow: [10.0.0.0/64]}", want: "outbound.allow"},
		{name: "no certificates", file: "outbound: {ca_file: /nowhere}", want: "outbound.ca_file"},
		{name: "unknown variable", environ: []string{"SIDETONE_CALLS_MAXIMUM=3"}, want: "SIDETONE_CALLS_MAXIMUM"},
		{name: "not YAML", file: "calls: [", want: "sidetone.yaml"},
		{name: "no number", file: "calls: {max: many}", want: "calls.max"},
		{name: "no duration", environ: []string{"SIDETONE_CALLS_DRAIN=soon"}, want: "drain"},
		{name: "no data", file: `data: ""`, want: "data"},
		{name: "rings less than never", file: "calls: {ringing_per_trunk: -1}", want: "calls.ringing_per_trunk"},
		{name: "no calls", file: "calls: {max: 0}", want: "calls.max"},
		{name: "negative recognisers", file: "calls: {offline: -1}", want: "calls.offline"},
		{name: "rings too long", file: "calls: {answer_after: 2m}", want: "calls.answer_after"},
		{name: "rings backwards", file: "calls: {answer_after: -1s}", want: "calls.answer_after"},
		{name: "privileged media port", file: "sip: {rtp_min: 80, rtp_max: 2000}", want: "sip.rtp_min"},
		{name: "narrow media ports", file: "sip: {rtp_min: 10000, rtp_max: 10002}", want: "sip.rtp_max"},
		{name: "media ports too high", file: "sip: {rtp_min: 10000, rtp_max: 70000}", want: "sip.rtp_max"},
		{name: "an end of the media ports alone", file: "sip: {rtp_max: 20000}", want: "sip.rtp_min"},
		{name: "drains backwards", file: "calls: {drain: -1s}", want: "calls.drain"},
		{name: "stun server", file: "sip: {stun: \"a b:x\"}", want: "sip.stun"},
		{name: "resolver by name", file: "sip: {resolver: dns.example}", want: "sip.resolver"},
		{name: "resolver without a port", file: "sip: {resolver: \"192.0.2.53:0\"}", want: "sip.resolver"},
		{name: "advertise by name", file: "sip: {advertise: pbx.example.com}", want: "sip.advertise must be the IP address"},
		{name: "advertise every address", file: "sip: {advertise: 0.0.0.0}", want: "sip.advertise must be the IP address"},
		{name: "target timeout", file: "sip: {trunks: [{name: a, host: b, target_timeout: 1h}]}", want: "sip.trunks[0].target_timeout"},
		{name: "asked too often", file: "sip: {ask_after: 10ms}", want: "sip.ask_after"},
		{name: "asked too late", file: "sip: {ask_after_held: 2m}", want: "sip.ask_after"},
		{name: "what there was before", file: "sip: {media_timeout: 20s}", want: "sip.media_timeout"},
		{name: "user's member", file: "sip: {users: [{name: a, password: b}, {name: c, pasword: d}]}", want: "sip.users[1].pasword"},
		{name: "trunk's member", file: "sip: {trunks: [{name: a, hots: b}]}", want: "sip.trunks[0].hots"},
		{name: "user without a password", file: "sip: {users: [{name: a}]}", want: "sip.users[0]"},
		{name: "two users of a name", file: "sip: {users: [{name: a, password: sesame}, {name: a, password: sesame}]}", want: "sip.users[1].name"},
		{name: "password as list", file: "sip: {users: [{name: a, password: [sesame]}]}", want: "assword"},
		{name: "password as members", file: "sip: {trunks: [{name: a, username: b, password: {sesame: sesame}}]}", want: "assword"},
		{name: "database as list", file: "database: {url: [postgres://a:sesame@db]}", want: "database.url"},
		{name: "a key's secret as list", file: "auth: {jwt: [{issuer: a, keys: [{id: a, secret: [sesame]}]}]}", want: "ecret"},
		{name: "users in a line", environ: []string{"SIDETONE_SIP_USERS=desk:sesame"}, want: "SIDETONE_SIP_USERS"},
		{name: "users cut off", environ: []string{"SIDETONE_SIP_USERS=[{name: desk"}, want: "SIDETONE_SIP_USERS"},
		{name: "user's member in a variable", environ: []string{"SIDETONE_SIP_USERS=[{user: desk}]"}, want: "sip.users[0].user"},
		{name: "no list", file: "sip: {trunks: carrier}", want: "sip.trunks"},
		{name: "two trunks of a name", file: "sip: {trunks: [{name: a}, {name: a}]}", want: "sip.trunks[1].name"},
		{name: "nameless trunk", file: "sip: {trunks: [{host: a}]}", want: "sip.trunks[0].name"},
		{name: "trunk's transport", file: "sip: {trunks: [{name: a, transport: sctp}]}", want: "sip.trunks[0].transport"},
		{name: "trunk's member of a member", file: "sip: {trunks: [{name: a, tls: {cafile: b}}]}", want: "sip.trunks[0].tls.cafile"},
		{name: "trunk's tls", file: "sip: {trunks: [{name: a, tls: [b]}]}", want: "sip.trunks[0].tls"},
		{name: "tls without a certificate", file: "sip: {tls: {listen: 127.0.0.1:5061}}", want: "sip.tls.cert_file"},
		{name: "trunk's certificate without a key", file: "sip: {trunks: [{name: a, tls: {cert_file: b}}]}", want: "sip.trunks[0].tls.cert_file"},
		{name: "trunk's client name alone", file: "sip: {trunks: [{name: a, tls: {client_name: b}}]}", want: "sip.trunks[0].tls.client_name"},
		{name: "trunk's keepalive", file: "sip: {trunks: [{name: a, keepalive: 1ms}]}", want: "sip.trunks[0].keepalive"},
		{name: "registration nowhere", file: "sip: {trunks: [{name: a, username: b, password: c, register: true}]}", want: "sip.trunks[0].register"},
		{name: "registration of nobody", file: "sip: {trunks: [{name: a, host: b, register: true}]}", want: "sip.trunks[0].register"},
		{name: "registration that is off", file: "sip: {trunks: [{name: a, host: b, contact_user: c}]}", want: "sip.trunks[0].register"},
		{name: "registration for days", file: "sip: {trunks: [{name: a, host: b, username: c, password: d, register: true, register_expires: 25h}]}", want: "sip.trunks[0].register_expires"},
		{name: "one contact for two", file: "sip: {trunks: [{name: a, host: b, username: c, password: d, register: true}, {name: e, host: \"b:5070\", username: f, password: d, register: true, contact_user: c}]}", want: "sip.trunks[1].contact_user"},
		{name: "outbound proxy alone", file: "sip: {trunks: [{name: a, outbound_proxy: b}]}", want: "sip.trunks[0].outbound_proxy"},
		{name: "outbound proxy as address", file: "sip: {trunks: [{name: a, host: b, outbound_proxy: \"sip:c\"}]}", want: "sip.trunks[0].outbound_proxy"},
		{name: "trunk's host as address", file: "sip: {trunks: [{name: a, host: \"sip:x@b\"}]}", want: "sip.trunks[0].host"},
		{name: "trunk's port", file: "sip: {trunks: [{name: a, host: \"b:sip\"}]}", want: "sip.trunks[0].host"},
		{name: "trunk's port zero", file: "sip: {trunks: [{name: a, host: \"b:0\"}]}", want: "sip.trunks[0].host"},
		{name: "trunk's password", file: "sip: {trunks: [{name: a, username: b}]}", want: "sip.trunks[0].password"},
		{name: "trunk's addresses", file: "sip: {trunks: [{name: a, addresses: [b]}]}", want: "sip.trunks[0].addresses"},
		{name: "trunk's numbers", file: "sip: {trunks: [{name: a, numbers: [b]}]}", want: "sip.trunks[0].numbers"},
		{name: "issuer's member", file: "auth: {jwt: [{isuer: a}]}", want: "auth.jwt[0].isuer"},
		{name: "issuer's key's member", file: "auth: {jwt: [{issuer: a, keys: [{id: a}, {kid: b}]}]}", want: "auth.jwt[0].keys[1].kid"},
		{name: "issuer's keys", file: "auth: {jwt: [{issuer: a, keys: b}]}", want: "auth.jwt[0].keys"},
		{name: "public address", environ: []string{"SIDETONE_HTTP_PUBLIC_URL=phones.example"}, want: "http.public_url"},
		{name: "proxies", environ: []string{"SIDETONE_HTTP_TRUSTED_PROXIES=nginx"}, want: "http.trusted_proxies"},
		{name: "sources", environ: []string{"SIDETONE_SIP_SOURCES=everywhere"}, want: "sip.sources"},
		{name: "voice", file: "speech: {voice: opera}", want: "speech.voice"},
		{name: "level", file: "log: {level: loud}", want: "log.level"},
		{name: "format", file: "log: {format: xml}", want: "log.format"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadConfig(write(t, c.file), c.environ)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not name %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
	if _, err := LoadConfig("/nonexistent/sidetone.yaml", nil); err == nil || !strings.Contains(err.Error(), "/nonexistent/sidetone.yaml") {
		t.Errorf("missing file: got %v", err)
	}
}

func TestStoreURL(t *testing.T) {
	t.Parallel()
	c := Defaults()
	c.Data = "/srv/calls"
	if got := c.StoreURL(); got != "sqlite:/srv/calls/sidetone.db" {
		t.Errorf("without a URL: got %s", got)
	}
	c.Database.URL = "postgres://db/calls"
	if got := c.StoreURL(); got != "postgres://db/calls" {
		t.Errorf("with a URL: got %s", got)
	}
}

func TestSecretsDoNotShowInLogs(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig(write(t, fullFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	newLogger(LogConfig{Level: "info", Format: "json"}, &out).Info("configuration", slog.Any("config", c))
	for _, secret := range []string{"hush", "secret", "postgres://"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

func TestLoggerObeysItsConfig(t *testing.T) {
	t.Parallel()
	cases := []struct {
		config LogConfig
		want   string
		level  slog.Level
		shown  bool
	}{
		{LogConfig{Level: "info", Format: "text"}, "msg=hello", slog.LevelInfo, true},
		{LogConfig{Level: "info", Format: "json"}, `"msg":"hello"`, slog.LevelInfo, true},
		{LogConfig{Level: "warn", Format: "text"}, "msg=hello", slog.LevelInfo, false},
		{LogConfig{Level: "debug", Format: "text"}, "msg=hello", slog.LevelDebug, true},
	}
	for _, c := range cases {
		var out bytes.Buffer
		newLogger(c.config, &out).Log(t.Context(), c.level, "hello")
		if got := strings.Contains(out.String(), c.want); got != c.shown {
			t.Errorf("%+v at %s: got %q", c.config, c.level, out.String())
		}
	}
}

func TestSIPConfigTranslatesTheOperatorsSettings(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	in := SIPConfig{Addr: "192.0.2.1:5060", Advertise: "198.51.100.1", Resolver: "192.0.2.53:5353", RTPMin: 10000, RTPMax: 10100, Loopback: true,
		Sources: []string{"10.1.2.3/8", "2001:db8::1"}, AskAfter: time.Second, AskAfterFirst: 2 * time.Second, AskAfterHeld: 3 * time.Second,
		Users: []SIPUser{{Name: "desk", Password: "pw"}},
		Trunks: []Trunk{
			{Name: "known", Host: "sip.example.com:5060", Transport: "tcp", TargetTimeout: time.Second, Addresses: []string{"198.51.100.7"}, Username: "a", Password: "b"},
			{Name: "roaming", Username: "c", Password: "d"},
			{Name: "secure", Host: "sip.example.com", Transport: "tls", Addresses: []string{"192.0.2.1"}, Username: "u", Password: "p",
				OutboundProxy: "edge;tcp", KeepAlive: time.Minute, Register: true, RegisterExpires: time.Hour, ContactUser: "us", Numbers: []string{"+1 415 555 0100"},
				TLS: TrunkTLS{CAFile: "ca", CertFile: "c", KeyFile: "k", ServerName: "s", Insecure: true, ClientCAFile: "cca", ClientName: "n"}},
		}, TLS: SIPTLS{Listen: "192.0.2.1:5061", CertFile: "cert", KeyFile: "key"}}
	got, err := sipConfig(in, log)
	if err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	want := sip.Config{Listen: "192.0.2.1:5060", Advertise: "198.51.100.1", Resolver: "192.0.2.53:5353", Logger: log,
		RTPPorts:     sip.PortRange{First: 10000, Last: 10100},
		Life:         sip.Life{First: 2 * time.Second, Later: time.Second, Held: 3 * time.Second},
		LocalSources: []netip.Prefix{prefix("127.0.0.0/8"), prefix("::1/128"), prefix("10.0.0.0/8"), prefix("2001:db8::1/128")},
		Users:        []sip.User{{Name: "desk", Password: "pw"}, {Name: "c", Password: "d", Trunk: "roaming"}},
		Trunks: []sip.Trunk{
			{Name: "known", Label: "known", Addresses: []netip.Prefix{prefix("198.51.100.7/32")}, Host: "sip.example.com:5060", Transport: "tcp", TargetTimeout: time.Second, Username: "a", Password: "b"},
			{Name: "roaming", Label: "roaming", Addresses: []netip.Prefix{}, Username: "c", Password: "d"},
			{Name: "secure", Label: "secure", Addresses: []netip.Prefix{prefix("192.0.2.1/32")}, Host: "sip.example.com", Transport: "tls", Username: "u", Password: "p",
				OutboundProxy: "edge;tcp", KeepAlive: time.Minute,
				Register: sip.Registration{On: true, Expires: time.Hour, ContactUser: "us", Numbers: []string{"+14155550100"}},
				TLS:      sip.TrunkTLS{CAFile: "ca", CertFile: "c", KeyFile: "k", ServerName: "s", Insecure: true, ClientCAFile: "cca", ClientName: "n"}},
		}, TLS: sip.TLS{Listen: "192.0.2.1:5061", CertFile: "cert", KeyFile: "key"}}
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	logger := cmp.Comparer(func(a, b *slog.Logger) bool { return a == b })
	if diff := cmp.Diff(want, got, same, logger); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []SIPConfig{{Sources: []string{"everywhere"}}, {Trunks: []Trunk{{Name: "x", Addresses: []string{"300.0.0.1"}}}}} {
		if _, err := sipConfig(bad, log); err == nil || !strings.Contains(err.Error(), "sip.") {
			t.Errorf("%+v: error %v names no key", bad, err)
		}
	}
	closed, err := sipConfig(SIPConfig{Addr: "192.0.2.1:5060"}, log)
	if err != nil || len(closed.LocalSources) != 0 {
		t.Errorf("without loopback: sources %v, %v", closed.LocalSources, err)
	}
}

// Whatever a file says, it is either refused or good for the telephone driver.
func FuzzConfig(f *testing.F) {
	f.Add(fullFile)
	f.Add("sip: {trunks: [{name: a, host: \"[::1]:5061\", addresses: [::1], numbers: [\"+14155550100\"]}], sources: [fe80::/10]}")
	f.Add("calls: {max: 1e3, drain: 1h1m}\nsip.addr: 127.0.0.1:0\n? [a]\n: b")
	sample, err := os.ReadFile("../sidetone.sample.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	path := filepath.Join(f.TempDir(), "sidetone.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(path, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "must") && !strings.Contains(err.Error(), "read configuration") && !strings.Contains(err.Error(), path) &&
				!strings.Contains(err.Error(), "sip.") {
				t.Errorf("the error does not say where: %v", err)
			}
			return
		}
		out, err := sipConfig(c.SIP, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("accepted, and of no use: %v", err)
		}
		if int(out.RTPPorts.First) != c.SIP.RTPMin || int(out.RTPPorts.Last) != c.SIP.RTPMax {
			t.Errorf("ports %d to %d become %d to %d", c.SIP.RTPMin, c.SIP.RTPMax, out.RTPPorts.First, out.RTPPorts.Last)
		}
	})
}
