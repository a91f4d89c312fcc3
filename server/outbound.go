package server

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/sidetone/sidetone/outbound"
)

// newGuard returns what lets requests out; an error names the key that is wrong.
func newGuard(c OutboundConfig) (*outbound.Guard, error) {
	o := outbound.Options{Allow: c.Allow, Only: c.Only, Concurrent: c.Concurrent, Proxy: http.ProxyFromEnvironment}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("outbound.ca_file: %w", err)
		}
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's certificates: %w", err)
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("outbound.ca_file: %s holds no certificate", c.CAFile)
		}
	}
	return outbound.New(o) //nolint:wrapcheck // it names the key
}
