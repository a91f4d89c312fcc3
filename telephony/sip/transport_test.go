package sip

import (
	"strings"
	"testing"
)

// However a stream is cut into segments, its messages are the same; line ends
// between them do not count.
func TestFramingOverTCP(t *testing.T) {
	t.Parallel()
	d := newDriver(t, nil)
	for _, size := range []int{1, 2, 3, 7, 64, 100_000} {
		u := newRawUA(t, d, "tcp")
		text := "\r\n" + u.request("OPTIONS", 1, "") + "\r\n\r\n" + u.request("OPTIONS", 2, "hello", "Content-Type: text/plain") + u.request("OPTIONS", 3, "") + "\r\n"
		for len(text) > 0 {
			n := min(size, len(text))
			u.send(text[:n])
			text = text[n:]
		}
		for range 3 {
			u.status("OPTIONS", 200)
		}
	}
}

func TestPingOverTCP(t *testing.T) {
	t.Parallel()
	u := newRawUA(t, newDriver(t, nil), "tcp")
	u.send("\r\n\r\n")
	if line, err := u.in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
	u.send(strings.Repeat("\r\n", 20))
	u.send(u.request("OPTIONS", 1, ""))
	u.status("OPTIONS", 200)
}
