//go:build bench || faults

package faults

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // looks into the database as its owner

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store/storetest"
)

// carrier takes the calls of a trunk and notes when which number was rung. It
// rings for ever, or says at once that everybody is busy.
type carrier struct {
	t    *testing.T
	conn *net.UDPConn
	busy bool
	wg   sync.WaitGroup

	mu   sync.Mutex
	rung map[string]time.Time
	news chan string // each number once
}

const (
	firstNumber  = "+12025550101"
	secondNumber = "+12025550102"
	thirdNumber  = "+12025550103"
)

func newCarrier(t *testing.T, busy bool) *carrier {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(8 << 20)
	c := &carrier{t: t, conn: conn, busy: busy, rung: map[string]time.Time{}, news: make(chan string, 10_000)}
	c.wg.Go(c.run)
	t.Cleanup(func() {
		conn.Close()
		c.wg.Wait()
	})
	return c
}

// trunk is the configuration of a server that calls through the carrier.
func (c *carrier) trunk() string {
	return fmt.Sprintf("sip: {trunks: [{name: far, host: %q, numbers: [%q, %q, %q]}]}\n", c.conn.LocalAddr(), firstNumber, secondNumber, thirdNumber)
}

func (c *carrier) run() {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		at, msg := time.Now(), string(buf[:n])
		switch method, _, _ := strings.Cut(msg, " "); method {
		case "INVITE":
			c.note(msg, at)
			status := "180 Ringing"
			if c.busy {
				status = "486 Busy Here"
			}
			c.answer(msg, status, from)
		case "CANCEL":
			c.answer(msg, "200 OK", from)
			c.answer(strings.Replace(msg, " CANCEL\r\n", " INVITE\r\n", 1), "487 Request Terminated", from)
		}
	}
}

// note keeps the time of the first INVITE to a number.
func (c *carrier) note(msg string, at time.Time) {
	_, to, _ := strings.Cut(msg, "sip:")
	to, _, _ = strings.Cut(to, "@")
	c.mu.Lock()
	_, known := c.rung[to]
	if !known {
		c.rung[to] = at
	}
	c.mu.Unlock()
	if !known {
		c.news <- to
	}
}

func (c *carrier) answer(msg, status string, to *net.UDPAddr) {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		b.WriteString(name + ": " + header(msg, name))
		if name == "To" {
			b.WriteString(";tag=far")
		}
		b.WriteString("\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	_, _ = c.conn.WriteToUDP([]byte(b.String()), to) // the server repeats what was lost
}

// when waits until number was rung and returns when that was.
func (c *carrier) when(number string, limit time.Duration) time.Time {
	c.t.Helper()
	var at time.Time
	until(c.t, limit, "an INVITE to "+number, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		at = c.rung[number]
		return !at.IsZero()
	})
	return at
}

// sold makes an agent of a client's environment and buys it one of the carrier's
// numbers.
func sold(t *testing.T, api *client.Client, number string) (agent string) {
	t.Helper()
	return soldTo(t, api, number, client.Agent{Prompt: &client.Prompt{Content: "Be brief."}, Provider: "echo"})
}

// soldTo is sold for an agent that is not an echo.
func soldTo(t *testing.T, api *client.Client, number string, agent client.Agent) (id string) {
	t.Helper()
	made, err := api.Agents().Create(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: number, TelephonyProvider: "sip"}); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// another is a client of a second environment.
func (n *node) another() *client.Client { return n.environment("another") }

// environment is a client of a new environment.
func (n *node) environment(label string) *client.Client {
	n.t.Helper()
	e, err := n.api.Environments().Create(n.t.Context(), label)
	if err != nil {
		n.t.Fatal(err)
	}
	other := *n.api
	other.Environment = e.ID
	return &other
}

// TestRingingCampaignDelaysNobody has 2,000 calls of one environment ring at a
// carrier while another environment places a single one.
func TestRingingCampaignDelaysNobody(t *testing.T) {
	const campaign = 2000
	far := newCarrier(t, false)
	n := serve(t, far.trunk()+"calls: {max: 3000}\n")
	busy, other := sold(t, n.api, firstNumber), n.another()
	single := sold(t, other, secondNumber)
	accepted := make(chan error, campaign)
	var clients sync.WaitGroup
	for w := range 4 {
		clients.Go(func() {
			for i := w; i < campaign; i += 4 {
				_, err := n.api.Calls().Create(t.Context(), client.CallRequest{FromNumber: firstNumber, ToNumber: fmt.Sprintf("+1415555%04d", i), Agent: busy})
				accepted <- err
			}
		})
	}
	for range campaign {
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
	}
	clients.Wait()
	delay := func(when, to string) {
		t.Helper()
		sent := time.Now()
		if _, err := other.Calls().Create(t.Context(), client.CallRequest{FromNumber: secondNumber, ToNumber: to, Agent: single}); err != nil {
			t.Fatal(err)
		}
		committed := time.Now()
		at := far.when(to, 20*time.Second)
		t.Logf("%s: %s after the request, %s after its answer", when, at.Sub(sent), at.Sub(committed))
		if at.Sub(committed) > time.Second {
			t.Errorf("%s: dialled %s after it was accepted", when, at.Sub(committed))
		}
	}
	delay(fmt.Sprintf("when all are accepted and %d ring", len(far.news)), "+14155560001")
	until(t, 2*time.Minute, "all calls to ring", func() bool { return len(far.news) == campaign+1 })
	delay(fmt.Sprintf("when %d ring", len(far.news)-1), "+14155560002")
	n.signal(syscall.SIGKILL)
	<-n.done
}

