package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/preset"
	"github.com/sidetone/sidetone/recording/journals"
	"github.com/sidetone/sidetone/telephony/sip"
)

// Config is everything an operator can set. sidetone.sample.yaml documents each
// key; a test compares the two.
type Config struct {
	// Data is the directory of the database, recordings and lock.
	Data string `koanf:"data"`
	// HTTP is where the API listens.
	HTTP HTTPConfig `koanf:"http"`
	// Auth says whose tokens are accepted besides API keys.
	Auth AuthConfig `koanf:"auth"`
	// SIP configures telephony.
	SIP SIPConfig `koanf:"sip"`
	// Database chooses the store.
	Database DatabaseConfig `koanf:"database"`
	// Secrets says where the key of stored secrets is.
	Secrets SecretsConfig `koanf:"secrets"`
	// Server says how this process follows the one before it.
	Server ServerConfig `koanf:"server"`
	// Calls bounds and shapes calls.
	Calls CallsConfig `koanf:"calls"`
	// Speech configures the offline programs.
	Speech SpeechConfig `koanf:"speech"`
	// Recordings says what is made of recordings.
	Recordings RecordingsConfig `koanf:"recordings"`
	// Log says what is written to standard error.
	Log LogConfig `koanf:"log"`
	// Traces says where spans of turns are sent.
	Traces TracesConfig `koanf:"traces"`
	// Providers are the server's own accounts at vendors, by the vendor's name.
	Providers map[string]ProviderConfig `koanf:"providers"`
	// Defaults are what agents use that name none.
	Defaults DefaultsConfig `koanf:"defaults"`
	// Outbound says what customers' settings may reach.
	Outbound OutboundConfig `koanf:"outbound"`
}

// DefaultsConfig is what agents use that name none, where their environment says
// nothing either. Empty: what the keys that there are serve, else the offline speech.
type DefaultsConfig struct {
	// Model is a provider, and behind a slash a model.
	Model string `koanf:"model"`
	// Voice is a type of voices, and behind a slash a voice.
	Voice string `koanf:"voice"`
	// Transcriber is a type of transcribers, and behind a slash a model.
	Transcriber string `koanf:"transcriber"`
}

// OutboundConfig says what may be reached from here.
type OutboundConfig struct {
	// Allow are private hosts and networks that customers' settings may name all the
	// same, with or without a port.
	Allow []string `koanf:"allow"`
	// Only, when not empty, are the only hosts that anything is sent to.
	Only []string `koanf:"only"`
	// CAFile holds certificates, PEM, that are trusted besides the system's.
	CAFile string `koanf:"ca_file"`
	// Concurrent is how many requests and WebSockets an environment may have open.
	Concurrent int `koanf:"concurrent"`
}

// ServerConfig says how a process follows the one before it.
type ServerConfig struct {
	// Resume takes up the calls of a process that died up to 20 s ago. Without it they are
	// hung up.
	Resume bool `koanf:"resume"`
}

// HTTPConfig configures the API's listener.
type HTTPConfig struct {
	// Addr is host:port; port 0 takes a free one.
	Addr string `koanf:"addr"`
	// PublicURL is where others reach the interface, such as https://phones.example; webhooks
	// are told addresses that begin with it. Empty: with their path.
	PublicURL string `koanf:"public_url"`
	// TrustedProxies are the addresses and networks of the reverse proxies whose
	// X-Forwarded-For is believed.
	TrustedProxies []string `koanf:"trusted_proxies"`
}

// SIPConfig configures telephony.
type SIPConfig struct {
	// Addr is host:port for UDP and TCP; port 0 takes a free one.
	Addr string `koanf:"addr"`
	// TLS is the listener for SIP over TLS.
	TLS SIPTLS `koanf:"tls"`
	// Advertise is the address in SDP and Contact behind NAT; empty: Addr's.
	Advertise string `koanf:"advertise"`
	// RTPMin and RTPMax bound the media ports; 0 lets the system choose.
	RTPMin int `koanf:"rtp_min"`
	RTPMax int `koanf:"rtp_max"`
	// Loopback lets this machine's programs ring simulated numbers without
	// credentials.
	Loopback bool `koanf:"loopback"`
	// Sources are the prefixes, besides loopback, that may ring simulated
	// numbers.
	Sources []string `koanf:"sources"`
	// Users may register desk phones and ring simulated numbers from anywhere.
	Users []SIPUser `koanf:"users"`
	// Resolver is the address of the DNS server that is asked for the hosts of trunks,
	// with or without a port; empty: the system's.
	Resolver string `koanf:"resolver"`
	// STUN is host[:port] of a STUN server that doctor asks for this machine's public
	// address; empty: nobody is asked.
	STUN string `koanf:"stun"`
	// Trunks carry calls from and to real numbers.
	Trunks []Trunk `koanf:"trunks"`
	// AskAfter is how long nothing may come from the far end of a call before it is
	// asked whether it still has the call; AskAfterFirst holds before its first
	// sound, AskAfterHeld while the call is on hold.
	AskAfter      time.Duration `koanf:"ask_after"`
	AskAfterFirst time.Duration `koanf:"ask_after_first"`
	AskAfterHeld  time.Duration `koanf:"ask_after_held"`
}

