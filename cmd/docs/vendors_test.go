package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sidetone/sidetone/server"
)

// TestVendorsAreWrittenDown: docs/vendors.md is what the code says.
func TestVendorsAreWrittenDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeVendors(dir); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, vendorsFile))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("../..", vendorsFile))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("docs/vendors.md is not what the code says: run `go run ./cmd/docs vendors`")
	}
	for _, d := range server.VendorDrivers() {
		if d.Can == "" || d.Checked == "" || d.Connection == "" {
			t.Errorf("%s %s: something is missing: %+v", d.Part, d.Kind, d)
		}
	}
}
