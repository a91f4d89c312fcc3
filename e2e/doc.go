// Package e2e tests the whole product through its public ports: the real
// binary, started on an empty directory with ports of the system's choice, is
// called by peers nobody here wrote (SIPp, baresip, minimodem, multimon-ng) and
// by its own softphone, and what either side heard is examined.
//
// The package holds tests only. They need the programs that scripts/setup
// installs, loopback, and no rights.
package e2e
