package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/sidetone/sidetone/outbound"
	"github.com/sidetone/sidetone/preset"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
)

// advice is what to do about a step of a trunk's test that failed.
type advice struct {
	// text says it for any carrier.
	text string
	// usual says that the failure is of the kind that a preset's advice for the step is
	// about.
	usual bool
}

// with adds what the preset knows: what it says of the very status wins.
func (a advice) with(p preset.Preset, step string, status int) string {
	more, exact := p.Remedy(step, status)
	switch {
	case !a.usual:
		return a.text
	case exact:
		return more
	}
	return strings.TrimSpace(a.text + " " + more)
}

// unreached says what to do when a request got no response.
func unreached(t Trunk, err error) advice {
	var refused *outbound.Refused
	switch {
	case errors.As(err, &refused):
		return advice{text: "The operator of this server can allow the host: outbound.allow in sidetone.yaml."}
	case errors.Is(err, sip.ErrFamily):
		return advice{text: "Name a host with an address of the family (IPv4 or IPv6) that sip.addr has, or let sip.addr listen on the other one too."}
	case errors.Is(err, sip.ErrLookup):
		return advice{"The DNS has no address for the host: check its spelling. If it knows other names neither, check the DNS server of this machine, or name one in sip.resolver.", true}
	}
	if text := uncertified(t, err); text != "" {
		return advice{text: text}
	}
	stream := t.Transport == "tcp" || t.Transport == "tls"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return advice{"Nothing takes connections on that port: check host and port (TLS has 5061, TCP and UDP 5060), and transport; many carriers take SIP over UDP only: transport: udp.", true}
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return advice{text: "There is no way from this machine to the host: check the address and this machine's network."}
	case stream:
		return advice{fmt.Sprintf("Check host and port, and that a firewall lets %s connections to it through; the host may also take the connection and not answer customers whom it does not know by their address.",
			strings.ToUpper(t.Transport)), true}
	}
	return advice{"Check host and port; UDP to it must be open, and its responses must come back. Behind NAT set sip.advertise. " +
		"A host that knows its customers by their address does not respond to others: tell the carrier the address of this server.", true}
}

// uncertified says what to do when a TLS connection fails for another reason than the
// network; "" when it does not.
func uncertified(t Trunk, err error) string {
	authority := "tls.ca_file can name the file with its authority"
	if t.EnvironmentID != "" { // which cannot name files
		authority = "the operator of this server can trust its authority, or set up the trunk in sip.trunks with tls.ca_file"
	}
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		failed  *tls.CertificateVerificationError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "The certificate of the host is of an authority that is not trusted here: " + authority + "."
	case errors.As(err, &host):
		return "The certificate of the host is for another name: correct host, or give the name in tls.server_name."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate of the host has expired, or this machine's clock is wrong."
	case errors.As(err, &failed) || errors.As(err, &invalid):
		return "The certificate of the host is refused: the host has to correct it; the error says what is wrong with it."
	case errors.As(err, &op) && op.Op == "remote error":
		return "The host refuses the TLS connection: it may ask for a certificate of ours (tls.cert_file and tls.key_file), or speak no TLS 1.2."
	case errors.As(err, &record) || t.Transport == "tls" && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return "The port does not speak TLS: TLS has 5061 as a rule; or use transport: udp or tcp."
	}
	return ""
}

// noAccount is for a host that asks for a password where there is none.
const noAccount = "The host asks for a user and a password, and the trunk has none: set username and password, or let the far end know this server by its address."

// challengedBy says what to do when a challenge was not answered, or the answer refused.
func challengedBy(t Trunk, err error) advice {
	switch {
	case t.Username == "":
		return advice{noAccount, true}
	case errors.Is(err, sip.ErrRealm):
		return advice{text: fmt.Sprintf("The host's challenges name another realm than %q: correct realm, or leave it out.", t.Realm)}
	case errors.Is(err, sip.ErrChallenge):
		return advice{text: "The host asks for an answer that Sidetone cannot give: it must ask for Digest with the algorithm MD5, SHA-256 or SHA-512-256, and the error says what it asked for."}
	}
	return advice{"Check username and password.", true}
}

// unregistered says what to do when an account is refused. why is what became of the
// challenge.
func unregistered(t Trunk, status int, why error) advice {
	switch {
	case status == 401 || status == 407:
		return challengedBy(t, why)
	case status == 403:
		return advice{"The host refuses the account: check username and password, whether the account is active, and whether it may be used from this server's address.", true}
	case status == 404:
		return advice{"The host does not know the username.", true}
	case status >= 500:
		return busyHost(status)
	}
	return advice{text: "The far end says why in its own log."}
}

// busyHost is for statuses with which a host says that it, and nobody's settings, fails.
func busyHost(status int) advice {
	if status == 503 {
		return advice{text: "The host says that it cannot serve now: it is overloaded, being worked on, or has no way for it. Try again later; its operator knows more."}
	}
	return advice{text: fmt.Sprintf("The host failed by itself (%d): its operator finds the reason in its log.", status)}
}

// uncalled says what to do about a call that was not answered, and with which status it
// was refused, 0 for none.
func uncalled(t Trunk, err error) (status int, a advice) {
	failed := (*telephony.DialError)(nil)
	if errors.As(err, &failed) {
		status = failed.Status
	}
	switch {
	case status == 401 || status == 407:
		return status, challengedBy(t, err)
	case status == 403:
		return status, advice{"The far end does not let the call through: check the account, the number that calls, and whether the far end knows this server's address.", true}
	case status == 404 || status == 484 || status == 604:
		return status, advice{"The far end does not know the number in this form: called.out says how numbers are written.", true}
	case status == 415 || status == 488 || status == 606:
		return status, advice{"The far end takes none of G.722, PCMU and PCMA, or wants encrypted sound (media.srtp), or none.", true}
	case status == 408 || status == 480 || status == 486 || status == 600 || status == 603:
		return status, advice{"The number is busy, absent or takes no calls: name another one that says back what it hears (--echo).", true}
	case status >= 500 && status < 600:
		return status, busyHost(status)
	case status != 0:
		return status, advice{"The far end says why in its own log.", true}
	case errors.Is(err, sip.ErrNumber):
		return 0, advice{text: "This server cannot send that as a number: give digits, letters and + * # . _ - without blanks."}
	case failed != nil && failed.Cause == telephony.CauseNoAnswer, errors.Is(err, context.DeadlineExceeded):
		return 0, advice{text: fmt.Sprintf("It rang for %s and nobody answered: name a number that answers by itself and says back what it hears.", echoRings)}
	}
	return 0, unreached(t, err)
}
