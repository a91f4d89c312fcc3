package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Ready is what a starting server tells whoever waits for it.
type Ready struct {
	// HTTP is the API's base URL; SIP is host:port.
	HTTP string `json:"http"`
	SIP  string `json:"sip"`
	// APIKey is shown once, when the data directory was empty.
	APIKey string `json:"api_key,omitempty"`
}

// writeReady writes r to path, readable by the owner only and never half.
func writeReady(path string, r Ready) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return fmt.Errorf("make ready file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already after the rename
	if _, err := tmp.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("place ready file: %w", err)
	}
	return nil
}
