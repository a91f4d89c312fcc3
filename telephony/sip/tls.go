package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
)

// TLS is how the driver listens for SIP over TLS
// (https://www.rfc-editor.org/rfc/rfc3261#section-26.2.1).
type TLS struct {
	// Listen is the address of the listener; empty: there is none.
	Listen string
	// CertFile and KeyFile are PEM files: the server's certificate with those that
	// sign it, and its key. When they change they are read again.
	CertFile, KeyFile string
}

// TrunkTLS is how a trunk is reached over TLS, and how it proves who calls.
type TrunkTLS struct {
	// CAFile are the authorities, PEM, one of which must have signed the trunk's
	// certificate; empty: those of the system.
	CAFile string
	// CertFile and KeyFile are the certificate that we show the trunk; empty: none.
	CertFile, KeyFile string
	// ServerName is the name that the trunk's certificate must have, and that it is
	// asked for (SNI); empty: the host that is connected to.
	ServerName string
	// Insecure takes any certificate: whoever is in the way can read and change
	// everything.
	Insecure bool
	// ClientCAFile are the authorities, PEM, one of which must have signed the
	// certificate with which the trunk's calls come to us; calls without it are
	// refused, whatever their source. Empty: no certificate is asked for.
	ClientCAFile string
	// ClientName is the name that certificate must have; empty: any.
	ClientName string
}

// check reports what cannot work.
func (t *TLS) check() error {
	switch {
	case t.Listen == "":
		return nil
	case t.CertFile == "" || t.KeyFile == "":
		return errors.New("tls needs the files of a certificate and its key")
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return fmt.Errorf("certificate of the tls listener: %w", err)
	}
	return nil
}

// check reports what cannot work.
func (t *TrunkTLS) check() error {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return errors.New("a client certificate needs both its file and that of its key")
	}
	if t.ClientName != "" && t.ClientCAFile == "" {
		return errors.New("a client name needs the authorities of client certificates")
	}
	_, err := clientTLS(&Trunk{TLS: *t}, "")
	if err == nil && t.ClientCAFile != "" {
		_, err = readCAs(t.ClientCAFile)
	}
	return err
}

// oneRecord writes a message as one record. At the beginning of a connection package tls
// cuts what is longer than 1.2 kB into several, each with a system call and a packet of
// its own.
const oneRecord = true

// inboundTLS is the security of connections to our own listener, in a connKey.
const inboundTLS = "tls"

// listenTLS binds the TLS listener, if one is configured.
func (t *transport) listenTLS(address string) error {
	if address == "" {
		return nil
	}
	ta, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return fmt.Errorf("tls listen address: %w", err)
	}
	if t.tls, err = net.ListenTCP("tcp", ta); err != nil {
		return fmt.Errorf("listen for sip over tls: %w", err)
	}
	return nil
}

// shakeHands does the handshake of a connection that was made to us.
func (t *transport) shakeHands(c *tcpConn) bool {
	ctx, cancel := context.WithTimeout(context.Background(), tcpUnknown)
	defer cancel()
	conn := c.conn.(*tls.Conn)
	if err := conn.HandshakeContext(ctx); err != nil {
		t.refused(c.addr.Addr(), c.network(), RefusedHandshake)
		if t.admitted(c.addr.Addr()) { // whoever may call wants to know why he cannot
			t.log.Warn("tls handshake failed", "source", c.addr.String(), "err", handshakeError(err))
		}
		return false
	}
	c.proved = t.proves(c.addr.Addr(), conn.ConnectionState())
	return true
}

// secureAddr is where TLS is listened for, invalid when it is not.
func (t *transport) secureAddr() netip.AddrPort {
	if t.tls == nil {
		return netip.AddrPort{}
	}
	return unmap(t.tls.Addr().(*net.TCPAddr).AddrPort())
}

// TLSAddr returns where the driver listens for TLS; invalid when it does not.
func (d *Driver) TLSAddr() netip.AddrPort { return d.transport.secureAddr() }

// serverTLS is the configuration of the listener. Certificates are asked for only
// while a trunk wants them, for some phones do not go on when they are.
func (d *Driver) serverTLS() *tls.Config {
	own := &pair{certFile: d.cfg.TLS.CertFile, keyFile: d.cfg.TLS.KeyFile, log: d.cfg.Logger}
	base := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: oneRecord,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.get() }}
	asking := base.Clone()
	asking.ClientAuth = tls.RequestClientCert
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if d.provenByCertificate() {
			return asking, nil
		}
		return base, nil
	}
	return base
}

