package sip

import (
	"testing"
	"time"
)

// A press is told from the next one by what its packets say, and from what a better
// channel says of the same keys.
func TestWhatIsOnePress(t *testing.T) {
	t.Parallel()
	info := func(f *finger, digit rune) { f.takeInfo(keyPress{digit: digit}, f.now()); f.collect() }
	tone := func(f *finger, digit rune, ms int) {
		f.wait(ms)
		f.toneEnded(digit, time.Duration(ms)*time.Millisecond, f.now())
		f.collect()
	}
	tests := map[string]struct {
		want string
		play func(f *finger)
	}{
		"packets 100 ms apart for 6 s": {"5", func(f *finger) { sparse(f, 100, 60) }},
		"packets 50 ms apart, twice":   {"55", func(f *finger) { sparse(f, 50, 6); f.wait(400); sparse(f, 50, 6) }},
		"packets 400 ms apart":         {"5", func(f *finger) { sparse(f, 400, 5) }},
		"several pauses and lost packets": {"5", func(f *finger) {
			for i, seq := range []uint16{1, 2, 5, 6, 9} {
				f.ms += 130 * i
				f.tick(f.now())
				f.packet(seq, 9, i == 0, '5', 1000*uint16(i+1), i == 4)
			}
		}},

		"a marker after lost ends":                  {"33", func(f *finger) { frozen(f, 160, 160); frozen(f, 960, 960) }},
		"a marker after lost ends, a little longer": {"33", func(f *finger) { frozen(f, 160, 160); frozen(f, 801, 160) }},
		"a marker after lost ends and a pause":      {"33", func(f *finger) { frozen(f, 160, 160); f.wait(300); frozen(f, 960, 960) }},
		"markers on the ends":                       {"3", func(f *finger) { ends(f, func(int) bool { return true }) }},
		"a marker on the last end":                  {"3", func(f *finger) { ends(f, func(i int) bool { return i == 2 }) }},
		"every packet marked, one lost": {"3", func(f *finger) {
			f.packet(1, 9, true, '3', 160, false)
			f.packet(3, 9, true, '3', 480, false)
			f.packet(4, 9, true, '3', 640, true)
		}},
		"a marker, and the first packet comes too late": {"3", func(f *finger) {
			f.packet(2, 9, false, '3', 320, false)
			f.packet(1, 9, true, '3', 160, false)
			f.packet(3, 9, false, '3', 480, true)
		}},
		"growing timestamps, a packet lost":              {"3", func(f *finger) { growing(f, 2) }},
		"growing timestamps, two packets lost":           {"3", func(f *finger) { growing(f, 2, 3) }},
		"growing timestamps, an end lost":                {"3", func(f *finger) { growing(f, 6) }},
		"growing timestamps, what is before the ends":    {"3", func(f *finger) { growing(f, 4, 5) }},
		"growing timestamps, and again":                  {"33", func(f *finger) { growing(f); f.wait(100); growing(f) }},
		"growing timestamps, and again, first ends lost": {"33", func(f *finger) { growing(f, 5, 6, 7); f.wait(100); growing(f) }},
		"only ends, one after another":                   {"77", func(f *finger) { onlyEnds(f, 1, 0); onlyEnds(f, 4, 4000) }},

		"two INFO, then their events": {"12", func(f *finger) {
			info(f, '1')
			f.wait(300)
			info(f, '2')
			f.wait(200)
			f.press('1', never)
			f.wait(200)
			f.press('2', never)
		}},
		"three INFO, then their events": {"112", func(f *finger) {
			all(f, info, "112")
			f.press('1', never)
			f.wait(60)
			f.press('1', never)
			f.wait(60)
			f.press('2', never)
		}},
		"two INFO of one key, then one event": {"11", func(f *finger) { all(f, info, "11"); f.press('1', never) }},
		"two INFO of one key, then three events": {"111", func(f *finger) {
			all(f, info, "11")
			for range 3 {
				f.press('1', never)
				f.wait(60)
			}
		}},
		"two INFO, the first event lost":        {"123", func(f *finger) { all(f, info, "12"); f.press('2', never); f.wait(60); f.press('3', never) }},
		"two INFO, the second one's event late": {"122", func(f *finger) { all(f, info, "12"); f.press('1', never); f.wait(1600); f.press('2', never) }},
		"two tones, then INFO, then events": {"12", func(f *finger) {
			tone(f, '1', 100)
			f.wait(60)
			tone(f, '2', 100)
			info(f, '1')
			info(f, '2')
			f.press('1', never)
			f.wait(60)
			f.press('2', never)
		}},

		"a tone, then INFO of another key":       {"12", func(f *finger) { tone(f, '1', 120); f.wait(100); info(f, '2') }},
		"a tone, then INFO of it and of another": {"12", func(f *finger) { tone(f, '1', 120); info(f, '1'); info(f, '2') }},
		"two tones, then INFO of the second":     {"12", func(f *finger) { tone(f, '1', 100); f.wait(40); tone(f, '2', 100); info(f, '2') }},
		"a short tone, then INFO of another key": {"2", func(f *finger) { tone(f, '1', 40); f.wait(100); info(f, '2') }},
		"a tone, then an event of another key":   {"2", func(f *finger) { tone(f, '1', 120); f.wait(100); f.press('2', never) }},
		"a tone, then its event and another":     {"12", func(f *finger) { tone(f, '1', 120); f.wait(100); f.press('1', never); f.wait(60); f.press('2', never) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFinger(true)
			test.play(f)
			f.wait(400)
			f.end(f.now())
			f.collect()
			if f.got != test.want {
				t.Errorf("got %q, want %q", f.got, test.want)
			}
		})
	}
}