// TestRingingCampaignLeavesRecognisers has 40 calls of one environment ring or
// wait, whose agent listens with the offline recogniser, while others place and
// take single calls.
func TestRingingCampaignLeavesRecognisers(t *testing.T) {
	const campaign = 40
	far := newCarrier(t, false)
	n := serve(t, far.trunk())
	listens := client.Agent{Prompt: &client.Prompt{Content: "playbook: brief\notherwise:\n  say: Yes."}}
	place := func(api *client.Client, from, to, agent string) {
		t.Helper()
		if _, err := api.Calls().Create(t.Context(), client.CallRequest{FromNumber: from, ToNumber: to, Agent: agent}); err != nil {
			t.Fatal(err)
		}
	}
	prompt := func(what, to string, since time.Time) {
		t.Helper()
		took := far.when(to, 20*time.Second).Sub(since)
		t.Logf("%s: rung after %s", what, took)
		if took < 0 || took > time.Second {
			t.Errorf("%s: rung after %s", what, took)
		}
	}
	second, third := n.environment("second"), n.environment("third")
	busy := soldTo(t, n.api, firstNumber, listens)
	single := soldTo(t, second, secondNumber, listens)
	shared := soldTo(t, third, thirdNumber, listens)
	bought, err := third.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := third.Numbers().Update(t.Context(), bought.Number, client.Change{"inbound_agent": shared}); err != nil {
		t.Fatal(err)
	}

	for i := range campaign {
		place(n.api, firstNumber, fmt.Sprintf("+1415555%04d", i), busy)
	}
	requested := time.Now()
	place(second, secondNumber, "+14155560001", single)
	prompt("another environment's single call", "+14155560001", requested)
	t.Logf("%d of the campaign ring", len(far.news)-1)

	c := dial(t, n, "udp")
	c.number = bought.Number
	wide := strings.NewReplacer("RTP/AVP 0 101", "RTP/AVP 9 101", "rtpmap:0 PCMU", "rtpmap:9 G722").Replace(c.sdp())
	c.send(c.request("INVITE", 1, wide))
	c.answered()
	place(third, thirdNumber, "+14155560002", shared)
	wait(3500 * time.Millisecond) // pauses have become long
	ended := time.Now()
	c.bye()
	prompt("a call that waited for a recogniser", "+14155560002", ended)
	n.signal(syscall.SIGKILL)
	<-n.done
}

// TestKilledNode kills a server on Postgres with kill -9 while a call is under
// way, one rings and a purchase is going on; another node, or a restart, settles
// all of it.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	for name, settled := range map[string]func(killed, other *node) *node{
		"another node": func(_, other *node) *node { return other },
		"a restart":    func(killed, _ *node) *node { killed.start(); return killed },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := storetest.Postgres(t)
			far := newCarrier(t, false)
			settings := on(url) + far.trunk()
			n := serve(t, settings)
			var other *node
			if name == "another node" {
				other = serve(t, settings+fmt.Sprintf("secrets: {master_key_file: %q}\n", n.data()+"/master.key"))
				other.key = n.key
				other.api = client.New(other.ready.HTTP, sidetone.Secret(n.key))
			}
			agent := sold(t, n.api, firstNumber)
			number := n.number(echo)
			c := dial(t, n, "udp")
			c.invite(number)
			c.answered()
			live := n.live()
			ringing, err := n.api.Calls().Create(t.Context(), client.CallRequest{FromNumber: firstNumber, ToNumber: "+14155550001", Agent: agent})
			if err != nil {
				t.Fatal(err)
			}
			far.when("+14155550001", 20*time.Second)
			n.kill()
			killed := time.Now()
			purchase := cutOff(t, url, killed)
			alive := settled(n, other)
			until(t, 40*time.Second-time.Since(killed), "the calls to be closed", func() bool { return alive.open() == 0 })
			t.Logf("calls closed %s after the kill", time.Since(killed).Round(100*time.Millisecond))
			if took := time.Since(killed); took > 30*time.Second || other != nil && took < 20*time.Second {
				t.Errorf("calls closed %s after the kill", took)
			}
			for _, id := range []string{live, ringing.ID} {
				events := alive.events(id)
				if last := events[len(events)-1]; last.Type != "ended" || last.Text != "server_restart" {
					t.Errorf("the last event is %+v", last)
				}
			}
			until(t, 70*time.Second-time.Since(killed), "the purchase to be settled", purchase)
			t.Logf("purchase settled %s after the kill", time.Since(killed).Round(100*time.Millisecond))
			if time.Since(killed) > time.Minute {
				t.Errorf("purchase settled only %s after the kill", time.Since(killed))
			}
		})
	}
}

// cutOff stores what a purchase leaves that was killed between the row and the
// carrier's answer, and returns how to tell that it is settled.
func cutOff(t *testing.T, url string, at time.Time) (settled func() bool) {
	t.Helper()
	db, err := sql.Open("pgx", strings.Replace(storetest.Owner(url), "&pool_max_conns=8", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, "UPDATE numbers SET reserved = $1, version = version + 1 WHERE number = $2", at.UnixMilli(), firstNumber); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		var active bool
		if err := db.QueryRowContext(t.Context(), "SELECT active FROM numbers WHERE number = $1", firstNumber).Scan(&active); err != nil {
			t.Fatal(err)
		}
		return !active
	}
}