// provenByCertificate reports whether a trunk's calls come with certificates.
func (d *Driver) provenByCertificate() bool {
	return slices.ContainsFunc(d.roster.Load().trunks, func(t Trunk) bool { return t.TLS.ClientCAFile != "" })
}

// proves names the trunk whose certificate the far end of a connection has shown;
// nil when it is none's.
func (d *Driver) proves(from netip.Addr, state tls.ConnectionState) *Trunk {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	now := d.roster.Load().trunks
	for i := range now {
		t := &now[i]
		if t.TLS.ClientCAFile == "" || len(t.Addresses) > 0 && !contains(t.Addresses, from.WithZone("")) {
			continue
		}
		err := t.TLS.verifyClient(state.PeerCertificates, d.cfg.Now())
		if err == nil {
			d.sources.prove(from)
			return t
		}
		d.cfg.Logger.Debug("certificate is not the trunk's", append(t.logged(), "source", from.String(), "err", err)...)
	}
	return nil
}

// verifyClient checks the certificates that somebody has shown us.
func (t *TrunkTLS) verifyClient(shown []*x509.Certificate, now time.Time) error {
	roots, err := readCAs(t.ClientCAFile)
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err = shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, DNSName: t.ClientName,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}) // SIP hosts show the certificates that they serve with
	return err
}

// callerOf names the trunk whose certificate came with a connection; "" for none, and
// for one that asks for another certificate by now, or for none.
func (d *Driver) callerOf(p peer) string {
	if p.tcp == nil || p.tcp.proved == nil {
		return ""
	}
	was := p.tcp.proved
	t := d.trunk(was.Name)
	if t == nil || t.TLS.ClientCAFile != was.TLS.ClientCAFile || t.TLS.ClientName != was.TLS.ClientName ||
		len(t.Addresses) > 0 && !contains(t.Addresses, p.addr.Addr().WithZone("")) {
		return ""
	}
	return t.Name
}

// clientTLS is how a host is connected to for a trunk, nil for none. Files are read
// for each connection, so that changed ones are used from the next one on.
func clientTLS(t *Trunk, host string) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: oneRecord, ServerName: host}
	if t == nil {
		return out, nil
	}
	out.ServerName, out.InsecureSkipVerify = t.serverName(host), t.TLS.Insecure
	var err error
	if t.TLS.CAFile != "" {
		if out.RootCAs, err = readCAs(t.TLS.CAFile); err != nil {
			return nil, err
		}
	}
	if t.TLS.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.TLS.CertFile, t.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		// Not by Certificates: those are withheld from servers whose list of authorities lacks ours.
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return out, nil
}

// serverName is whose certificate a host of the trunk must have. Contacts of
// carriers name addresses, for which certificates are not made: then it is that of
// the trunk's host.
func (t *Trunk) serverName(host string) string {
	if t.TLS.ServerName != "" {
		return t.TLS.ServerName
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return host
	}
	own := hostOnly(t.Host)
	if _, err := netip.ParseAddr(own); err == nil || own == "" {
		return host
	}
	return own
}

// secureURI makes a URI that is reached over TLS of one that names something else or
// nothing, so that a call that began over TLS never goes on without.
func secureURI(uri *sip.Uri) {
	if transport, ok := param(uri.UriParams, "transport"); uri.Scheme == "sips" || ok && strings.EqualFold(transport, "tls") {
		return
	} else if ok {
		uri.Port = 0 // that of the other transport
	}
	uri.UriParams = sip.NewParams()
	uri.UriParams.Add("transport", "tls")
}

// asksForSIPS reports whether our Contact in the dialog of a request must be a sips
// URI (https://www.rfc-editor.org/rfc/rfc3261#section-12.1.1).
func asksForSIPS(req *sip.Request) bool {
	if req.Recipient.Scheme == "sips" {
		return true
	}
	value := headerValue(req, "Record-Route")
	if value == "" {
		value = headerValue(req, "Contact")
	}
	top, _, ok := addressIn(value)
	return ok && top.Scheme == "sips"
}

