package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

// forbid is a carrier that challenges each INVITE without credentials and refuses the
// others. It returns where it listens.
func forbid(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			request := string(buf[:n])
			if !strings.HasPrefix(request, "INVITE ") {
				continue
			}
			status := "403 Forbidden\r\nReason: Q.850;cause=21"
			if !strings.Contains(request, "\r\nAuthorization: ") {
				status = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"carrier\", nonce=\"n0nce\""
			}
			answer := "SIP/2.0 " + status + "\r\n"
			for line := range strings.SplitSeq(request, "\r\n") {
				switch name, _, _ := strings.Cut(line, ":"); name {
				case "Via", "From", "Call-ID", "CSeq":
					answer += line + "\r\n"
				case "To":
					answer += line + ";tag=carrier\r\n"
				}
			}
			_, _ = conn.WriteTo([]byte(answer+"Content-Length: 0\r\n\r\n"), from)
		}
	}()
	return conn.LocalAddr().String()
}

// TestCallsKeepTheirLadder: one that was placed and refused, and one that came and was
// refused by the driver, on a whole server.
func TestCallsKeepTheirLadder(t *testing.T) {
	t.Parallel()
	const ours = "+14155550123"
	c := testConfig(t)
	c.SIP.Trunks = []Trunk{{Name: "carrier", Host: forbid(t), Username: "acct", Password: "hush", Numbers: []string{ours}}}
	r := run(t, c)
	api := r.client(r.ready.APIKey)
	agent, err := api.Agents().Create(t.Context(), client.Agent{Prompt: &client.Prompt{Content: "playbook: hello\notherwise:\n  say: Hello."}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: ours, TelephonyProvider: "sip", InboundAgent: agent.ID}); err != nil {
		t.Fatal(err)
	}
	call, err := api.Calls().Create(t.Context(), client.CallRequest{FromNumber: ours, ToNumber: "+12025550199", Agent: agent.ID})
	if err != nil {
		t.Fatal(err)
	}
	refused := waitForLadder(t, api, call.ID, ">INVITE <401 >ACK >INVITE <403 >ACK")
	all := ""
	for _, m := range refused.Messages {
		all += m.Text
	}
	if !strings.Contains(all, "username=\"acct\"") || !strings.Contains(all, "response=***") || strings.Contains(all, "response=\"") {
		t.Errorf("the credentials are not masked:\n%s", all)
	}
	var file bytes.Buffer
	if err := api.Calls().PCAP(t.Context(), call.ID, &file); err != nil || binary.LittleEndian.Uint32(file.Bytes()) != 0xa1b2c3d4 || !bytes.Contains(file.Bytes(), []byte("SIP/2.0 403 Forbidden")) {
		t.Errorf("capture file: %.40q, %v", file.Bytes(), err)
	}
	waitForLadder(t, api, refusedByUs(t, r, api), "<INVITE >488")
}

// refusedByUs calls a simulated number with a codec that nobody has; it returns the call.
func refusedByUs(t *testing.T, r *running, api *client.Client) string {
	t.Helper()
	number, err := api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", r.ready.SIP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sdp := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n"
	me := conn.LocalAddr().String()
	if _, err := fmt.Fprintf(conn, "INVITE sip:%s@b SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKl\r\nFrom: <sip:a@%s>;tag=l\r\nTo: <sip:b@b>\r\nCall-ID: ladder\r\nCSeq: 1 INVITE\r\n"+
		"Contact: <sip:a@%s>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", number.Number, me, me, me, len(sdp), sdp); err != nil {
		t.Fatal(err)
	}
	id := ""
	poll(t, "the row of the refused call", func() bool {
		page, err := api.Calls().List(t.Context(), client.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			if c.EndReason == "not_acceptable" {
				id = c.ID
			}
		}
		return id != ""
	})
	return id
}

// waitForLadder waits until a call's ladder begins like that; > is ours.
func waitForLadder(t *testing.T, api *client.Client, id, want string) client.Ladder {
	t.Helper()
	var got client.Ladder
	story := ""
	poll(t, "the ladder "+want, func() bool {
		var err error
		if got, err = api.Calls().Ladder(t.Context(), id); err != nil {
			return false
		}
		var words []string
		for _, m := range got.Messages {
			fields := strings.Fields(m.Text)
			word := map[string]string{"sent": ">", "received": "<"}[m.Direction] + strings.TrimPrefix(fields[0], "SIP/2.0")
			if fields[0] == "SIP/2.0" {
				word += fields[1]
			}
			if len(words) == 0 || words[len(words)-1] != word { // a busy machine repeats
				words = append(words, word)
			}
		}
		story = strings.Join(words, " ")
		return strings.HasPrefix(story, want)
	})
	return got
}

// poll waits until something is so.
func poll(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestDoctorFindsThePublicAddress with a server that sees another one than ours.
func TestDoctorFindsThePublicAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, seen, advertise, fix string }{
		{"behind NAT", "203.0.113.9", "", "sip.advertise: 203.0.113.9"},
		{"behind NAT with another address", "203.0.113.9", "203.0.113.8", "sip.advertise: 203.0.113.9"},
		{"advertised", "203.0.113.9", "203.0.113.9", ""},
		{"without NAT", "127.0.0.1", "", ""},
	} {
		got := checkPublic(t.Context(), SIPConfig{Addr: "127.0.0.1:5060", STUN: standInSTUN(t, c.seen), Advertise: c.advertise, RTPMin: 10000, RTPMax: 20000})
		if len(got) != 1 || !strings.HasPrefix(got[0].Detail, c.seen+" as ") || (c.fix == "") != (got[0].Fix == "") || !strings.Contains(got[0].Fix, c.fix) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if got := checkPublic(t.Context(), SIPConfig{Addr: "127.0.0.1:5060"}); got != nil {
		t.Errorf("without a server: %+v", got)
	}
}

// standInSTUN answers as if requests came from an IPv4 address.
func standInSTUN(t *testing.T, seen string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil || n < 20 {
				return
			}
			answer := append([]byte{1, 1, 0, 12}, buf[4:20]...)
			answer = append(answer, 0, 0x20, 0, 8, 0, 1, 0, 0)
			for i, b := range net.ParseIP(seen).To4() {
				answer = append(answer, b^buf[4+i])
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	return conn.LocalAddr().String()
}