// sparse presses 5 with a packet each so many milliseconds.
func sparse(f *finger, ms, packets int) {
	for i := range packets {
		f.seq++
		f.packet(f.seq, f.ts, i == 0, '5', uint16(min(ms*8*(i+1), 0xffff)), false)
		for range ms / 10 {
			f.ms += 10
			f.tick(f.now())
			f.collect()
		}
	}
	for range 3 {
		f.seq++
		f.packet(f.seq, f.ts, false, '5', uint16(min(ms*8*packets, 0xffff)), true)
	}
	f.ts += uint32(ms * 8 * packets)
}

// frozen presses 3 with the timestamp of all presses; its ends are lost.
func frozen(f *finger, first, step uint16) {
	for i := range uint16(5) {
		f.seq++
		f.packet(f.seq, 9, i == 0, '3', first+step*i, false)
		f.ms += 20
		f.tick(f.now())
		f.collect()
	}
	f.seq += 3
}

// ends presses 3; marked says of which of the ends are marked.
func ends(f *finger, marked func(i int) bool) {
	for i := range uint16(4) {
		f.packet(i, 9, i == 0, '3', 160*(i+1), false)
	}
	for i := range 3 {
		f.packet(uint16(4+i), 9, marked(i), '3', 640, true)
	}
}

// growing presses 3 in eight packets, of which the last three are ends, with a timestamp
// that grows with each.
func growing(f *finger, lost ...int) {
	for i := range 8 {
		f.seq++
		f.ts += 160
		gone := false
		for _, k := range lost {
			gone = gone || k == i
		}
		if !gone {
			f.packet(f.seq, f.ts, i == 0, '3', uint16(160*min(i+1, 6)), i >= 5)
		}
		f.ms += 20
		f.tick(f.now())
		f.collect()
	}
}

// onlyEnds presses 7 by three ends.
func onlyEnds(f *finger, seq uint16, ts uint32) {
	for i := range uint16(3) {
		f.packet(seq+i, ts, false, '7', 800, true)
	}
	f.ms += 500
}

func all(f *finger, press func(*finger, rune), keys string) {
	for _, digit := range keys {
		press(f, digit)
		f.wait(200)
	}
}

