package call

import (
	"slices"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// overtaken is a leg whose far end was heard before it answered.
type overtaken struct {
	nowhere
	heard time.Time
}

func (l overtaken) Info() telephony.Info { return telephony.Info{Rate: 8000, Heard: l.heard} }

// What the callee said before the answer is in the recording, which begins with it; what
// the agent says lies as much later as it was said later.
func TestRecordingOfWhatOvertakesTheAnswer(t *testing.T) {
	t.Parallel()
	for _, early := range []time.Duration{0, 200 * time.Millisecond, time.Second, 1980 * time.Millisecond} {
		answered := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		leg := overtaken{}
		if early > 0 {
			leg.heard = answered.Add(-early)
		}
		p := &party{leg: leg, player: newPlayer(leg, false, func(any) {})}
		now := answered
		p.clock.Now = func() time.Time { return now }
		rec := newReel(t, 8000)
		p.recordTo(rec)
		word, reply := loudNoise(int(audio.Samples(early+time.Second, 8000))), loudNoise(8000)
		p.player.begin(1)
		p.player.add(1, reply, true)
		for said := 0; now.Sub(answered) < 2*time.Second; now = now.Add(audio.FrameDuration) {
			p.player.tick(now)
			for at := answered.Add(-early + time.Duration(said+1)*audio.FrameDuration); now.Sub(answered) >= 2*audio.FrameDuration && said*160 < len(word) && !at.After(now); at = at.Add(audio.FrameDuration) {
				p.sound(telephony.Event{Kind: telephony.KindAudio, Arrived: at,
					Audio: audio.Frame{PCM: word[said*160 : said*160+160], Rate: 8000, Offset: int64(said * 160)}})
				said++
			}
		}
		if err := rec.stereo.Close(now.Sub(p.start)); err != nil {
			t.Fatal(err)
		}
		if n := differs(rec.caller, word); n < len(word) {
			t.Errorf("%v before: the callee's sound differs from sample %d of %d on", early, n, len(word))
		}
		first := slices.IndexFunc(rec.agent, func(v int16) bool { return v != 0 })
		if want := int(audio.Samples(early, 8000)); first != want {
			t.Errorf("%v before: the agent is heard from sample %d on, want %d", early, first, want)
		}
	}
}
