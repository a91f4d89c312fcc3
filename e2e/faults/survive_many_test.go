//go:build faults

package faults

import (
	"testing"
	"time"
)

// Fifty calls go on, twenty times: at least 99 of 100, each within 1.5 s of the start of
// the new process.
func TestFiftyCallsSurviveTheirProcess(t *testing.T) {
	const deaths, calls = 20, 50
	s := newSurvivors(t, "defaults: {transcriber: pocketsphinx, voice: voice_flite}\n")
	s.clinic = s.n.clinicNumber()
	survived, all := 0, 0
	for range deaths {
		n, of := s.round(t, roundOptions{calls: calls, unreachable: 2, speech: 4, soundWithin: 1500 * time.Millisecond})
		survived, all = survived+n, all+of
		for _, v := range s.placed {
			v.end()
		}
		s.placed = nil
	}
	t.Logf("%d of %d calls went on", survived, all)
	if survived*100 < all*99 || all < deaths*calls*8/10 {
		t.Errorf("%d of %d calls went on", survived, all)
	}
}
