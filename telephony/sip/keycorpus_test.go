package sip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/telephony"
)

// allKeys are all digits of a keypad, each twice.
const allKeys = "00112233445566778899**##AABBCCDD"

// keyPhone is a far end that presses keys, as one hears it behind a network: all that it
// sends goes through the receive loop of a leg, on a clock of its own. Its steps are
// packets of 20 ms.
type keyPhone struct {
	t    *testing.T
	leg  *leg
	r    *receiver
	turn func(time.Duration)
	from netip.AddrPort
	h    rtpHeader
	got  string

	level, twist float64 // of each tone, in dBFS, and by how much the upper is louder, in dB
	offset       int     // samples of a packet before a tone begins in it
	noise        *rand.Rand
	track        []int16 // of a tone: what is to be sent yet
	// lost says whether the next packet is lost, late by how many packets it comes late.
	lost func() bool
	late func() int
	wire [][]byte // by how many packets from now on they come; a nil one is none
}

// newKeyPhone makes a call, for which events are agreed on or not.
func newKeyPhone(t *testing.T, agreed bool) *keyPhone {
	t.Helper()
	p := &keyPhone{t: t, h: rtpHeader{seq: 65500, timestamp: 0xfffff000, ssrc: 7}, level: -20, noise: rand.New(rand.NewPCG(5, 5))}
	l, r, turn := measuredLeg(t, func(st *stream) {
		st.agreed, st.eventClock = agreed, 8000
		p.from = st.remote
	})
	p.leg, p.r, p.turn = l, r, turn
	r.yield = func(ev telephony.Event) bool {
		if ev.Kind == telephony.KindDigit {
			p.got += string(ev.Digit)
		}
		return true
	}
	return p
}

// send puts a packet on the wire.
func (p *keyPhone) send(raw []byte) {
	at := 0
	if p.late != nil {
		at = p.late()
	}
	if p.lost != nil && p.lost() {
		return
	}
	for len(p.wire) <= at || p.wire[at] != nil {
		if len(p.wire) > at {
			at++
		} else {
			p.wire = append(p.wire, nil)
		}
	}
	p.wire[at] = raw
}

// deliver takes what has arrived.
func (p *keyPhone) deliver() {
	if len(p.wire) == 0 {
		return
	}
	if raw := p.wire[0]; raw != nil {
		p.r.packet(p.leg.media.now(), p.from, raw)
	}
	p.wire = p.wire[1:]
}

// step lets 20 ms pass.
func (p *keyPhone) step() {
	p.turn(20 * time.Millisecond)
	p.r.control()
	p.r.drain(p.leg.media.now())
}

// sound sends a packet of what the phone's microphone and its leaking tones sound like.
func (p *keyPhone) sound() {
	pcm := make([]int16, 160)
	for i := range pcm {
		pcm[i] = int16(30 * p.noise.NormFloat64()) // -61 dBFS
	}
	for i, v := range p.track[:min(len(p.track), 160)] {
		pcm[i] += v
	}
	p.track = p.track[min(len(p.track), 160):]
	p.h.seq++
	p.h.timestamp += 160
	h := p.h
	h.marker = false
	p.send(audio.EncodeULaw(appendRTP(nil, h), pcm))
	p.deliver()
	p.step()
}

// wait sends sound.
func (p *keyPhone) wait(ms int) {
	for range ms / 20 {
		p.sound()
	}
}

// begin lets a key's tones be heard in the sound from now on.
func (p *keyPhone) begin(digit rune, ms int) {
	low := []float64{941, 697, 697, 697, 770, 770, 770, 852, 852, 852, 941, 941, 697, 770, 852, 941}
	high := []float64{1336, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1477, 1633, 1633, 1633, 1633}
	code, err := audio.TelephoneEventCode(digit)
	if err != nil {
		p.t.Fatal(err)
	}
	amplitude := func(level float64) float64 { return 32768 * math.Sqrt2 * math.Pow(10, level/20) }
	a, b := amplitude(p.level-p.twist/2), amplitude(p.level+p.twist/2)
	p.track = make([]int16, p.offset)
	for i := range ms * 8 {
		at := 2 * math.Pi * float64(i) / 8000
		p.track = append(p.track, int16(a*math.Sin(at*low[code])+b*math.Sin(at*high[code]+1)))
	}
}

