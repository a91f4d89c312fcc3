package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/wire"
)

// readBody returns the body of an operation that has one, decompressed and
// without a byte order mark; nil for other operations.
func readBody(w http.ResponseWriter, r *http.Request, op contract.Operation) ([]byte, error) {
	if !op.HasBody() {
		return nil, nil
	}
	received := http.MaxBytesReader(w, r.Body, wire.MaxBody)
	var reader io.Reader = received
	encoding := strings.Join(r.Header.Values("Content-Encoding"), ",")
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
	case "gzip", "x-gzip": // RFC 9110 section 8.4.1.3
		z, err := gzip.NewReader(received)
		if err != nil {
			return nil, bodyError(err)
		}
		reader = z
	default:
		w.Header().Set("Accept-Encoding", "gzip, identity")
		return nil, sidetone.Errorf(badEncoding, "Content-Encoding must be gzip or identity")
	}
	body, err := io.ReadAll(io.LimitReader(reader, wire.MaxBody+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if len(body) > wire.MaxBody {
		return nil, bodyTooLarge()
	}
	return bytes.TrimPrefix(body, []byte("\ufeff")), nil
}

// bodyError explains why a body could not be read.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bodyTooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sidetone.Errorf(tooSlow, "body did not arrive in time")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &sidetone.Error{Code: sidetone.Invalid, Message: "body is cut off or not in the format that Content-Encoding names", Cause: err}
	default:
		return &sidetone.Error{Code: sidetone.Invalid, Message: "body could not be read", Cause: err}
	}
}

func bodyTooLarge() error {
	return sidetone.Errorf(sidetone.TooLarge, "body must be at most %d bytes", wire.MaxBody)
}
