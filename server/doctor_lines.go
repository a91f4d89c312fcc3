package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/telephony/sip"
)

const (
	// probeTime bounds how long a trunk may take to respond.
	probeTime = 10 * time.Second
	// renewIn is how long before its end a certificate is to be renewed.
	renewIn = 14 * 24 * time.Hour
)

// checkLines looks at SIP over TLS and at the trunks. The state of those that a running
// server keeps is the server's; without one they are asked.
func checkLines(ctx context.Context, c SIPConfig, there neighbour) []Finding {
	var out []Finding
	if c.TLS.Listen != "" {
		out = append(out, there.held(c.TLS.Listen, checkTCP(ctx, "sip.tls.listen", c.TLS.Listen)),
			checkCertificate("sip.tls certificate", c.TLS.CertFile, c.TLS.KeyFile))
	}
	for _, t := range c.Trunks {
		out = append(out, checkTrunkTLS(t)...)
	}
	if there.ask != nil {
		return append(out, runningTrunks(ctx, c, there)...)
	}
	return append(out, probeTrunks(ctx, c)...)
}

// checkCertificate looks at a certificate with its key, and when it ends.
func checkCertificate(name, certFile, keyFile string) Finding {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return Finding{Name: name, Detail: err.Error(), Fix: "name a certificate and its key, both PEM, that this user can read"}
	}
	return lasting(name, pair.Leaf, certFile)
}

// lasting says when a certificate ends.
func lasting(name string, cert *x509.Certificate, file string) Finding {
	f := Finding{Name: name, Detail: fmt.Sprintf("%s is good until %s", file, cert.NotAfter.UTC().Format(time.DateOnly))}
	switch left := time.Until(cert.NotAfter); {
	case left <= 0:
		f.Detail, f.Fix = fmt.Sprintf("%s ended on %s", file, cert.NotAfter.UTC().Format(time.DateOnly)), "renew it: the running server takes the new file by itself"
	case left < renewIn:
		f.Fix, f.Optional = "renew it soon: the running server takes the new file by itself", true
	}
	return f
}

// checkTrunkTLS looks at the certificates of a trunk.
func checkTrunkTLS(t Trunk) []Finding {
	name := "trunk " + t.Name + " (TLS)"
	var out []Finding
	if t.TLS.CertFile != "" {
		out = append(out, checkCertificate(name+" certificate", t.TLS.CertFile, t.TLS.KeyFile))
	}
	for _, file := range []string{t.TLS.CAFile, t.TLS.ClientCAFile} {
		if file != "" {
			out = append(out, checkAuthorities(name+" authority", file))
		}
	}
	return out
}

// checkAuthorities looks at a file of certificates and at the one that ends last.
func checkAuthorities(name, file string) Finding {
	raw, err := os.ReadFile(file)
	var last *x509.Certificate
	for err == nil {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if cert, bad := x509.ParseCertificate(block.Bytes); bad == nil && (last == nil || cert.NotAfter.After(last.NotAfter)) {
			last = cert
		}
	}
	if err == nil && last == nil {
		err = errors.New(file + " holds no certificate in PEM")
	}
	if err != nil {
		return Finding{Name: name, Detail: err.Error(), Fix: "name a PEM file with the authority's certificate that this user can read"}
	}
	return lasting(name, last, file)
}

// runningTrunks is the state of the trunks that a running server keeps.
func runningTrunks(ctx context.Context, c SIPConfig, there neighbour) []Finding {
	figures, err := there.ask.Metrics(ctx)
	if err != nil {
		return []Finding{{Name: "trunks", Detail: err.Error(), Fix: "look at the server's log", Optional: true}}
	}
	var out []Finding
	for _, t := range c.Trunks {
		if value, ok := figureOf(figures, "sidetone_trunk_registered", t.Name); ok {
			out = append(out, stateFinding("trunk "+t.Name+" (registration)", value == "1", "registered at "+t.Host, "not registered at "+t.Host,
				"the server's log says why (trunk: not registered)"))
		}
		if value, ok := figureOf(figures, "sidetone_trunk_up", t.Name); ok {
			took, _ := figureOf(figures, "sidetone_trunk_round_trip_seconds", t.Name)
			out = append(out, stateFinding("trunk "+t.Name+" (OPTIONS)", value == "1", t.Host+" responded within "+took+" s", t.Host+" does not respond",
				"the server's log says why (trunk: down); check host, transport, firewall"))
		}
	}
	return out
}

func stateFinding(name string, ok bool, good, bad, fix string) Finding {
	if ok {
		return Finding{Name: name, Detail: good}
	}
	return Finding{Name: name, Detail: bad, Fix: fix, Optional: true}
}

// figureOf is the value of a trunk's figure among those of a server.
func figureOf(figures []byte, name, trunk string) (string, bool) {
	for line := range bytes.Lines(figures) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(string(line)), fmt.Sprintf("%s{trunk=%q} ", name, trunk)); ok {
			return value, true
		}
	}
	return "", false
}

// probeTrunks asks trunks over TLS, and those that the server would keep, whether they
// are there.
func probeTrunks(ctx context.Context, c SIPConfig) []Finding {
	asked := SIPConfig{Addr: c.Addr, Advertise: c.Advertise, Resolver: c.Resolver}
	if host, _, err := net.SplitHostPort(c.Addr); err == nil {
		asked.Addr = net.JoinHostPort(host, "0")
	}
	for _, t := range c.Trunks {
		if t.Host != "" && (t.Transport == "tls" || t.KeepAlive > 0 || t.Register) {
			asked.Trunks = append(asked.Trunks, t)
		}
	}
	if len(asked.Trunks) == 0 {
		return nil
	}
	cfg, err := sipConfig(asked, slog.New(slog.DiscardHandler))
	if err != nil {
		return []Finding{{Name: "trunks", Detail: err.Error(), Fix: "correct the setting that it names"}}
	}
	driver, err := sip.New(cfg)
	if err != nil {
		return []Finding{{Name: "trunks", Detail: err.Error(), Fix: "correct the setting that it names"}}
	}
	defer func() { _ = driver.Close() }() // nothing is open there
	out := make([]Finding, len(asked.Trunks))
	var wg sync.WaitGroup
	for i, t := range asked.Trunks {
		wg.Go(func() { out[i] = probeTrunk(ctx, driver, t) })
	}
	wg.Wait()
	return out
}

func probeTrunk(ctx context.Context, d *sip.Driver, t Trunk) Finding {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	name := "trunk " + t.Name + " (OPTIONS)"
	p, err := d.Probe(ctx, t.Name)
	switch {
	case err != nil:
		return Finding{Name: name, Detail: err.Error(), Optional: true,
			Fix: "check host, transport, outbound_proxy and the firewall; some carriers respond to no OPTIONS of hosts that they do not know"}
	case !p.Up():
		return Finding{Name: name, Detail: fmt.Sprintf("%s says %d: it is out of service", p.Address, p.Status), Optional: true, Fix: "ask the carrier, or try again later"}
	}
	return Finding{Name: name, Detail: fmt.Sprintf("%s responded over %s within %s (status %d)", cmp.Or(t.OutboundProxy, t.Host), p.Transport,
		p.RoundTrip.Round(100*time.Microsecond), p.Status)}
}
