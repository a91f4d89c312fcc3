// Package e2e tests the whole product through its public ports: the real
// binary, started on an empty directory with ports of the system's choice, is
// called by peers nobody here wrote (SIPp, baresip, Linphone, minimodem, multimon-ng) and
// by its own softphone, directly, through Kamailio, behind a router and on bad
// lines, and what either side heard is examined.
//
// The package holds tests only. They need the programs that scripts/setup
// installs, loopback, and no rights but to make user namespaces: a router and the
// network behind it are network namespaces.
package e2e
