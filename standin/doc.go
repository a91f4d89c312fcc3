// Package standin is what the stand-ins of vendors share. A stand-in is a real
// server on loopback that speaks a vendor's protocol, keeps a ledger of what it
// was asked, and fails on demand. Its vendors are folders of this one.
package standin