// tone sends a key's tones alone, up to the end of the packet in which they end.
func (p *keyPhone) tone(digit rune, ms int) {
	p.begin(digit, ms)
	for len(p.track) > 0 {
		p.sound()
	}
}

// event presses a key as RFC 4733 has it: a packet each 20 ms and three ends. Sound is
// sent meanwhile only when a tone is being heard. It says whether anything arrived.
func (p *keyPhone) event(digit rune, ms int) (arrived bool) {
	code, err := audio.TelephoneEventCode(digit)
	if err != nil {
		p.t.Fatal(err)
	}
	lost := p.lost
	if lost != nil {
		p.lost = func() bool {
			gone := lost()
			arrived = arrived || !gone
			return gone
		}
	} else {
		arrived = true
	}
	defer func() { p.lost = lost }()
	h := p.h
	h.pt, h.timestamp = 101, p.h.timestamp+160
	packet := func(duration int, marker, end bool) {
		p.h.seq++
		h.seq, h.marker = p.h.seq, marker
		p.send(audio.TelephoneEvent{Code: code, End: end, Volume: 10, Duration: uint16(duration * 8)}.AppendTo(appendRTP(nil, h)))
		p.deliver()
	}
	for at := 20; at <= ms; at += 20 {
		packet(at, at == 20, false)
		if len(p.track) > 0 {
			p.sound()
		} else {
			p.h.timestamp += 160
			p.step()
		}
	}
	for range 3 {
		packet(ms, false, true)
	}
	return arrived
}

// info sends a key as an INFO request.
func (p *keyPhone) info(digit rune) {
	m := p.leg.media
	m.mu.Lock()
	m.post(telephony.Event{Kind: telephony.KindDigit, Digit: digit, Duration: 100 * time.Millisecond})
	m.mu.Unlock()
	p.r.control()
}

// want waits until all is over and compares.
func (p *keyPhone) want(want string) {
	p.t.Helper()
	p.wait(2000)
	if p.got != want {
		p.t.Errorf("got  %q\nwant %q", p.got, want)
	}
}

// lines are how loud tones of phones are behind a line, and how unequal: from -7 to -25
// dBm0 each, which are -13 and -31 dBFS, and up to 6 dB either way (ITU-T Q.24 has what
// administrations want); and where in a packet they begin.
func lines() []toneLine {
	return []toneLine{{-13, -6, 0}, {-13, 6, 127}, {-20, 0, 41}, {-20, 4, 83}, {-31, -6, 60}, {-31, 6, 20}}
}

// toneLine is a line.
type toneLine struct {
	level, twist float64
	offset       int
}

// onEachLine plays a scene on all of them.
func onEachLine(t *testing.T, agreed bool, want string, play func(p *keyPhone)) {
	t.Helper()
	for i, line := range lines() {
		t.Run(fmt.Sprintf("%.0f dB, twist %.0f, offset %d", line.level, line.twist, line.offset), func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, agreed)
			p.level, p.twist, p.offset, p.noise = line.level, line.twist, line.offset, rand.New(rand.NewPCG(uint64(i), 1))
			p.wait(500)
			play(p)
			p.want(want)
		})
	}
}

