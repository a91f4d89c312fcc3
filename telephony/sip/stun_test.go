package sip

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serveSTUN answers requests, the first one not, as if they came from an address.
func serveSTUN(t *testing.T, seen netip.Addr, attribute uint16) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for n := 0; ; n++ {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n == 0 {
				_, _ = conn.WriteTo([]byte("no answer"), from)
				continue
			}
			_, _ = conn.WriteTo(stunAnswer(buf[:size], seen, attribute), from)
		}
	}()
	return conn.LocalAddr().String()
}

func stunAnswer(request []byte, seen netip.Addr, attribute uint16) []byte {
	raw := seen.AsSlice()
	value := append([]byte{0, map[int]byte{4: 1, 16: 2}[len(raw)], 0x12, 0x34}, raw...)
	for i := range raw {
		if attribute == 0x0020 {
			value[4+i] ^= request[4+i]
		}
	}
	out := append([]byte{1, 1, 0, byte(4 + len(value) + 8)}, request[4:20]...)
	out = append(out, 0x80, 0x22, 0, 3, 'a', 'b', 'c', 0) // SOFTWARE, padded
	out = binary.BigEndian.AppendUint16(out, attribute)
	out = binary.BigEndian.AppendUint16(out, uint16(len(value)))
	return append(out, value...)
}

// TestPublicAddress asks a server that misses the first request.
func TestPublicAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seen      string
		attribute uint16
	}{"IPv4": {"203.0.113.9", 0x0020}, "IPv6": {"2001:db8::9", 0x0020}, "an old server": {"203.0.113.9", 0x0001}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			public, own, err := PublicAddress(ctx, serveSTUN(t, netip.MustParseAddr(c.seen), c.attribute), "127.0.0.1")
			if err != nil || public.String() != c.seen || own.String() != "127.0.0.1" {
				t.Errorf("public %s, own %s, %v", public, own, err)
			}
		})
	}
}

// TestPublicAddressWithoutAnAnswer asks a server that is silent.
func TestPublicAddressWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if public, _, err := PublicAddress(ctx, conn.LocalAddr().String(), ""); err == nil {
		t.Errorf("found %s without an answer", public)
	}
}

func FuzzMappedAddress(f *testing.F) {
	request := append(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, stunCookie), "0123456789ab"...)
	for _, seen := range []string{"203.0.113.9", "2001:db8::9"} {
		f.Add(stunAnswer(request, netip.MustParseAddr(seen), 0x0020))
		f.Add(stunAnswer(request, netip.MustParseAddr(seen), 0x0001))
	}
	f.Add([]byte{1, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if a, ok := mappedAddress(answer, request[8:20]); ok != a.IsValid() {
			t.Errorf("%v, %s", ok, a)
		}
	})
}
