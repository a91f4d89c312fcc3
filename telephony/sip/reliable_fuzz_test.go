package sip

import (
	"strconv"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// Whatever a response says, it is reliable only with a number, and what is asked for
// after 422 is an interval that we would take ourselves.
func FuzzNumbersOfResponses(f *testing.F) {
	f.Add(183, "100rel, timer", "4711", "90")
	f.Add(180, "100REL", " 1 ", "1800;x=y")
	f.Add(422, "", "", "99999999999999999999")
	f.Add(100, "100rel", "-1", "0")
	f.Fuzz(func(t *testing.T, status int, require, rseq, minimum string) {
		req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", Host: "a"})
		res := sip.NewResponseFromRequest(req, status, "", nil)
		res.AppendHeader(textHeader("Require", require))
		res.AppendHeader(textHeader("RSeq", rseq))
		res.AppendHeader(textHeader("Min-SE", minimum))
		if reliably(res) && (responseNumber(res) == 0 || status <= 100 || status >= 200) {
			t.Errorf("%d with number %q is reliable", status, rseq)
		}
		hs := longerSession(res)
		if hs == nil {
			return
		}
		seconds, err := strconv.Atoi(hs[0].value)
		if err != nil || seconds < minSession || seconds > longestMinimum || hs[0].value != hs[1].value || status != 422 {
			t.Errorf("after %d with Min-SE %q we ask for %v", status, minimum, hs)
		}
	})
}
