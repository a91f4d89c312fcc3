package faults

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// guarded is a server that knows 127.0.0.3 and asks everybody else for digest
// credentials.
const guarded = `sip: {loopback: false, sources: [127.0.0.3/32], users: [{name: desk, password: change-me}]}`

// refused returns how many messages and connections SIP refused for a reason.
func (n *node) refused(reason string) int {
	n.t.Helper()
	_, text := n.request("GET", "/metrics", "")
	m := regexp.MustCompile(`sidetone_sip_refused_total\{reason="` + reason + `"\} (\S+)`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return int(f)
}

// A source that is known calls while others flood with requests: more of them
// than the server treats at a time.
func TestFloodOfUnknownRequests(t *testing.T) {
	t.Parallel()
	n := serve(t, guarded)
	number := n.number(echo)
	n.healthyFrom(number, "127.0.0.3")
	steady := n.steady()
	stop := make(chan struct{})
	sent := make(chan int)
	for i, method := range []string{"REGISTER", "INVITE"} {
		flood := dial(t, n, "udp", fmt.Sprintf("127.0.0.%d", 10+i))
		go func() {
			k := 0
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for ; ; k++ {
				if k%10 == 0 { // 10,000 a second
					select {
					case <-stop:
						sent <- k
						return
					case <-tick.C:
					}
				}
				io.WriteString(flood.conn, flood.request(method, k+1, "")) // the socket may be full
			}
		}()
	}
	for begun := time.Now(); time.Since(begun) < 15*time.Second; {
		n.healthyFrom(number, "127.0.0.3")
	}
	close(stop)
	t.Logf("%d requests were sent; refused: rate %d, overload %d", <-sent+<-sent, n.refused("rate"), n.refused("overload"))
	if n.refused("rate") < 10_000 {
		t.Errorf("%d refusals counted", n.refused("rate"))
	}
	if k := strings.Count(n.out.String(), "sip refused"); k == 0 || k > 20 {
		t.Errorf("the flood has %d lines in the log", k)
	}
	n.healthyFrom(number, "127.0.0.3")
	steady()
}

// Connections of unknown sources that only stay open are closed after 10 s,
// and leave room for those of others meanwhile.
func TestIdleConnectionsOfUnknownSources(t *testing.T) {
	t.Parallel()
	n := serve(t, guarded)
	number := n.number(echo)
	steady := n.steady()
	var conns []net.Conn
	begun := time.Now()
	for i := range 1500 { // of 100 sources
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i%100))}}
		conn, err := d.Dial("tcp", n.ready.SIP)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	c := dial(t, n, "tcp", "127.0.0.3")
	c.invite(number)
	c.answered()
	c.bye()
	c.close()
	for _, conn := range conns {
		conn.SetReadDeadline(begun.Add(25 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); os.IsTimeout(err) {
			t.Fatal("a connection is open after 25 s")
		}
	}
	if took := time.Since(begun); took < 9*time.Second {
		t.Errorf("all are closed after %s", took)
	}
	n.last(20 * time.Second)
	steady()
}

// Who guesses passwords is slowed down and locks nobody out.
func TestGuessedPasswords(t *testing.T) {
	t.Parallel()
	n := serve(t, guarded)
	number := n.number(echo)
	guesser := dial(t, n, "udp", "127.0.0.10")
	guesser.number = number
	begun, asked, looked := time.Now(), 0, 0
	for time.Since(begun) < 10*time.Second {
		if guesser.login("OPTIONS", "desk", fmt.Sprint(asked)) == 401 {
			looked++
		}
		asked++
		wait(100 * time.Millisecond) // within what an unknown source may send
	}
	t.Logf("%d passwords tried in 10 s, %d looked at", asked, looked)
	if looked > 8 || n.refused("locked") == 0 {
		t.Errorf("%d passwords were looked at, %d not", looked, n.refused("locked"))
	}
	phone := dial(t, n, "udp", "127.0.0.11")
	phone.number = number
	if got := phone.login("OPTIONS", "desk", "change-me"); got != 200 {
		t.Errorf("the user got %d", got)
	}
}
