package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/telephony/sip"
)

// SIPTLS is the listener for SIP over TLS.
type SIPTLS struct {
	// Listen is host:port, the usual port being 5061; empty: TLS is not listened for.
	Listen string `koanf:"listen"`
	// CertFile and KeyFile are PEM files: the certificate with those that sign it, and
	// its key. They are read again when they change.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
}

// TrunkTLS says whom a trunk over TLS trusts, and with which certificates. Files are
// PEM and read again for each connection.
type TrunkTLS struct {
	// CAFile are the authorities that the trunk's certificate is checked against;
	// empty: the system's.
	CAFile string `koanf:"ca_file" trunk:"operator"`
	// CertFile and KeyFile are the certificate that we show the trunk.
	CertFile string `koanf:"cert_file" trunk:"operator"`
	KeyFile  string `koanf:"key_file" trunk:"operator"`
	// ServerName is the name that the trunk's certificate must have; empty: its host.
	ServerName string `koanf:"server_name"`
	// Insecure takes any certificate.
	Insecure bool `koanf:"insecure"`
	// ClientCAFile are the authorities one of which must have signed the certificate
	// that the trunk's calls come with, and ClientName the name it must have.
	ClientCAFile string `koanf:"client_ca_file" trunk:"operator"`
	ClientName   string `koanf:"client_name" trunk:"operator"`
}

// driver translates the settings.
func (t TrunkTLS) driver() sip.TrunkTLS {
	return sip.TrunkTLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName, Insecure: t.Insecure,
		ClientCAFile: t.ClientCAFile, ClientName: t.ClientName}
}

// registration translates the settings.
func (t Trunk) registration() sip.Registration {
	if !t.Register {
		return sip.Registration{}
	}
	return sip.Registration{On: true, Expires: t.RegisterExpires, ContactUser: t.ContactUser, Numbers: newTrunks(nil, []Trunk{t}).list[0].Numbers}
}

// validate checks what belongs together; files are read at start.
func (t SIPTLS) validate() error {
	if t.Listen != "" && (t.CertFile == "" || t.KeyFile == "") {
		return errors.New("sip.tls.cert_file and sip.tls.key_file must go with sip.tls.listen")
	}
	return nil
}

// validateLine checks how a trunk is reached and kept; the message begins with the
// setting. contacts are those that other trunks register with.
func (t Trunk) validateLine(contacts map[string]bool) error {
	if contact := cmp.Or(t.ContactUser, t.Username) + "@" + hostOnly(t.Host); t.Register {
		if contacts[contact] {
			return fmt.Errorf("contact_user: another trunk registers with %q: their calls could not be told apart", contact)
		}
		contacts[contact] = true
	}
	switch {
	case (t.TLS.CertFile == "") != (t.TLS.KeyFile == ""):
		return errors.New("tls.cert_file and tls.key_file must go together")
	case t.TLS.ClientName != "" && t.TLS.ClientCAFile == "":
		return errors.New("tls.client_name must go with tls.client_ca_file")
	case t.KeepAlive != 0 && (t.KeepAlive < time.Second || t.KeepAlive > time.Hour):
		return errors.New("keepalive must be between 1s and 1h, or 0 for none")
	case t.Register && (t.Host == "" || t.Username == ""):
		return errors.New("register needs a host and a username")
	case !t.Register && (t.RegisterExpires != 0 || t.ContactUser != ""):
		return errors.New("register must be true for register_expires and contact_user")
	case t.RegisterExpires != 0 && (t.RegisterExpires < time.Second || t.RegisterExpires > 24*time.Hour):
		return errors.New("register_expires must be between 1s and 24h")
	case t.OutboundProxy != "" && t.Host == "":
		return errors.New("outbound_proxy needs a host, whose requests go to it")
	case t.OutboundProxy != "" && !sip.IsProxy(t.OutboundProxy):
		return errors.New("outbound_proxy must be host[:port][;transport], with the transport udp, tcp or tls")
	case t.Username == "" && t.Password != "":
		return errors.New("username must go with the password")
	}
	if t.Transfer != "" && !slices.Contains(sidetone.TransferWays(), t.Transfer) {
		return fmt.Errorf("transfer must be one of %s", strings.Join(sidetone.TransferWays(), ", "))
	}
	return t.validateUse()
}

// validateUse finds settings that would do nothing: those of requests to a trunk that
// gets none, and of TLS without it.
func (t Trunk) validateUse() error {
	type setting struct {
		name string
		set  bool
	}
	for _, s := range []setting{
		{"redirects", t.Redirects}, {"keepalive", t.KeepAlive != 0}, {"target_timeout", t.TargetTimeout != 0}, {"any_caller_id", t.AnyCallerID},
		{"called.out", t.Called.Out != TrunkSpelling{}}, {"calling.out", t.Calling.Out != TrunkSpelling{}},
	} {
		if s.set && t.Host == "" {
			return fmt.Errorf("%s needs a host: nothing is sent to a trunk without one", s.name)
		}
	}
	plain := t.Transport == "udp" || t.Transport == "tcp"
	for _, s := range []setting{
		{"tls.insecure", t.TLS.Insecure}, {"tls.server_name", t.TLS.ServerName != ""}, {"tls.ca_file", t.TLS.CAFile != ""}, {"tls.cert_file", t.TLS.CertFile != ""},
	} {
		if s.set && plain {
			return fmt.Errorf("%s needs the transport tls: nothing is sent to the trunk over it", s.name)
		}
	}
	return nil
}

// hostOnly is a host without port and brackets.
func hostOnly(text string) string {
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return strings.Trim(text, "[]")
}

// trunkFigure is one of the figures of trunks.
type trunkFigure struct {
	name, help string
	// read returns the figure of one trunk; false: it has none.
	read func(sip.TrunkState) (float64, bool)
}

func trunkFigures() []trunkFigure {
	one := func(on bool) float64 {
		if on {
			return 1
		}
		return 0
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	return []trunkFigure{
		{"sidetone_trunk_up", "Whether the trunk responded to the last OPTIONS (keepalive).",
			func(s sip.TrunkState) (float64, bool) { return one(s.Up), s.Asked }},
		{"sidetone_trunk_up_changed_timestamp_seconds", "Since when sidetone_trunk_up has been so.",
			func(s sip.TrunkState) (float64, bool) { return seconds(s.Since), s.Asked }},
		{"sidetone_trunk_round_trip_seconds", "How long the trunk took for its last response to OPTIONS.",
			func(s sip.TrunkState) (float64, bool) { return s.RoundTrip.Seconds(), s.RoundTrip > 0 }},
		{"sidetone_trunk_registered", "Whether we are registered with the trunk.",
			func(s sip.TrunkState) (float64, bool) { return one(s.Registered), s.Registers }},
		{"sidetone_trunk_registered_changed_timestamp_seconds", "Since when sidetone_trunk_registered has been so.",
			func(s sip.TrunkState) (float64, bool) { return seconds(s.RegisteredSince), s.Registers }},
	}
}

// showTrunks adds the figures of the trunks that are kept.
func showTrunks(r *metrics.Registry, states func() []sip.TrunkState) {
	for _, f := range trunkFigures() {
		r.Gauges(f.name, f.help, []string{"trunk"}, func(set func(float64, ...string)) {
			for _, s := range states() {
				if value, ok := f.read(s); ok {
					set(value, s.Trunk)
				}
			}
		})
	}
}