// SIPUser is a desk phone's account.
type SIPUser struct {
	Name     string          `koanf:"name"`
	Password sidetone.Secret `koanf:"password"`
}

// Trunk is a carrier's SIP trunk.
type Trunk struct {
	// Name identifies the trunk in numbers and logs.
	Name string `koanf:"name"`
	// Host is where outbound calls are sent: a domain, for which the DNS is asked, or
	// host:port; empty: inbound only.
	Host string `koanf:"host"`
	// Transport is udp, tcp or tls; empty: what the DNS says, else udp.
	Transport string `koanf:"transport"`
	// TargetTimeout is how long one of Host's targets may take to respond before the
	// next one is tried; 0 means 4s.
	TargetTimeout time.Duration `koanf:"target_timeout"`
	// TLS says whom to trust over TLS, and with which certificates.
	TLS TrunkTLS `koanf:"tls"`
	// OutboundProxy is host[:port][;transport]: where requests go in place of Host.
	OutboundProxy string `koanf:"outbound_proxy"`
	// KeepAlive is how often the trunk is asked by OPTIONS whether it is there; 0,
	// never.
	KeepAlive time.Duration `koanf:"keepalive"`
	// Register keeps us registered at Host as Username, RegisterExpires is how long is
	// asked for (0: 10m), and ContactUser the user of the URI to which calls are sent
	// then (empty: Username).
	Register        bool          `koanf:"register"`
	RegisterExpires time.Duration `koanf:"register_expires"`
	ContactUser     string        `koanf:"contact_user"`
	// Addresses are the prefixes calls come from; empty: those of Host's targets.
	// Other callers are asked for digest credentials if Username is set.
	Addresses []string `koanf:"addresses"`
	// Username and Password are the digest credentials both ways.
	Username string          `koanf:"username"`
	Password sidetone.Secret `koanf:"password"`
	// Realm is the realm whose challenges are answered; empty: any of the host's.
	Realm string `koanf:"realm"`
	// Redirects calls the other number that the trunk names with 301 or 302, once a call.
	Redirects bool `koanf:"redirects"`
	// Numbers are the numbers that ring here and may be bought from provider
	// sip; calls from them go out through this trunk.
	Numbers []string `koanf:"numbers"`
	// Country is where numbers without country code are dialled, an ISO 3166 code;
	// empty: what the trunk sends is compared with each of Numbers in the forms of its
	// own country.
	Country string `koanf:"country"`
	// Called and Calling are how the trunk writes the number that is called and the
	// one that calls.
	Called  TrunkNumbers `koanf:"called"`
	Calling TrunkNumbers `koanf:"calling"`
	// AssertedIdentity takes the caller's number from P-Asserted-Identity where there
	// is one.
	AssertedIdentity bool `koanf:"asserted_identity"`
	// AnyCallerID lets calls show numbers that are not the trunk's.
	AnyCallerID bool `koanf:"any_caller_id"`
	// Transfer is how callers on the trunk are handed to somebody else: auto (also when
	// empty), refer (the trunk connects them) or bridge (we do: the trunk cannot).
	Transfer string `koanf:"transfer"`
	// HeadersIn are headers of calls that become variables of the call's context, each
	// with the variable's name.
	HeadersIn map[string]string `koanf:"headers_in"`
	// HeadersOut are headers of each call to the trunk, and of our hang-up to it; the
	// call's own win. See [telephony.CheckHeaders].
	HeadersOut map[string]string `koanf:"headers_out"`
	// Media shapes the trunk's sound.
	Media TrunkMedia `koanf:"media"`
	// Preset names the carrier or system behind the trunk, whose echo number and advice
	// `sidetone trunks test` uses; see package preset. Empty: unknown.
	Preset string `koanf:"preset"`
	// EnvironmentID says whose trunk it is and ID which row; both are empty for the
	// operator's, which the configuration has.
	EnvironmentID string `koanf:"-"`
	ID            string `koanf:"-"`
}

