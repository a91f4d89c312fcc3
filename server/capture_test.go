package server

import (
	"bytes"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// TestCaptureOfARecordedCall: on a whole server, the capture file of a call has its
// signalling and the packets of its sound, from which both sides can be heard again;
// that of a call that is not recorded has no sound.
func TestCaptureOfARecordedCall(t *testing.T) {
	t.Parallel()
	for name, recorded := range map[string]bool{"recorded": true, "not recorded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTrunkPeer(t)
			c := testConfig(t)
			c.Recordings.RTP = true
			c.SIP.Trunks = []Trunk{{Name: "carrier", Host: p.conn.LocalAddr().String(), Addresses: []string{"127.0.0.2"}, Numbers: []string{"+14155550123"}}}
			r := run(t, c)
			var err error
			if p.server, err = net.ResolveUDPAddr("udp", r.ready.SIP); err != nil {
				t.Fatal(err)
			}
			api := r.client(r.ready.APIKey)
			agent, err := api.Agents().Create(t.Context(), client.Agent{Provider: "echo", EnableRecording: &recorded, Prompt: &client.Prompt{Content: "echo"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = api.Numbers().Buy(t.Context(), client.Purchase{TelephonyProvider: "sip", PhoneNumber: "+14155550123", InboundAgent: agent.ID}); err != nil {
				t.Fatal(err)
			}
			spoken := audio.EncodeULaw(nil, audio.Sine(8000, 8000, 440, -12))
			echoed := p.speaks(spoken)
			packets := captureOf(t, api)
			text := ""
			for _, packet := range packets {
				text += string(packet.Raw) + "\n"
			}
			for _, want := range []string{"INVITE sip:", "SIP/2.0 200 OK", "BYE sip:"} {
				if !strings.Contains(text, want) {
					t.Errorf("the file has no %s", want)
				}
			}
			heard, said, keys := sounds(packets, p.conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().String())
			if !recorded {
				if len(heard)+len(said) != 0 {
					t.Errorf("the file has sound of a call that is not recorded")
				}
				return
			}
			if !bytes.Equal(heard, spoken) {
				t.Errorf("the file has %d samples of the caller's %d", len(heard), len(spoken))
			}
			if !bytes.Contains(said, echoed) || len(echoed) < 4000 {
				t.Errorf("of %d samples that were sent to the caller the file does not have the %d that came", len(said), len(echoed))
			}
			if want := []byte{0xff, 10, 0, 160}; !bytes.Equal(keys, want) {
				t.Errorf("a pressed key is stored as %x, want %x", keys, want)
			}
		})
	}
}

// speaks calls the number, says something, presses a key, and hangs up. It returns what
// came back.
func (p *trunkPeer) speaks(spoken []byte) []byte {
	t := p.t
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const from = "<sip:+14155550100@carrier>;tag=in"
	uri := "sip:+14155550123@" + p.server.String()
	sdp := strings.Replace(peerSDP, "40000 RTP/AVP 0", conn.LocalAddr().String()[len("127.0.0.2:"):]+" RTP/AVP 0 101", 1) + "a=rtpmap:101 telephone-event/8000\r\n"
	p.send(p.request("INVITE", uri, from, "<"+uri+">", "capture", 1, sdp))
	ok := p.receive("SIP/2.0 200")
	to := headerIn(ok, "To")
	p.send(p.request("ACK", uri, from, to, "capture", 1, ""))
	_, after, _ := strings.Cut(ok, "m=audio ")
	port, _, _ := strings.Cut(after, " ")
	there, err := net.ResolveUDPAddr("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	back := make(chan []byte)
	var loud atomic.Int64 // packets that came back
	go func() { back <- hears(conn, &loud) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	number := uint16(0)
	send := func(packet rtp.Packet) {
		packet.Version, packet.SSRC, packet.SequenceNumber = 2, 7, number
		number++
		raw, err := packet.Marshal()
		if err == nil {
			_, err = conn.WriteToUDP(raw, there)
		}
		if err != nil {
			t.Error(err)
		}
		<-tick.C
	}
	for i := 0; i+160 <= len(spoken); i += 160 {
		if i == len(spoken)/320*160 { // the sound behind it tells that it was taken
			send(rtp.Packet{Header: rtp.Header{PayloadType: 101, Timestamp: uint32(i)}, Payload: []byte{5, 10, 0, 160}})
		}
		send(rtp.Packet{Header: rtp.Header{Timestamp: uint32(i)}, Payload: spoken[i : i+160]})
	}
	poll(t, "the echo of all of it", func() bool { return loud.Load() > int64(len(spoken)/160-5) })
	p.send(p.request("BYE", uri, from, to, "capture", 2, ""))
	p.receive("SIP/2.0 200")
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	return <-back
}

// hears returns the sound that comes until the socket's deadline, and counts the packets
// that are no silence.
func hears(conn *net.UDPConn, loud *atomic.Int64) (sound []byte) {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return sound
		}
		var packet rtp.Packet
		if packet.Unmarshal(buf[:n]) == nil && packet.PayloadType == 0 {
			sound = append(sound, packet.Payload...)
			if bytes.ContainsFunc(packet.Payload, func(r rune) bool { return r < 0x70 }) {
				loud.Add(1)
			}
		}
	}
}

// captureOf reads the capture file of the only call, once that is over.
func captureOf(t *testing.T, api *client.Client) []telephony.Packet {
	t.Helper()
	id := ""
	poll(t, "the end of the call", func() bool {
		calls, err := api.Calls().List(t.Context(), client.Query{})
		if err != nil || len(calls.Items) != 1 {
			t.Fatalf("got %+v, %v", calls.Items, err)
		}
		id = calls.Items[0].ID
		return calls.Items[0].Status == "ended"
	})
	var file bytes.Buffer
	if err := api.Calls().PCAP(t.Context(), id, &file); err != nil {
		t.Fatal(err)
	}
	packets, err := telephonytest.ReadCapture(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// sounds are the G.711 of the packets from a host and to it, in the order of their
// numbers, and the telephone-events.
func sounds(packets []telephony.Packet, host string) (from, to, keys []byte) {
	for _, p := range packets {
		var packet rtp.Packet
		switch {
		case len(p.Raw) < 12 || p.Raw[0]>>6 != 2 || p.Raw[1]&0x7f >= 72 && p.Raw[1]&0x7f <= 76: // signalling, or RTCP
		case packet.Unmarshal(p.Raw) != nil:
		case packet.PayloadType == 101:
			keys = append(keys, packet.Payload...)
		case p.Local.Addr().String() == host:
			from = append(from, packet.Payload...)
		default:
			to = append(to, packet.Payload...)
		}
	}
	return from, to, keys
}