// Numbers that begin anew within a stream are no reason to lose keys, and a packet of
// before is none to count one twice.
func TestKeysAfterNumbersRestart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want string
		play func(p *keyPhone)
	}{
		"1000 lower":               {"12", func(p *keyPhone) { p.event('1', 100); p.jump(-1000, 0); p.wait(400); p.event('2', 100) }},
		"20 lower, timestamps too": {"12", func(p *keyPhone) { p.event('1', 100); p.jump(-20, -3200); p.wait(400); p.event('2', 100) }},
		"the same key":             {"11", func(p *keyPhone) { p.event('1', 100); p.jump(-1000, -160000); p.wait(400); p.event('1', 100) }},
		"30000 higher, then lower": {"123", func(p *keyPhone) {
			p.event('1', 100)
			p.jump(30000, 0)
			p.wait(200)
			p.event('2', 100)
			p.jump(-31000, 0)
			p.wait(200)
			p.event('3', 100)
		}},
		"half of all numbers":            {"12", func(p *keyPhone) { p.event('1', 100); p.jump(1<<15, 0); p.wait(200); p.event('2', 100) }},
		"with the key itself":            {"12", func(p *keyPhone) { p.event('1', 100); p.wait(300); p.jump(-1000, 0); p.event('2', 200) }},
		"with the key itself, both anew": {"12", func(p *keyPhone) { p.event('1', 100); p.wait(300); p.jump(-1000, -99999); p.event('2', 120) }},
		"twice": {"123", func(p *keyPhone) {
			p.event('1', 100)
			p.jump(-200, 0)
			p.wait(200)
			p.event('2', 100)
			p.jump(-200, 0)
			p.wait(200)
			p.event('3', 100)
		}},
		"a late packet of the key before": {"12", func(p *keyPhone) {
			was := p.h
			p.event('1', 100)
			was.pt, was.timestamp, was.seq = 101, was.timestamp+160, p.h.seq
			p.jump(-1000, 0)
			p.wait(400)
			p.r.packet(p.leg.media.now(), p.from, append(appendRTP(nil, was), 1, 0x8a, 3, 32))
			p.wait(100)
			p.event('2', 100)
		}},
		"no restart: a whole press repeated": {"1", func(p *keyPhone) {
			was := p.h
			p.event('1', 100)
			now := p.h
			p.h = was
			p.event('1', 100)
			p.h = now
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, true)
			p.wait(500)
			test.play(p)
			p.want(test.want)
		})
	}
}

// jump sets the phone's counters anew.
func (p *keyPhone) jump(numbers, ticks int) {
	p.h.seq += uint16(numbers)
	p.h.timestamp += uint32(ticks)
}

// A description that changes nothing of the stream, as one that puts a call on hold, makes
// no second press of one whose packets still come, and lets any channel count.
func TestKeysAcrossDescriptions(t *testing.T) {
	t.Parallel()
	describe := func(p *keyPhone, change func(*stream)) {
		p.leg.media.mu.Lock()
		change(&p.leg.media.st)
		p.leg.media.mu.Unlock()
		p.r.control()
	}
	hold := func(st *stream) { st.remoteDir = sendOnly }
	for name, test := range map[string]struct {
		want string
		play func(p *keyPhone)
	}{
		"between the ends": {"1", func(p *keyPhone) {
			was := p.h
			p.event('1', 100)
			describe(p, hold)
			was.pt, was.timestamp, was.seq = 101, was.timestamp+160, p.h.seq+1
			p.r.packet(p.leg.media.now(), p.from, append(appendRTP(nil, was), 1, 0x8a, 3, 32))
		}},
		"between INFO and the event": {"1", func(p *keyPhone) { p.info('1'); describe(p, hold); p.event('1', 100) }},
		"between the event and INFO": {"1", func(p *keyPhone) { p.event('1', 100); describe(p, hold); p.info('1') }},
		"then another key by INFO":   {"12", func(p *keyPhone) { p.event('1', 100); describe(p, hold); p.info('2') }},
		"another format": {"11", func(p *keyPhone) {
			p.event('1', 100)
			describe(p, func(st *stream) { st.eventClock = 16000 })
			p.event('1', 100)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, true)
			p.wait(500)
			test.play(p)
			p.want(test.want)
		})
	}
}

// A tone that is heard when the call ends, and has lasted long enough, counts.
func TestTonesBeforeHangUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		agreed bool
		want   string
		play   func(p *keyPhone)
	}{
		"at once":              {true, "5", func(p *keyPhone) { p.tone('5', 200) }},
		"at once, 100 ms":      {true, "5", func(p *keyPhone) { p.tone('5', 100) }},
		"amid the tone":        {true, "5", func(p *keyPhone) { p.begin('5', 400); p.wait(160) }},
		"too short":            {true, "", func(p *keyPhone) { p.tone('5', 60) }},
		"a key before":         {true, "15", func(p *keyPhone) { p.tone('1', 100); p.wait(60); p.tone('5', 120) }},
		"the leak of an event": {true, "5", func(p *keyPhone) { p.event('5', 100); p.tone('5', 200) }},
		"events not agreed":    {false, "5", func(p *keyPhone) { p.tone('5', 200) }},
		"a packet lost before the end": {true, "5", func(p *keyPhone) {
			p.begin('5', 400)
			p.wait(200)
			p.lost = func() bool { return true }
			p.sound()
			p.lost = nil
			p.sound()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newKeyPhone(t, test.agreed)
			p.wait(500)
			test.play(p)
			close(p.leg.gone)
			if p.r.control() {
				t.Error("the loop goes on after the end")
			}
			if p.got != test.want {
				t.Errorf("got %q, want %q", p.got, test.want)
			}
		})
	}
}
