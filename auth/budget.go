package auth

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Wrong signatures that one address may present: so many at once, and then so
// many each second. Looking at one takes up to a tenth of a millisecond.
const (
	wrongAtOnce    = 20
	wrongEach      = 10
	maxAddresses   = 4096
	ipv6PrefixBits = 64
)

// budget bounds the costly looks at wrong signatures by whom they come from.
type budget struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]allowance
}

// allowance is how many wrong signatures an address had left at a time.
type allowance struct {
	left float64
	at   time.Time
}

// take asks for a look at a signature. Whoever finds it right gives it back.
func (b *budget) take(from netip.Prefix, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, known := b.addresses[from]
	if !known {
		a = allowance{wrongAtOnce, now}
	}
	if passed := now.Sub(a.at).Seconds(); passed > 0 {
		a = allowance{min(wrongAtOnce, a.left+passed*wrongEach), now}
	}
	if a.left < 1 {
		return false
	}
	a.left--
	if b.addresses == nil {
		b.addresses = map[netip.Prefix]allowance{}
	}
	if !known && len(b.addresses) >= maxAddresses {
		clear(b.addresses)
	}
	b.addresses[from] = a
	return true
}

func (b *budget) giveBack(from netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, known := b.addresses[from]; known {
		a.left = min(wrongAtOnce, a.left+1)
		b.addresses[from] = a
	}
}

// neighbours are those who share a budget with an address: itself, or the
// network of an IPv6 one. What is no address shares one with its like.
func neighbours(address string) netip.Prefix {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = ipv6PrefixBits
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