// Phones that send events notice a tone late: its beginning is heard before the event, or
// with it, or what the event did not cut off after it. It is the same press.
func TestLeakedTones(t *testing.T) {
	t.Parallel()
	for _, leak := range []int{20, 60, 200} {
		scenes := map[string]func(p *keyPhone, digit rune){
			"before": func(p *keyPhone, digit rune) { p.tone(digit, leak); p.event(digit, 100) },
			"before, and a pause": func(p *keyPhone, digit rune) {
				p.tone(digit, leak)
				p.wait(100)
				p.event(digit, 100)
			},
			"with":   func(p *keyPhone, digit rune) { p.begin(digit, leak); p.event(digit, 200) },
			"after":  func(p *keyPhone, digit rune) { p.event(digit, 100); p.tone(digit, leak) },
			"around": func(p *keyPhone, digit rune) { p.tone(digit, leak); p.event(digit, 100); p.tone(digit, leak) },
			"throughout": func(p *keyPhone, digit rune) {
				p.tone(digit, leak)
				p.begin(digit, 160)
				p.event(digit, 160)
			},
		}
		for name, press := range scenes {
			t.Run(fmt.Sprintf("%s, %d ms", name, leak), func(t *testing.T) {
				t.Parallel()
				const keys = "112355899*0#ABCD4467"
				onEachLine(t, true, keys, func(p *keyPhone) {
					for _, digit := range keys {
						press(p, digit)
						p.wait(120)
					}
				})
			})
		}
	}
}

// Tones without an event count where none is agreed on; where one is, when they last
// 80 ms and no event follows.
func TestTonesWithoutEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		agreed bool
		ms     int
		want   string
	}{
		{false, 20, ""}, {false, 60, allKeys}, {false, 80, allKeys}, {false, 200, allKeys},
		{true, 20, ""}, {true, 40, ""}, {true, 60, ""}, {true, 70, ""}, {true, 80, allKeys}, {true, 100, allKeys}, {true, 200, allKeys},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("agreed %v, %d ms", test.agreed, test.ms), func(t *testing.T) {
			t.Parallel()
			onEachLine(t, test.agreed, test.want, func(p *keyPhone) {
				for _, digit := range allKeys {
					p.tone(digit, test.ms)
					p.wait(200)
				}
			})
		})
	}
}

// Who sends INFO requests besides events, in whatever order, presses once; so does who
// leaks tones as well.
func TestKeysOfSeveralChannels(t *testing.T) {
	t.Parallel()
	const keys = "1123"
	each := func(press func(p *keyPhone, digit rune)) func(p *keyPhone) {
		return func(p *keyPhone) {
			for _, digit := range keys {
				press(p, digit)
				p.wait(300)
			}
		}
	}
	tests := map[string]struct {
		want string
		play func(p *keyPhone)
	}{
		"INFO just before the event":      {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.event(digit, 100) })},
		"INFO 200 ms before the event":    {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.wait(200); p.event(digit, 100) })},
		"INFO 1.4 s before the event":     {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.wait(1400); p.event(digit, 100) })},
		"INFO before a long event":        {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.event(digit, 2600) })},
		"INFO with the event":             {keys, each(func(p *keyPhone, digit rune) { p.event(digit, 60); p.info(digit) })},
		"INFO after the event":            {keys, each(func(p *keyPhone, digit rune) { p.event(digit, 100); p.wait(200); p.info(digit) })},
		"a tone, INFO and the event":      {keys, each(func(p *keyPhone, digit rune) { p.tone(digit, 60); p.info(digit); p.event(digit, 100) })},
		"a tone, the event and INFO":      {keys, each(func(p *keyPhone, digit rune) { p.tone(digit, 200); p.event(digit, 100); p.info(digit) })},
		"INFO, a tone and the event":      {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.tone(digit, 200); p.event(digit, 100) })},
		"a tone, then INFO":               {keys, each(func(p *keyPhone, digit rune) { p.tone(digit, 200); p.info(digit) })},
		"a tone that INFO ends":           {keys, each(func(p *keyPhone, digit rune) { p.tone(digit, 400); p.wait(500); p.info(digit) })},
		"INFO, then a tone":               {keys, each(func(p *keyPhone, digit rune) { p.info(digit); p.tone(digit, 200) })},
		"INFO alone":                      {keys, each(func(p *keyPhone, digit rune) { p.info(digit) })},
		"INFO, then a later event":        {"11", func(p *keyPhone) { p.info('1'); p.wait(1600); p.event('1', 100) }},
		"INFO, then another key's event":  {"12", func(p *keyPhone) { p.info('1'); p.event('2', 100) }},
		"a tone, then a later event":      {"11", func(p *keyPhone) { p.tone('1', 200); p.wait(1700); p.event('1', 100) }},
		"a tone, its event within 1.5 s":  {"1", func(p *keyPhone) { p.tone('1', 200); p.wait(1300); p.event('1', 100) }},
		"channels that get better":        {"123", func(p *keyPhone) { climb(p) }},
		"channels that get worse":         {"1", func(p *keyPhone) { p.event('1', 100); p.wait(2000); p.info('2'); p.wait(2000); p.tone('3', 200) }},
		"channels by turns, events first": {"135", func(p *keyPhone) { byTurns(p, "123456", true) }},
		"channels by turns, INFO first":   {"1246", func(p *keyPhone) { byTurns(p, "123456", false) }},
		"another stream in between": {"12", func(p *keyPhone) {
			p.info('1')
			p.h.ssrc, p.h.seq = 8, 100
			p.wait(200)
			p.event('1', 100)
			p.wait(200)
			p.h.ssrc, p.h.seq = 9, 100
			p.wait(200)
			p.info('3') // events have brought a key
			p.event('2', 100)
		}},
		"INFO before the first packet": {"1", func(p *keyPhone) { p.event('1', 100) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, true)
			if name == "INFO before the first packet" {
				p.info('1')
			}
			p.wait(500)
			test.play(p)
			p.want(test.want)
		})
	}
}