// key is the trunk's name in the telephone driver: no two trunks have one.
func (t Trunk) key() string { return cmp.Or(t.ID, t.Name) }

// TrunkMedia shapes a trunk's sound.
type TrunkMedia struct {
	// Sources is peer (also when empty), strict or learn: from where sound may come,
	// see [sip.Trunk].
	Sources string `koanf:"sources"`
	// SRTP is off (also when empty), prefer or require: whether sound is encrypted. Its
	// keys go over TLS only, unless SRTPOverClear lets them go over UDP and TCP.
	SRTP          string `koanf:"srtp"`
	SRTPOverClear bool   `koanf:"srtp_over_clear"`
}

// DatabaseConfig chooses the store.
type DatabaseConfig struct {
	// URL is postgres://...; empty means SQLite in the data directory.
	URL sidetone.Secret `koanf:"url"`
	// MigrateURL is the owner role's URL; empty means URL.
	MigrateURL sidetone.Secret `koanf:"migrate_url"`
}

// SecretsConfig says where the key of stored secrets is.
type SecretsConfig struct {
	// MasterKeyFile holds the master keys, one a line, the current one first;
	// empty means master.key in the data directory, which a first start makes.
	MasterKeyFile string `koanf:"master_key_file"`
	// MasterKey is SIDETONE_MASTER_KEY, which wins over the file; keys are
	// separated by commas. The configuration file cannot set it.
	MasterKey sidetone.Secret `koanf:"master_key"`
}

// CallsConfig bounds and shapes calls.
type CallsConfig struct {
	// Max is how many calls may be live at a time; those that one environment
	// places may be nine tenths of them.
	Max int `koanf:"max"`
	// RingingPerEnvironment and RingingPerTrunk are how many calls that one
	// environment places, or that go out through one trunk, may ring at a time; 0
	// means as many as there is room for. What is more waits.
	RingingPerEnvironment int `koanf:"ringing_per_environment"`
	RingingPerTrunk       int `koanf:"ringing_per_trunk"`
	// AnswerAfter is how long inbound calls ring.
	AnswerAfter time.Duration `koanf:"answer_after"`
	// Offline is how many calls may use the offline recogniser at a time; those that
	// one environment places get half of it at most.
	Offline int `koanf:"offline"`
	// ComfortNoise plays soft noise while the agent is silent.
	ComfortNoise bool `koanf:"comfort_noise"`
	// TestAgents lets agents of the providers echo and bench take calls although
	// HTTP or SIP listen beyond loopback.
	TestAgents bool `koanf:"test_agents"`
	// Drain is how long live calls may go on after SIGTERM.
	Drain time.Duration `koanf:"drain"`
}

// SpeechConfig names the offline programs.
type SpeechConfig struct {
	Flite        string `koanf:"flite"`
	Pocketsphinx string `koanf:"pocketsphinx"`
	// Voice is the default voice of agents that name none: flite or tty.
	Voice string `koanf:"voice"`
	// Substitute lets that voice speak for one that is not configured or does not
	// speak the agent's language, if it serves the language itself; else such calls
	// are refused.
	Substitute bool `koanf:"substitute"`
}

// RecordingsConfig says what is made of recordings.
type RecordingsConfig struct {
	// Lame is the program that makes MP3 copies; empty makes none.
	Lame string `koanf:"lame"`
	// Signalling keeps the SIP messages of calls beside their recordings.
	Signalling bool `koanf:"signalling"`
	// RTP keeps the packets of the sound of calls that are recorded beside their
	// recordings, as they were on the wire.
	RTP bool `koanf:"rtp"`
	// Journals keeps the journals of calls there, sealed; JournalsMiB is the room for all
	// of them, in MiB.
	Journals    bool  `koanf:"journals"`
	JournalsMiB int64 `koanf:"journals_mib"`
}

// LogConfig says what is logged.
type LogConfig struct {
	// Level is debug, info, warn or error.
	Level string `koanf:"level"`
	// Format is text or json.
	Format string `koanf:"format"`
}

