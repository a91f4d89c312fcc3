package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sidetone/sidetone/telephony/sip"
)

// publicTimeout bounds the question to a STUN server.
const publicTimeout = 5 * time.Second

// checkPublic compares the address that callers are told to send sound to with the one
// from which the network sees this machine.
func checkPublic(ctx context.Context, c SIPConfig) []Finding {
	if c.STUN == "" {
		return nil
	}
	f := Finding{Name: "public address"}
	ctx, cancel := context.WithTimeout(ctx, publicTimeout)
	defer cancel()
	local, _, _ := net.SplitHostPort(c.Addr) // what is no address is found by others
	public, told, err := sip.PublicAddress(ctx, c.STUN, local)
	if err != nil {
		f.Detail, f.Optional = err.Error(), true
		f.Fix = "correct sip.stun, let UDP out to it, or let sip.addr be an address that others reach"
		return []Finding{f}
	}
	what := "told to callers without sip.advertise"
	if a, err := netip.ParseAddr(c.Advertise); err == nil {
		told, what = a, "sip.advertise"
	}
	f.Detail = fmt.Sprintf("%s as %s sees it; %s is %s", public, c.STUN, what, told)
	if told.Is4() != public.Is4() {
		f.Detail += ", of the other family of addresses"
		return []Finding{f}
	}
	if told != public {
		f.Optional = true
		f.Fix = "callers outside of this network are not heard: set `sip.advertise: " + public.String() + "`, and let the router forward "
		if c.RTPMin == 0 {
			f.Fix += "the UDP ports of sip.rtp_min to sip.rtp_max, which are to be set,"
		} else {
			f.Fix += fmt.Sprintf("the UDP ports %d to %d", c.RTPMin, c.RTPMax)
		}
		f.Fix += " to this machine"
	}
	return []Finding{f}
}
