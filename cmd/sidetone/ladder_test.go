package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

// TestDrawLadder draws a call that went on to another host, and one that a third host
// takes part in.
func TestDrawLadder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	message := func(after time.Duration, direction, remote, text string) client.SignalMessage {
		return client.SignalMessage{At: at.Add(after), Direction: direction, Local: "192.0.2.1:5060", Remote: remote, Transport: "UDP", Text: text}
	}
	ladder := client.Ladder{Dropped: 3, Messages: []client.SignalMessage{
		message(0, "sent", "198.51.100.7:5060", "INVITE sip:1@b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\n"),
		message(21*time.Millisecond, "received", "198.51.100.7:5060", "SIP/2.0 503 Service Unavailable, please come again tomorrow\r\nCSeq: 1 INVITE\r\n\r\n"),
		message(1500*time.Millisecond, "sent", "198.51.100.8:5060", "INVITE sip:1@b SIP/2.0\r\n\r\n"),
		message(2*time.Second, "received", "198.51.100.8:5060", "SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n\x1b[31m\n"),
		message(3*time.Second, "received", "198.51.100.9:5060", "BYE sip:x SIP/2.0\r\n\r\n"),
	}}
	want := strings.TrimPrefix(`
                192.0.2.1:5060 (sidetone)                 198.51.100.7:5060                     198.51.100.8:5060
    0.000                    |---------- INVITE, SDP [1] --------->|                                     |
    0.021                    |<- 503 Service Unavailable, .. [2] --|                                     |
    1.500                    |------------------------------- INVITE [3] ------------------------------->|
    2.000                    |<--------------------------- 200 OK (BYE) [4] -----------------------------|

                192.0.2.1:5060 (sidetone)                 198.51.100.9:5060
    3.000                    |<------------- BYE [5] --------------|
3 later messages were not kept.
`, "\n")
	var got strings.Builder
	if err := drawLadder(&got, ladder, false); err != nil || got.String() != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got.String(), want)
	}
	got.Reset()
	if err := drawLadder(&got, ladder, true); err != nil || !strings.Contains(got.String(), "[4] 2026-11-01 10:00:02.000 received, UDP, 198.51.100.8:5060\n    SIP/2.0 200 OK\n") || strings.Contains(got.String(), "\x1b") {
		t.Errorf("%v, got\n%s", err, got.String())
	}
	got.Reset()
	if err := drawLadder(&got, client.Ladder{}, true); err != nil || got.String() != "" {
		t.Errorf("%v, an empty one: %s", err, got.String())
	}
}
