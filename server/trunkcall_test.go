package server

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/client"
)

// trunkPeer is a carrier made of a socket and text.
type trunkPeer struct {
	t      *testing.T
	conn   *net.UDPConn
	server *net.UDPAddr
}

func newTrunkPeer(t *testing.T) *trunkPeer {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &trunkPeer{t: t, conn: conn}
}

const peerSDP = "v=0\r\no=u 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

func (p *trunkPeer) send(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDP([]byte(text), p.server); err != nil {
		p.t.Fatal(err)
	}
}

// receive returns the next message that begins like that; the others are passed over.
func (p *trunkPeer) receive(begin string) string {
	p.t.Helper()
	buf := make([]byte, 65536)
	_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatalf("no %s: %v", begin, err)
		}
		if strings.HasPrefix(string(buf[:n]), begin) {
			return string(buf[:n])
		}
	}
}

// request is a request of the call id, with further headers.
func (p *trunkPeer) request(method, uri, from, to, id string, seq int, body string, headers ...string) string {
	here := p.conn.LocalAddr().String()
	lines := append([]string{fmt.Sprintf("%s %s SIP/2.0", method, uri), fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s%d", here, id, method, seq),
		"From: " + from, "To: " + to, "Call-ID: " + id, fmt.Sprintf("CSeq: %d %s", seq, method), "Contact: <sip:peer@" + here + "?X-Evil=1>", "Max-Forwards: 70"}, headers...)
	if body != "" && !strings.Contains(strings.Join(headers, "\n"), "Content-Type") {
		lines = append(lines, "Content-Type: application/sdp")
	}
	return strings.Join(append(lines, fmt.Sprintf("Content-Length: %d", len(body))), "\r\n") + "\r\n\r\n" + body
}

// respond answers a request.
func (p *trunkPeer) respond(req, status, body string) {
	p.t.Helper()
	lines := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		value := headerIn(req, name)
		if name == "To" && !strings.Contains(value, "tag=") {
			value += ";tag=peer"
		}
		lines = append(lines, name+": "+value)
	}
	if body != "" {
		lines = append(lines, "Contact: <sip:peer@"+p.conn.LocalAddr().String()+">", "Content-Type: application/sdp")
	}
	p.send(strings.Join(append(lines, fmt.Sprintf("Content-Length: %d", len(body))), "\r\n") + "\r\n\r\n" + body)
}

func headerIn(msg, name string) string {
	found := regexp.MustCompile(`(?im)^` + name + `: (.*?)\r$`).FindStringSubmatch(msg)
	if found == nil {
		return ""
	}
	return found[1]
}

