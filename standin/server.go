package standin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Request is a request that a stand-in serves, with what is to go wrong in it.
type Request struct {
	*http.Request
	Fault   Fault
	control *Control
	entry   *Entry
}

// Note keeps a body or a message of the request in the ledger.
func (r *Request) Note(message []byte) {
	r.control.mu.Lock()
	defer r.control.mu.Unlock()
	r.entry.Body = append(r.entry.Body, append([]byte(nil), message...))
}

// Credential is the key that the request shows, without its scheme.
func (r *Request) Credential() string { return r.entry.Credential }

// credentials are the headers and parameters in which vendors take a key.
func credentials() (headers, parameters []string) {
	return []string{"Authorization", "X-Api-Key", "Api-Key", "Xi-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"},
		[]string{"key", "token", "api_key"}
}

// credential returns the key that a request shows, without its scheme.
func credential(r *http.Request) string {
	headers, parameters := credentials()
	for _, name := range headers {
		if v := r.Header.Get(name); v != "" {
			for _, scheme := range []string{"Bearer ", "Token ", "Basic "} {
				v = strings.TrimPrefix(v, scheme)
			}
			return v
		}
	}
	for _, name := range parameters {
		if v := r.URL.Query().Get(name); v != "" {
			return v
		}
	}
	return ""
}

// Handler serves requests with serve: it keeps the ledger, chooses the fault (the
// header Standin-Fault comes before Inject) and carries out Refuse, Status and
// HalfOpen. refuse writes the vendor's body of an error status; Standin-Key, when
// key is not "", is the only key that is accepted.
func (c *Control) Handler(key string, refuse func(w http.ResponseWriter, status int, reason string), serve func(http.ResponseWriter, *Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault, err := c.take(r.Header.Get("Standin-Fault"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		request := c.open(r, fault)
		defer c.close()
		switch fault.Kind {
		case Refuse:
			panic(http.ErrAbortHandler)
		case HalfOpen:
			_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the client leaves
			<-r.Context().Done()
		case Status:
			if fault.RetryAfter > 0 {
				w.Header().Set("Retry-After", strconv.FormatFloat(fault.RetryAfter.Seconds(), 'f', -1, 64))
			}
			refuse(w, fault.Status, fault.Reason)
		default:
			if key != "" && credential(r) != key {
				refuse(w, http.StatusUnauthorized, "")
				return
			}
			serve(w, request)
		}
	})
}

func (c *Control) open(r *http.Request, fault Fault) *Request {
	e := &Entry{At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), Credential: credential(r), Fault: fault.Kind}
	headers, parameters := credentials()
	for _, name := range headers {
		e.Header.Del(name)
	}
	for _, name := range parameters {
		e.Query.Del(name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger, c.active = append(c.ledger, e), c.active+1
	return &Request{Request: r, Fault: fault, control: c, entry: e}
}

func (c *Control) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active--
}

// Server is a stand-in that listens.
type Server struct {
	// URL is where it is found, such as "http://127.0.0.1:4123".
	URL string
	// CA is the certificate that clients must trust, PEM; nil without TLS.
	CA []byte

	http *http.Server
	done chan error
}

// Start serves h on address, such as "127.0.0.1:0"; with TLS by a certificate
// that is made for it.
func Start(address string, h http.Handler, secure bool) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for a stand-in: %w", err)
	}
	s := &Server{URL: "http://" + listener.Addr().String(), done: make(chan error, 1),
		http: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}}
	if secure {
		certificate, ca, err := certify()
		if err != nil {
			_ = listener.Close()
			return nil, err
		}
		s.URL, s.CA = "https://"+listener.Addr().String(), ca
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// Close ends the server and the connections that it knows; WebSockets end with
// their handlers.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Wait serves until ctx ends.
func (s *Server) Wait(ctx context.Context) error {
	<-ctx.Done()
	return s.Close()
}

// WebSocketURL is the URL with the scheme of WebSockets.
func (s *Server) WebSocketURL() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// certify makes a certificate authority of one certificate, for loopback.
func certify() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Sidetone stand-in"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
