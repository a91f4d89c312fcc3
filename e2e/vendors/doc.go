// Package vendors holds tests only: the official clients of vendors, from npm,
// talk with our stand-ins, so that a stand-in cannot drift away from what it
// stands in for. `make vendors` runs them.
//
// A vendor is a row of flows() and a folder of testdata with package.json,
// package-lock.json (both pinned) and a program. The program finds the stand-in
// at STANDIN_URL (and STANDIN_WEBSOCKET_URL), shows the key of STANDIN_KEY, and
// ends with a status other than 0 when something is not as the client wants it.
// With TLS, NODE_EXTRA_CA_CERTS is set. GET STANDIN_URL/standin/ledger says what
// the stand-in was asked, POST STANDIN_URL/standin/faults makes it fail.
package vendors