// hostOnly is a host without its port and brackets.
func hostOnly(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

// connectTLS connects to an address that was found by the name host, for a trunk, nil
// for none.
func (d *Driver) connectTLS(ctx context.Context, t *Trunk, host string, addr netip.AddrPort) (*tcpConn, error) {
	key := connKey{addr: addr, security: "to " + host}
	if t != nil {
		key.security = "to " + t.serverName(host) + " for " + t.Name
	}
	if c := d.transport.existing(key); c != nil {
		return c, nil
	}
	cfg, err := clientTLS(t, host)
	if err != nil {
		return nil, err
	}
	c, err := d.transport.connect(ctx, key, cfg)
	if err != nil {
		return nil, tlsError(err, cfg.ServerName)
	}
	return c, nil
}

// lostError says why a connection is gone. What a server thinks of our certificate
// is known only after the handshake of TLS 1.3.
func (p peer) lostError() error {
	select {
	case <-p.lost():
	default:
		return net.ErrClosed
	}
	if p.tcp.why == nil {
		return net.ErrClosed
	}
	return fmt.Errorf("connection lost: %w", tlsError(p.tcp.why, ""))
}

// tlsError adds to the failure of a connection that we made what can be done about it.
func tlsError(err error, name string) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	remedy := ""
	switch {
	case errors.As(err, &unknown):
		remedy = "name the file with its authority in tls.ca_file of the trunk"
	case errors.As(err, &host):
		remedy = fmt.Sprintf("the certificate is not for %q: correct host, or name the certificate's name in tls.server_name of the trunk", name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		remedy = "the far end has to renew it; or this machine's clock is wrong"
	case errors.As(err, &record), name != "" && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)): // in the handshake
		remedy = "the far end does not speak TLS on this port (5061 is the usual one), or not with us"
	case strings.Contains(alertOf(err), "certificate"):
		remedy = "the far end does not accept our certificate: name one that it knows in tls.cert_file and tls.key_file of the trunk"
	case strings.Contains(alertOf(err), "protocol version"):
		remedy = "the far end speaks no TLS from 1.2 on, which is the least that is used"
	}
	return withRemedy(err, remedy)
}

// handshakeError adds to the failure of a connection to our listener what can be
// done about it.
func handshakeError(err error) error {
	var record tls.RecordHeaderError
	remedy := ""
	switch {
	case errors.As(err, &record):
		remedy = "the far end does not speak TLS: it must use transport TLS, or the port of UDP and TCP"
	case strings.Contains(alertOf(err), "certificate"):
		remedy = "the far end does not trust our certificate: sip.tls.cert_file must hold it and those that sign it, and the far end must know the authority"
	case strings.Contains(err.Error(), "client offered only unsupported versions"):
		remedy = "TLS 1.2 is the least that is taken"
	}
	return withRemedy(err, remedy)
}

func withRemedy(err error, remedy string) error {
	if remedy == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, remedy)
}

// alertOf is what the far end did not like, as its alert says; "" when it sent none.
func alertOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return op.Err.Error()
	}
	return ""
}

// readCAs reads authorities from a PEM file.
func readCAs(file string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("authorities: %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// pair is a certificate and its key in files. Its methods may be called
// concurrently.
type pair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu    sync.Mutex
	cert  *tls.Certificate
	seen  [2]fileMark // of the files that were read last
	wrong bool        // these cannot be used
}

// fileMark tells whether a file has changed.
type fileMark struct {
	changed time.Time
	size    int64
}

func markOf(info fs.FileInfo) fileMark { return fileMark{info.ModTime(), info.Size()} }

// get returns the certificate in the files, the one before while they cannot be
// used: between the writing of the one and the other they do not match.
func (p *pair) get() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cert, err := os.Stat(p.certFile)
	if err != nil {
		return p.failed([2]fileMark{}, err)
	}
	key, err := os.Stat(p.keyFile)
	if err != nil {
		return p.failed([2]fileMark{}, err)
	}
	seen := [2]fileMark{markOf(cert), markOf(key)}
	if p.cert != nil && seen == p.seen {
		return p.cert, nil
	}
	loaded, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return p.failed(seen, err)
	}
	if p.cert != nil {
		p.log.Info("sip tls certificate was read again", "file", p.certFile)
	}
	p.cert, p.seen, p.wrong = &loaded, seen, false
	return p.cert, nil
}

// failed keeps the certificate in use, and says so once for each state of the
// files; p.mu is held.
func (p *pair) failed(seen [2]fileMark, err error) (*tls.Certificate, error) {
	if p.cert == nil {
		return nil, fmt.Errorf("certificate of the sip listener: %w", err)
	}
	if !p.wrong || seen != p.seen {
		p.log.Warn("sip tls certificate cannot be read again: the one before stays in use", "file", p.certFile, "err", err)
	}
	p.seen, p.wrong = seen, true
	return p.cert, nil
}
