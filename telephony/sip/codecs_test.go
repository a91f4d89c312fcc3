package sip

import (
	"strings"
	"testing"
)

func TestAllowedCodecsNarrowOffersAndAnswers(t *testing.T) {
	t.Parallel()
	offer, err := parseSDP([]byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 4000 RTP/AVP 9 0 8\r\na=rtpmap:9 G722/8000\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for want, allowed := range map[codec][]string{codecG722: nil, codecPCMU: {"PCMU", "PCMA"}, codecPCMA: {"PCMA"}} {
		st, err := negotiate(offer, allowed, guard{})
		if err != nil || st.codec != want {
			t.Errorf("allowed %v: got %v, %v; want %s", allowed, st, err, want)
		}
	}
	if _, err := negotiate(offer, []string{"OPUS"}, guard{}); err == nil {
		t.Error("a codec that is not allowed was agreed on")
	}
	narrow := string(localSDP{id: 1, port: 4000, codecs: []string{"PCMA"}}.offer(sendRecv, nil))
	if strings.Contains(narrow, "G722") || !strings.Contains(narrow, "RTP/AVP 8 101\r\n") {
		t.Errorf("offer of PCMA alone: got\n%s", narrow)
	}
}
