package auth

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/sidetone/sidetone"
)

const (
	// wrongBurst wrong signatures are verified for one client at once, wrongRate
	// each second after that.
	wrongBurst = 20
	wrongRate  = 20
	maxClients = 4096
	maxGood    = 4096
	ipv6Prefix = 64 // bits that one client has, as providers assign them
)

// wrongSignatures limits how many wrong signatures are verified for one client.
// Its methods may be called concurrently.
type wrongSignatures struct {
	good    *lru.Cache[[sha256.Size]byte, struct{}] // hashes of tokens that were verified
	clients *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newWrongSignatures() (*wrongSignatures, error) {
	good, err := lru.New[[sha256.Size]byte, struct{}](maxGood)
	if err != nil {
		return nil, fmt.Errorf("make the cache of verified tokens: %w", err)
	}
	clients, err := lru.New[netip.Prefix, *rate.Limiter](maxClients)
	if err != nil {
		return nil, fmt.Errorf("make the cache of clients: %w", err)
	}
	return &wrongSignatures{good, clients}, nil
}

// verify calls signed, which verifies the signature of token, unless the client
// at the address from has used up its wrong signatures. A token that was verified
// before is always verified and never counted, so that clients behind the same
// address as an attacker keep working.
func (w *wrongSignatures) verify(token, from string, now time.Time, signed func() bool) error {
	hash, limiter := sha256.Sum256([]byte(token)), w.limiter(from)
	known := w.good.Contains(hash)
	if !known && limiter.TokensAt(now) < 1 {
		return sidetone.Errorf(sidetone.Limited, "too many tokens with wrong signatures came from this address; try again in a second")
	}
	if signed() {
		w.good.Add(hash, struct{}{})
		return nil
	}
	w.good.Remove(hash) // its key was replaced
	if !known {
		limiter.AllowN(now, 1)
	}
	return bad()
}

// limiter returns the limiter of the client at an address.
func (w *wrongSignatures) limiter(from string) *rate.Limiter {
	client := network(from)
	if found, ok := w.clients.Get(client); ok {
		return found
	}
	fresh := rate.NewLimiter(wrongRate, wrongBurst)
	if before, existed, _ := w.clients.PeekOrAdd(client, fresh); existed {
		return before
	}
	return fresh
}

// network returns the network that counts as one client: the address itself, or
// the /64 of an IPv6 address. from may have a port. What is no address is the
// zero prefix.
func network(from string) netip.Prefix {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = ipv6Prefix
	}
	return netip.PrefixFrom(ip, bits).Masked()
}
