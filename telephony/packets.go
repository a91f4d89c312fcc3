package telephony

import (
	"net/netip"
	"time"
)

// Packet is a datagram of a leg's sound or of reports about it, as it is on the wire:
// encrypted where the leg is. Keys that were pressed are hidden where it is not.
type Packet struct {
	// At is when it came, or was handed to the network.
	At time.Time
	// Sent says that it is ours.
	Sent bool
	// Local is our end as the far end knows it, Remote the other one.
	Local, Remote netip.AddrPort
	// Raw is the datagram's content. It is valid only during the call of
	// PacketSink.Packet.
	Raw []byte
}

// PacketSink takes packets. Its method may be called concurrently, and for each frame:
// it must neither wait nor allocate.
type PacketSink interface {
	Packet(p Packet)
}

// Tapped is implemented by legs whose packets can be watched.
type Tapped interface {
	// Tap shows the packets of the leg to a sink from now on, those of strangers to the
	// call among them. It is called once. Packets that came before are not shown.
	Tap(to PacketSink)
}