// TestCallsOfATrunkThatWritesOtherwise: on a whole server, a number in a national form
// is found and its caller stored in E.164; headers become context and go out; a call
// to nobody's number says why it was refused.
func TestCallsOfATrunkThatWritesOtherwise(t *testing.T) {
	t.Parallel()
	p := newTrunkPeer(t)
	c := testConfig(t)
	no := false
	c.SIP.Trunks = []Trunk{{Name: "carrier", Host: p.conn.LocalAddr().String(), Addresses: []string{"127.0.0.2"}, Numbers: []string{"+442071838750"},
		Country: "GB", Called: TrunkNumbers{Out: TrunkSpelling{Strip: "+44", Prepend: "0"}}, Calling: TrunkNumbers{Out: TrunkSpelling{Plus: &no}},
		AssertedIdentity: true, HeadersIn: map[string]string{"X-Customer-Id": "customer"}, HeadersOut: map[string]string{"X-Sent-By": "agents"}}}
	r := run(t, c)
	var err error
	if p.server, err = net.ResolveUDPAddr("udp", r.ready.SIP); err != nil {
		t.Fatal(err)
	}
	api := r.client(r.ready.APIKey)
	agent, err := api.Agents().Create(t.Context(), client.Agent{Provider: "echo", Prompt: &client.Prompt{Content: "echo ${customer}"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = api.Numbers().Buy(t.Context(), client.Purchase{TelephonyProvider: "sip", PhoneNumber: "+442071838750", InboundAgent: agent.ID}); err != nil {
		t.Fatal(err)
	}
	p.comesIn(api)
	p.isHungUp(api)
	p.isRefused(api)
	p.goesOut(api, agent.ID)
}

// comesIn calls the number in its national form.
func (p *trunkPeer) comesIn(api *client.Client) {
	t := p.t
	t.Helper()
	const from = `"Ada" <sip:anything@carrier>;tag=in`
	body := "--b\r\nContent-Type: application/sdp\r\n\r\n" + peerSDP + "\r\n--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n--b--\r\n"
	uri := "sip:0207-183-8750;ext=4@" + p.server.String() + ";user=phone"
	p.send(p.request("INVITE", uri, from, "<"+uri+">", "in", 1, body, "Content-Type: multipart/mixed;boundary=b", "P-Asserted-Identity: <tel:0151-496-0123;phone-context=+44>",
		"X-Customer-Id: 4711", "P-Attestation-Indicator: A", "Identity: a.b.c;ppt=shaken"))
	to := headerIn(p.receive("SIP/2.0 200"), "To")
	p.send(p.request("ACK", uri, from, to, "in", 1, ""))
	p.send(p.request("BYE", uri, from, to, "in", 2, ""))
	p.receive("SIP/2.0 200")
	calls, err := api.Calls().List(t.Context(), client.Query{})
	if err != nil || len(calls.Items) != 1 {
		t.Fatalf("got %+v, %v", calls.Items, err)
	}
	got, err := api.Calls().Get(t.Context(), calls.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Signalling{CallerSaid: map[string]string{"customer": "4711"}, Attestation: map[string]string{"P-Attestation-Indicator": "A", "Identity": "a.b.c;ppt=shaken"},
		Parts: []client.BodyPart{{Type: "application/pidf+xml", Content: "<presence/>"}}}
	if diff := cmp.Diff(want, got.Signalling); diff != "" || got.FromNumber != "+441514960123" || got.ToNumber != "+442071838750" || got.Context["customer"] != "4711" {
		t.Errorf("from %s to %s, context %v, signalling (-want +got)\n%s", got.FromNumber, got.ToNumber, got.Context, diff)
	}
}

// isHungUp calls the number and is hung up over the API.
func (p *trunkPeer) isHungUp(api *client.Client) {
	t := p.t
	t.Helper()
	const from = "<sip:0151-496-0124@carrier>;tag=up"
	uri := "sip:02071838750@" + p.server.String()
	p.send(p.request("INVITE", uri, from, "<"+uri+">", "up", 1, peerSDP))
	p.send(p.request("ACK", uri, from, headerIn(p.receive("SIP/2.0 200"), "To"), "up", 1, ""))
	id := ""
	poll(t, "the call", func() bool {
		calls, err := api.Calls().List(t.Context(), client.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls.Items {
			if c.FromNumber == "+441514960124" && c.Status == "in_progress" {
				id = c.ID
			}
		}
		return id != ""
	})
	ended, err := api.Calls().EndWith(t.Context(), id, client.Ending{HeadersOut: map[string]string{"X-Disposition": "lost"}})
	if err != nil || ended.HeadersOut["X-Disposition"] != "lost" {
		t.Errorf("got %+v, %v", ended.HeadersOut, err)
	}
	bye := p.receive("BYE")
	if headerIn(bye, "X-Disposition") != "lost" || headerIn(bye, "X-Sent-By") != "agents" {
		t.Errorf("got\n%s", bye)
	}
	p.respond(bye, "200 OK", "")
}

// isRefused calls a number that nobody has.
func (p *trunkPeer) isRefused(api *client.Client) {
	t := p.t
	t.Helper()
	const from = "<sip:anonymous@anonymous.invalid>;tag=no"
	uri := "sip:02079460000@" + p.server.String()
	p.send(p.request("INVITE", uri, from, "<"+uri+">", "no", 1, peerSDP))
	p.send(p.request("ACK", uri, from, headerIn(p.receive("SIP/2.0 404"), "To"), "no", 1, ""))
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-poll.C {
		page, err := api.Refusals(t.Context(), client.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 0 {
			got := page.Items[0]
			want := client.Refusal{ID: got.ID, CreatedAt: got.CreatedAt, LastAt: got.LastAt, Count: 1, Trunk: "carrier", Source: p.conn.LocalAddr().String(), TelephonyID: "no",
				FromNumber: "anonymous", ToNumber: "02079460000", Tried: []string{"+02079460000", "+4402079460000", "+442079460000"}, Cause: "unknown_number",
				Reason: `the trunk "carrier" lists no number that "02079460000" is`, Messages: got.Messages}
			if len(got.Messages) < 2 || !strings.HasPrefix(got.Messages[0].Text, "INVITE "+uri) || got.Messages[0].Direction != "received" || !strings.HasPrefix(got.Messages[1].Text, "SIP/2.0 404 ") {
				t.Errorf("messages %+v", got.Messages)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no refusal is listed")
		}
	}
}

// goesOut is called from the number and hung up.
func (p *trunkPeer) goesOut(api *client.Client, agent string) {
	t := p.t
	t.Helper()
	made, err := api.Calls().Create(t.Context(), client.CallRequest{FromNumber: "+442071838750", ToNumber: "+441514960123", Agent: agent, HeadersOut: map[string]string{"X-Campaign": "42"}})
	if err != nil {
		t.Fatal(err)
	}
	invite := p.receive("INVITE")
	if !strings.HasPrefix(invite, "INVITE sip:01514960123@") || !strings.Contains(headerIn(invite, "From"), "<sip:442071838750@") || headerIn(invite, "X-Campaign") != "42" {
		t.Errorf("got\n%s", invite)
	}
	p.respond(invite, "200 OK", peerSDP)
	p.receive("ACK")
	if _, err := api.Calls().EndWith(t.Context(), made.ID, client.Ending{HeadersOut: map[string]string{"X-Disposition": "sold"}}); err != nil {
		t.Fatal(err)
	}
	bye := p.receive("BYE")
	if headerIn(bye, "X-Campaign") != "42" || headerIn(bye, "X-Disposition") != "sold" {
		t.Errorf("got\n%s", bye)
	}
	p.respond(bye, "200 OK", "")
}