// climb presses three keys, each on a better channel.
func climb(p *keyPhone) {
	p.tone('1', 200)
	p.wait(2000)
	p.info('2')
	p.wait(2000)
	p.event('3', 100)
	p.wait(2000)
	p.tone('4', 200)
	p.wait(2000)
	p.info('5')
}

// byTurns presses keys as events and as INFO requests by turns.
func byTurns(p *keyPhone, keys string, event bool) {
	for _, digit := range keys {
		if event {
			p.event(digit, 100)
		} else {
			p.info(digit)
		}
		event = !event
		p.wait(400)
	}
}

// A tone that lasts longer than the time in which the same key is the same press, and the
// INFO request that comes when it ends, are one press; where events are not agreed on the
// tone counts when it begins.
func TestLongTonesAndINFO(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(p *keyPhone){
		"at its end": func(p *keyPhone) { p.tone('1', 3000); p.info('1') },
		"meanwhile":  func(p *keyPhone) { p.begin('1', 3000); p.wait(2600); p.info('1'); p.wait(600) },
		"its event":  func(p *keyPhone) { p.tone('1', 3000); p.event('1', 100) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, false)
			play(p)
			p.want("1")
		})
	}
}

// A thousand presses as RFC 4733 has them count once each, whatever the network loses,
// delays and repeats.
func TestAThousandPresses(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{0, 1, 5, 10, 20} {
		for name, test := range map[string]struct {
			late []int // by how many packets one may come late
			leak int   // ms of tone before each event
		}{"in order": {[]int{0}, 60}, "out of order": {[]int{0, 0, 0, 1, 2}, 0}, "60 ms of jitter": {[]int{0, 1, 2, 3}, 20}} {
			t.Run(fmt.Sprintf("%d %% lost, %s", percent, name), func(t *testing.T) {
				t.Parallel()
				p := newKeyPhone(t, true)
				chance := rand.New(rand.NewPCG(uint64(percent), 1))
				p.wait(500)
				p.lost = func() bool { return chance.IntN(100) < percent }
				p.late = func() int { return test.late[chance.IntN(len(test.late))] }
				var want []rune
				for range 1000 {
					digit := []rune("0123456789*#ABCD")[chance.IntN(16)]
					if test.leak > 0 {
						p.tone(digit, test.leak)
					}
					if p.event(digit, 100+20*chance.IntN(10)) {
						want = append(want, digit)
					}
					p.wait(60 + 20*chance.IntN(10))
				}
				p.wait(500)
				if got := []rune(p.got); !slices.Equal(got, want) {
					t.Errorf("%d of %d keys, or others", len(got), len(want))
				}
			})
		}
	}
}