// Defaults returns the configuration of a server that was told nothing.
func Defaults() Config {
	return Config{
		Data: "data",
		HTTP: HTTPConfig{Addr: "127.0.0.1:8080"},
		SIP: SIPConfig{Addr: "127.0.0.1:5060", Loopback: true, AskAfter: 15 * time.Second,
			AskAfterFirst: time.Minute, AskAfterHeld: time.Minute},
		Server:     ServerConfig{Resume: true},
		Calls:      CallsConfig{Max: 1000, Offline: 4, ComfortNoise: true, Drain: 10 * time.Minute},
		Speech:     SpeechConfig{Flite: "flite", Pocketsphinx: "pocketsphinx_continuous", Voice: "flite", Substitute: true},
		Recordings: RecordingsConfig{Lame: "lame", Signalling: true, Journals: true, JournalsMiB: journals.DefaultMost >> 20},
		Log:        LogConfig{Level: "info", Format: "text"},
		Outbound:   OutboundConfig{Concurrent: outbound.DefaultConcurrent},
	}
}

// LoadConfig returns the defaults, overlaid by the file at path (none when
// empty), overlaid by SIDETONE_* variables of environ. An unknown key in the
// file or among the variables is an error that names it. In a variable,
// sip.users, sip.trunks and auth.jwt are written in YAML's flow style, of which JSON is a
// part; sip.sources and http.trusted_proxies may be lists between commas, too.
func LoadConfig(path string, environ []string) (Config, error) {
	c := Defaults()
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), writtenYAML{}); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return c, fmt.Errorf("read configuration: %w", err)
			}
			return c, fmt.Errorf("read configuration %s: %w", path, err)
		}
	}
	if err := checkKeys(path, k); err != nil {
		return c, err
	}
	if err := loadVariables(k, environ); err != nil {
		return c, err
	}
	if err := k.Unmarshal("", &c); err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	c.usualKeys(environ)
	return c, c.Validate()
}

// Validate checks ranges and combinations; the message names the key.
func (c Config) Validate() error {
	switch {
	case c.Data == "":
		return errors.New("data must name a directory")
	case (c.SIP.RTPMin != 0 || c.SIP.RTPMax != 0) && (c.SIP.RTPMin < 1024 || c.SIP.RTPMax < c.SIP.RTPMin+3 || c.SIP.RTPMax > 65535):
		return errors.New("sip.rtp_min and sip.rtp_max must span at least 4 ports between 1024 and 65535")
	case c.SIP.askTooOften():
		return errors.New("sip.ask_after, sip.ask_after_first and sip.ask_after_held must be between 1s and 1m")
	case c.Calls.Max < 1:
		return errors.New("calls.max must be at least 1")
	case c.Calls.RingingPerEnvironment < 0 || c.Calls.RingingPerTrunk < 0:
		return errors.New("calls.ringing_per_environment and calls.ringing_per_trunk must not be negative")
	case c.Calls.Offline < 0:
		return errors.New("calls.offline must not be negative")
	case c.Calls.AnswerAfter < 0 || c.Calls.AnswerAfter > time.Minute:
		return errors.New("calls.answer_after must be between 0 and 1m")
	case c.Recordings.JournalsMiB < 1 || c.Recordings.JournalsMiB > 1<<30:
		return errors.New("recordings.journals_mib must be between 1 and 1073741824")
	case c.Calls.Drain < 0:
		return errors.New("calls.drain must not be negative")
	case c.Speech.Voice != "flite" && c.Speech.Voice != "tty":
		return errors.New("speech.voice must be flite or tty")
	}
	if _, err := prefixes("http.trusted_proxies", c.HTTP.TrustedProxies); err != nil {
		return err
	}
	if u, err := url.Parse(c.HTTP.PublicURL); c.HTTP.PublicURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "") {
		return errors.New("http.public_url must be an address such as https://phones.example")
	}
	if err := c.SIP.validate(); err != nil {
		return err
	}
	if err := c.validateProviders(); err != nil {
		return err
	}
	if err := c.Traces.validate(); err != nil {
		return err
	}
	if err := c.validateDefaults(); err != nil {
		return err
	}
	return c.validateLog()
}

// askTooOften says that far ends were asked too often, or too late for a call to end
// within 3 minutes of its far end.
func (c SIPConfig) askTooOften() bool {
	return slices.ContainsFunc([]time.Duration{c.AskAfter, c.AskAfterFirst, c.AskAfterHeld}, func(d time.Duration) bool {
		return d < time.Second || d > time.Minute
	})
}

