package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Ready is the content of the ready file, which a server writes once it takes
// calls.
type Ready struct {
	// HTTP is the API's base URL; SIP is host:port.
	HTTP string `json:"http"`
	SIP  string `json:"sip"`
	// SIPTLS is where SIP over TLS is taken, host:port; "" when it is not.
	SIPTLS string `json:"sip_tls,omitempty"`
	// APIKey is shown once, when the data directory was empty; again when an
	// earlier start ended before it could be shown.
	APIKey string `json:"api_key,omitempty"`
}

// writeReady writes r to path.
func writeReady(path string, r Ready) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	if err := writeAtomic(path, append(data, '\n')); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}

// writeAtomic writes a file, readable by the owner only and never half, that
// survives a crash of the machine.
func writeAtomic(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already after the rename
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = dir.Sync() // some file systems cannot; the file itself is safe
	return dir.Close()
}
