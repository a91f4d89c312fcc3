package sip

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	stunPort   = 3478
	stunCookie = 0x2112a442
	// stunFirst is after how long a request is repeated for the first time
	// (https://www.rfc-editor.org/rfc/rfc8489#section-6.2.1).
	stunFirst = 500 * time.Millisecond
)

// PublicAddress asks a STUN server, host[:port], from where it sees us: the address that
// callers must send sound to when a NAT stands between. local is the address of the
// socket, empty for any. It asks once with repetitions, until ctx ends, and also returns
// the address that we have ourselves on the way there.
// https://www.rfc-editor.org/rfc/rfc8489
func PublicAddress(ctx context.Context, server, local string) (public, own netip.Addr, err error) {
	host, port, err := splitHost(server)
	if err != nil {
		return public, own, fmt.Errorf("stun server: %w", err)
	}
	orElse(&port, stunPort)
	dialer := net.Dialer{}
	if a, err := netip.ParseAddr(local); err == nil && !a.IsUnspecified() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return public, own, fmt.Errorf("stun server: %w", err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to send
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		own = unmap(a.AddrPort()).Addr()
	}
	request := binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, stunCookie)
	request = append(request, make([]byte, 12)...)
	rand.Read(request[8:])
	public, err = askSTUN(ctx, conn, request)
	return public, own, err
}

// askSTUN sends a request until there is an answer.
func askSTUN(ctx context.Context, conn net.Conn, request []byte) (netip.Addr, error) {
	buf := make([]byte, 1500)
	for wait := stunFirst; ctx.Err() == nil; wait *= 2 {
		if _, err := conn.Write(request); err != nil {
			return netip.Addr{}, fmt.Errorf("ask the stun server: %w", err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait)) // a socket that is closed fails to read
		for ctx.Err() == nil {
			n, err := conn.Read(buf)
			var limit net.Error
			if errors.As(err, &limit) && limit.Timeout() {
				break
			}
			if err != nil {
				return netip.Addr{}, fmt.Errorf("ask the stun server: %w", err)
			}
			if a, ok := mappedAddress(buf[:n], request[8:20]); ok {
				return a, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("ask the stun server: %w", context.Cause(ctx))
}

// mappedAddress reads the answer to the request with that id
// (https://www.rfc-editor.org/rfc/rfc8489#section-14.2).
func mappedAddress(answer, id []byte) (netip.Addr, bool) {
	if len(answer) < 20 || binary.BigEndian.Uint16(answer) != 0x0101 || binary.BigEndian.Uint32(answer[4:]) != stunCookie || !bytes.Equal(answer[8:20], id) {
		return netip.Addr{}, false
	}
	mask := answer[4:20]
	var plain netip.Addr
	for rest := answer[20:]; len(rest) >= 4; {
		kind, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if len(rest) < 4+length {
			break
		}
		switch value := rest[4 : 4+length]; kind {
		case 0x0020:
			if a, ok := stunAddress(value, mask); ok {
				return a, true
			}
		case 0x0001: // of servers as of RFC 3489
			plain, _ = stunAddress(value, make([]byte, 16))
		}
		rest = rest[min(len(rest), 4+(length+3)/4*4):]
	}
	return plain, plain.IsValid()
}

// stunAddress reads an address that is hidden by a mask.
func stunAddress(value, mask []byte) (netip.Addr, bool) {
	if len(value) != 8 && len(value) != 20 {
		return netip.Addr{}, false
	}
	raw := bytes.Clone(value[4:])
	for i := range raw {
		raw[i] ^= mask[i]
	}
	a, ok := netip.AddrFromSlice(raw)
	return a.Unmap(), ok && value[1] == map[int]byte{4: 1, 16: 2}[len(raw)]
}
