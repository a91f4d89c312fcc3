package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
)

// controlFile tells the command line of this machine how to reach the server
// that holds the data directory. Whoever can read it could read the database.
const controlFile = "control.json"

// control is the content of the file. The key is valid while the process lives and
// is stored nowhere else.
type control struct {
	HTTP   string `json:"http"`
	SIP    string `json:"sip"`
	SIPTLS string `json:"sip_tls,omitempty"`
	Key    string `json:"key"`
}

// readControl reads the file.
func readControl(dir string) (control, error) {
	var there control
	data, err := os.ReadFile(filepath.Join(dir, controlFile))
	if err == nil {
		err = json.Unmarshal(data, &there)
	}
	return there, err
}

// client returns a client that may do everything there.
func (c control) client() *client.Client { return client.New(c.HTTP, sidetone.Secret(c.Key)) }

// openControl writes the file.
func (s *server) openControl(listener net.Listener) error {
	there := control{HTTP: localURL(listener.Addr()), SIP: s.sip.Addr().String(), SIPTLS: s.secureAddr(), Key: s.operator.Reveal()}
	data, err := json.Marshal(there)
	if err != nil {
		return fmt.Errorf("encode %s: %w", controlFile, err)
	}
	if err := writeAtomic(filepath.Join(s.config.Data, controlFile), append(data, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", controlFile, err)
	}
	return nil
}

// secureAddr is where SIP over TLS is taken, host:port; "" when it is not.
func (s *server) secureAddr() string {
	if secure := s.sip.TLSAddr(); secure.IsValid() {
		return secure.String()
	}
	return ""
}

// closeControl removes the file, be it that of a process that was killed.
func (s *server) closeControl() error {
	if err := os.Remove(filepath.Join(s.config.Data, controlFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", controlFile, err)
	}
	return nil
}

// localURL returns a URL of the listener that works on this machine.
func localURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return "http://" + addr.String()
	}
	return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
}

// Operate calls do with a client that may do everything in every environment:
// of the server that holds the data directory, or, when none does, of the same
// interface on the database itself.
func Operate(ctx context.Context, c Config, do func(*client.Client) error) error {
	_, err := os.Stat(c.Data)
	if errors.Is(err, fs.ErrNotExist) && c.Database.URL == "" { // looking must not make one
		return fmt.Errorf("there is no data directory %s (--data names it; `sidetone serve` makes it)", c.Data)
	}
	err = withStore(ctx, c, func(s *store.Store, masters *masterKeys) error {
		key := sidetone.NewKey()
		p, closeAll, err := offlineProviders(c, s)
		if err != nil {
			return err
		}
		defer closeAll()
		direct := client.New("http://direct", key)
		direct.HTTP = &http.Client{Transport: inProcess{api.New(api.Config{Store: s, Operator: key, Lacking: p.lacking, LackingEnvironment: p.lackingEnvironment, TryConnection: p.try,
			RotateMaster: func(ctx context.Context) (api.MasterRotation, error) { return masters.rotate(ctx, s) }})}}
		return do(direct)
	})
	if !errors.Is(err, errInUse) {
		return err
	}
	there, readErr := readControl(c.Data)
	if readErr != nil {
		return fmt.Errorf("%w, which cannot be asked: it is just starting or ending, or is no server (%w)", err, readErr)
	}
	return do(there.client())
}

// inProcess carries requests to a handler without a network.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &collected{header: http.Header{}, status: http.StatusOK}
	p.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r}, nil
}

// collected is a response in memory.
type collected struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (c *collected) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *collected) WriteHeader(status int) { c.status = status }

// Write implements http.ResponseWriter.
func (c *collected) Write(b []byte) (int, error) { return c.body.Write(b) }
