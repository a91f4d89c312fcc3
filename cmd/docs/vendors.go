package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sidetone/sidetone/server"
)

// vendorsFile is where the list of drivers is.
const vendorsFile = "docs/vendors.md"

// vendorsHead is what stands before the tables.
const vendorsHead = `# Vendors

Whom agents can think, listen and speak with. ` + "`go run ./cmd/docs vendors`" + ` writes this page from the code.
[Bring your keys](2-bring-your-keys.md) says how keys are given, and who pays.

Every driver is tested against a stand-in of its vendor (` + "`sidetone standin VENDOR`" + `), which was written from public
documents. *Checked with* says what holds the stand-in to the truth: the vendor's official client talks with it in
` + "`make vendors`" + `, and its messages are held against the vendor's own schema. Nothing here was run with a paid account; whoever
has keys can run the conformance suites against the vendors themselves, with ` + "`make live`" + ` ([how](../CONTRIBUTING.md)).
Languages are those of the eleven that an agent can have, for the driver's default model; where it says *the vendor's*,
Sidetone does not know which and lets the vendor decide.

`

// writeVendors writes the list of drivers.
func writeVendors(root string) error {
	if err := os.WriteFile(filepath.Join(root, vendorsFile), []byte(vendorsHead+strings.TrimRight(server.VendorTable(), "\n")+"\n"), 0o644); err != nil { //nolint:gosec // a document
		return fmt.Errorf("write the vendors: %w", err)
	}
	return nil
}
