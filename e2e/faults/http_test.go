package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// hold opens connections that send text and then a byte every second, until the
// test ends. Those that the server closes are opened again, as an attacker would.
func hold(t *testing.T, address string, count int, text string) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{}, count)
	for range count {
		go func() {
			defer func() { done <- struct{}{} }()
			for again := true; again; {
				again = drip(address, text, stop)
			}
		}()
	}
	t.Cleanup(func() {
		close(stop)
		for range count {
			<-done
		}
	})
}

// drip holds one connection until it fails; false when the test has ended.
func drip(address, text string, stop <-chan struct{}) bool {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err == nil {
		defer conn.Close()
		_, err = io.WriteString(conn, text)
	}
	for {
		select {
		case <-stop:
			return false
		case <-tick.C:
		}
		if err != nil {
			return true
		}
		_, err = io.WriteString(conn, "x")
	}
}

// 1,100 connections whose requests never end, at a server that may open 1,024
// files, keep nobody from calling, and the API answers.
func TestDrippingConnections(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"body without a route": "POST /v1/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
		"body without a key":   "POST /v1/agents/create HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
		"header":               "GET /v1/agents/list HTTP/1.1\r\nHost: a\r\nX-Long: ",
	} {
		t.Run(name, func(t *testing.T) {
			n := &node{t: t, dir: t.TempDir(), wrap: []string{"prlimit", "--nofile=256:1024"}}
			n.config = n.dir + "/config.yaml"
			if err := os.WriteFile(n.config, []byte("calls: {max: 100}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			n.start()
			number := n.number(echo)
			n.healthy(number)
			hold(t, strings.TrimPrefix(n.ready.HTTP, "http://"), 1100, text)
			for range 3 {
				wait(2 * time.Second)
				c := dial(t, n, "udp")
				c.invite(number)
				c.answered()
				c.bye()
				c.close()
			}
			until(t, 60*time.Second, "the API to answer", func() bool {
				client := http.Client{Timeout: 15 * time.Second}
				defer client.CloseIdleConnections()
				res, err := client.Get(n.ready.HTTP + "/healthz")
				if err != nil {
					return false
				}
				defer res.Body.Close()
				return res.StatusCode == http.StatusOK
			})
			all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
			if err != nil || len(all) > 700 {
				t.Errorf("the server holds %d descriptors, %v", len(all), err)
			}
		})
	}
}
