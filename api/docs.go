package api

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"

	"github.com/swaggest/swgui/v5/static"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/wire"
)

// docsPage is the page of /docs.
//
//go:embed docs/index.html
var docsPage string

// docsScript starts Swagger UI on the page.
//
//go:embed docs/start.js
var docsScript string

// docsPolicy lets the page load and call nothing but this server.
// https://www.w3.org/TR/CSP3/
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// getDocs shows the document with forms to try it.
func (s *server) getDocs(w http.ResponseWriter, r *request) error {
	docsHeaders(w, "text/html; charset=utf-8")
	s.writeBody(w, r.Request, http.StatusOK, []byte(docsPage))
	return nil
}

// getDocsAsset serves what the page consists of.
func (s *server) getDocsAsset(w http.ResponseWriter, r *request) error {
	name := r.PathValue("asset")
	docsHeaders(w, assetType(name))
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if name == "start.js" {
		s.writeBody(w, r.Request, http.StatusOK, []byte(docsScript))
		return nil
	}
	body, packed, err := docsAsset(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sidetone.Errorf(sidetone.NotFound, "there is no %s", wire.Clip(r.URL.Path))
	case err != nil:
		return err
	case packed && acceptsGzip(r.Request):
		w.Header().Set("Content-Encoding", "gzip")
	case packed:
		if body, err = unpack(body); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	w.Header().Add("Vary", "Accept-Encoding")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that is gone is no error
	return nil
}

func docsHeaders(w http.ResponseWriter, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// docsAsset returns a file of Swagger UI, and whether it is packed by gzip;
// fs.ErrNotExist when the page has none of that name.
func docsAsset(name string) (body []byte, packed bool, err error) {
	switch name {
	case "favicon-32x32.png":
		body, err = static.FS.ReadFile(name)
		return body, false, err
	case "swagger-ui.css", "swagger-ui-bundle.js":
		body, err = static.FS.ReadFile(name + ".gz")
		return body, true, err
	}
	return nil, false, fs.ErrNotExist
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func assetType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".png":
		return "image/png"
	default:
		return "application/octet-stream"
	}
}

// getDocument serves openapi.yaml.
func (s *server) getDocument(w http.ResponseWriter, r *request) error {
	w.Header().Set("Content-Type", "application/yaml")
	s.writeBody(w, r.Request, http.StatusOK, []byte(contract.Text()))
	return nil
}