// validate checks users, trunks and sources.
func (c SIPConfig) validate() error {
	if _, err := prefixes("sip.sources", c.Sources); err != nil {
		return err
	}
	if !resolverAddress(c.Resolver) {
		return errors.New("sip.resolver must be the IP address of a DNS server, with or without a port")
	}
	if a, err := netip.ParseAddr(c.Advertise); c.Advertise != "" && (err != nil || a.IsUnspecified() || a.Zone() != "") {
		return errors.New("sip.advertise must be the IP address that others reach this server at, such as 203.0.113.7")
	}
	if c.STUN != "" && !sip.IsProxy(c.STUN) {
		return errors.New("sip.stun must be host[:port]")
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, u := range c.Users {
		switch {
		case u.Name == "" || u.Password == "":
			return fmt.Errorf("sip.users[%d] must have a name and a password", i)
		case names[u.Name]:
			return fmt.Errorf("sip.users[%d].name %q is taken by another user", i, u.Name)
		}
		names[u.Name] = true
	}
	clear(names)
	contacts := map[string]bool{}
	for i, t := range c.Trunks {
		key := fmt.Sprintf("sip.trunks[%d]", i)
		switch {
		case t.Name == "":
			return fmt.Errorf("%s.name must not be empty", key)
		case names[t.Name]:
			return fmt.Errorf("%s.name %q is taken by another trunk", key, t.Name)
		case t.Transport != "" && t.Transport != "udp" && t.Transport != "tcp" && t.Transport != "tls":
			return fmt.Errorf("%s.transport must be udp, tcp or tls", key)
		case t.TargetTimeout != 0 && (t.TargetTimeout < 100*time.Millisecond || t.TargetTimeout > 30*time.Second):
			return fmt.Errorf("%s.target_timeout must be between 100ms and 30s", key)
		case !hostAndPort(t.Host):
			return fmt.Errorf("%s.host must be host:port with a port between 1 and 65535", key)
		case t.Username != "" && t.Password == "":
			return fmt.Errorf("%s.password must go with the username", key)
		case t.Preset != "" && !slices.Contains(preset.Names(), t.Preset):
			return fmt.Errorf("%s.preset must be one of %s", key, strings.Join(preset.Names(), ", "))
		}
		names[t.Name] = true
		if err := errors.Join(t.validateLine(contacts), t.validateSRTP()); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
		if err := t.validateNumbers(key); err != nil {
			return err
		}
		if _, err := prefixes(key+".addresses", t.Addresses); err != nil {
			return err
		}
		for _, n := range t.Numbers {
			if _, err := phonenumber.Read(n, ""); err != nil {
				return fmt.Errorf("%s.numbers: %q must be written as +, country code and number", key, n)
			}
		}
	}
	return nil
}

// resolverAddress says that a DNS server can be asked at that address.
func resolverAddress(text string) bool {
	if text == "" {
		return true
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Port() != 0
	}
	_, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil
}

// hostAndPort says that calls can be sent to a trunk's host. Without a port it
// is SIP's own, without anything nothing is sent.
func hostAndPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return !strings.ContainsAny(text, "/ @") && (strings.Count(text, ":") != 1)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host != "" && err == nil && n > 0
}

func (c Config) validateLog() error {
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return errors.New("log.level must be debug, info, warn or error")
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return errors.New("log.format must be text or json")
	}
	return nil
}

// testAgents says whether agents of the providers echo and bench may take calls:
// nobody outside of this machine reaches them, or the operator allows it.
func (c Config) testAgents() bool {
	return c.Calls.TestAgents || onLoopback(c.HTTP.Addr) && c.SIP.onLoopback()
}

// onLoopback reports whether SIP can be reached from this machine only.
func (c SIPConfig) onLoopback() bool {
	return onLoopback(c.Addr) && (c.TLS.Listen == "" || onLoopback(c.TLS.Listen))
}

// onLoopback reports whether host:port can be reached from this machine only.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// StoreURL returns the database's URL.
func (c Config) StoreURL() string {
	if c.Database.URL != "" {
		return c.Database.URL.Reveal()
	}
	return "sqlite:" + c.Data + string(os.PathSeparator) + "sidetone.db"
}

// MasterKeyFile returns the path of the file with the master keys, which is not
// used when MasterKey is set.
func (c Config) MasterKeyFile() string {
	if c.Secrets.MasterKeyFile != "" {
		return c.Secrets.MasterKeyFile
	}
	return filepath.Join(c.Data, "master.key")
}
