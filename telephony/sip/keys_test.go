package sip

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// finger presses keys on a keypad as one sender would; times are in milliseconds.
type finger struct {
	keypad
	seq uint16
	ts  uint32
	ms  int
	got string
}

func newFinger(agreed bool) *finger {
	return &finger{keypad: keypad{agreed: agreed, clock: 8000}, seq: 65500, ts: 0xfffff000}
}

func (f *finger) now() time.Duration { return time.Duration(f.ms) * time.Millisecond }

func (f *finger) collect() {
	for p, ok := f.next(); ok; p, ok = f.next() {
		f.got += string(p.digit)
	}
}

// wait lets time pass, in which sound is sent.
func (f *finger) wait(ms int) {
	for end := f.ms + ms; f.ms < end; f.ms += 20 {
		f.seq++
		f.ts += 160
		f.tick(f.now())
		f.collect()
	}
}

// packet sends one packet of an event with its own number and timestamp.
func (f *finger) packet(seq uint16, ts uint32, marker bool, digit rune, duration uint16, end bool) {
	code, _ := audio.TelephoneEventCode(digit)
	f.takeEvent(rtpHeader{seq: seq, timestamp: ts, marker: marker}, audio.TelephoneEvent{Code: code, Duration: duration, End: end}, f.now())
	f.collect()
}

// press presses a key as RFC 4733 has it; lost says which packets do not arrive.
func (f *finger) press(digit rune, lost func() bool) (arrived bool) {
	duration := uint16(0)
	send := func(marker, end bool) {
		f.seq++
		if !lost() {
			arrived = true
			f.packet(f.seq, f.ts, marker, digit, duration, end)
		}
	}
	for i := range 5 {
		duration += 160
		send(i == 0, false)
		f.ms += 20
		f.tick(f.now())
		f.collect()
	}
	for range 3 {
		send(false, true)
	}
	f.ts += uint32(duration)
	return arrived
}

func never() bool { return false }

// Every press counts once, with losses up to a fifth of all packets.
func TestPressesCountOnce(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{0, 1, 5, 10, 20} {
		random := rand.New(rand.NewPCG(1, uint64(percent)))
		f, want := newFinger(true), ""
		for range 1000 {
			digit := rune("0123456789*#ABCD"[random.IntN(16)])
			if f.press(digit, func() bool { return random.IntN(100) < percent }) {
				want += string(digit)
			}
			f.wait(60 + 20*random.IntN(100))
		}
		f.end(f.now())
		f.collect()
		if f.got != want {
			t.Errorf("%d %% lost: %d of %d keys, or others:\ngot  %s\nwant %s", percent, len(f.got), len(want), f.got, want)
		}
	}
}

// Senders have many ways to tell of a press.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want string
		play func(f *finger)
	}{
		"the timestamp grows with every packet": {"5", func(f *finger) {
			for i := range uint16(9) {
				f.packet(i, 1000+160*uint32(i), i == 0, '5', min(160*(i+1), 960), i >= 6)
			}
		}},
		"the timestamp grows by 30 ms": {"55", func(f *finger) {
			for press := range uint16(2) {
				for i := range uint16(6) {
					f.packet(100*press+i, 240*uint32(100*press+i), i == 0, '5', 240*(i+1), i == 5)
				}
			}
		}},
		"two keys with one timestamp": {"12", func(f *finger) {
			f.press('1', never)
			f.ts -= 800
			f.press('2', never)
		}},
		"one key twice with one timestamp": {"11", func(f *finger) {
			f.press('1', never)
			f.ts -= 800
			f.press('1', never)
		}},
		"one key twice with one timestamp and without ends": {"11", func(f *finger) {
			for range 2 {
				for i := range uint16(4) {
					f.packet(f.seq+i, 1000, i == 0, '1', 160*(i+1), false)
				}
				f.seq += 4
			}
		}},
		"only ends": {"77", func(f *finger) {
			for press := range uint16(2) {
				for i := range uint16(3) {
					f.packet(100*press+i, 8000*uint32(press), false, '7', 800, true)
				}
			}
		}},
		"one end and nothing else":       {"7", func(f *finger) { f.packet(1, 9, false, '7', 800, true) }},
		"ends lost, closed by the next":  {"12", func(f *finger) { f.packet(1, 9, true, '1', 160, false); f.packet(9, 2000, true, '2', 160, true) }},
		"ends lost, closed by the pause": {"1", func(f *finger) { f.packet(1, 9, true, '1', 160, false); f.wait(120) }},
		"late packets of the press before": {"78", func(f *finger) {
			f.press('7', never)
			f.press('8', never)
			f.packet(f.seq-9, f.ts-1600, false, '7', 640, true)
		}},
		"out of order": {"1", func(f *finger) {
			f.packet(2, 9, false, '1', 320, false)
			f.packet(1, 9, true, '1', 160, false)
			f.packet(3, 9, false, '1', 480, true)
		}},
		"every packet twice":      {"1", func(f *finger) { twice(f, '1') }},
		"every packet marked":     {"1", func(f *finger) { marked(f, '1') }},
		"events that are no keys": {"", func(f *finger) { f.takeEvent(rtpHeader{seq: 1}, audio.TelephoneEvent{Code: 16, End: true}, 0) }},
		"a long press in segments": {"1", func(f *finger) {
			f.packet(1, 0, true, '1', 0xffff, false)
			f.packet(2, 0xffff, false, '1', 160, false)
			f.packet(3, 0xffff, false, '1', 320, true)
		}},
		"a long press, and the next one at once": {"11", func(f *finger) {
			f.packet(1, 0, true, '1', 0xffff, false)
			f.packet(2, 0xffff, true, '1', 160, true)
		}},
		"a pause of 120 ms within a press": {"1", func(f *finger) {
			f.packet(f.seq, 9, true, '1', 160, false)
			f.wait(120)
			f.packet(f.seq+1, 9, false, '1', 1120, false)
			f.packet(f.seq+2, 9, false, '1', 1280, true)
			f.packet(f.seq+3, 9, false, '1', 1280, true)
		}},
		"the same key again after such a pause": {"11", func(f *finger) {
			f.packet(f.seq, 9, true, '1', 800, false)
			f.wait(120)
			f.packet(f.seq+1, 9, true, '1', 160, false)
		}},
		"numbers that are far behind later on": {"12", func(f *finger) { f.press('1', never); f.ms += 6000; f.seq -= 1000; f.press('2', never) }},
		"a new stream with lower numbers":      {"12", func(f *finger) { f.press('1', never); f.reset(); f.seq -= 1000; f.ts -= 100000; f.press('2', never) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFinger(true)
			test.play(f)
			f.end(f.now())
			f.collect()
			if f.got != test.want {
				t.Errorf("got %q, want %q", f.got, test.want)
			}
		})
	}
}

func twice(f *finger, digit rune) {
	for i := range uint16(14) {
		f.packet(i, 9, i == 0, digit, 160*min(i/2+1, 5), i >= 10)
	}
}

func marked(f *finger, digit rune) {
	for i := range uint16(8) {
		f.packet(i, 9, true, digit, 160*min(i+1, 5), i >= 5)
	}
}

func TestHeldTimes(t *testing.T) {
	t.Parallel()
	for _, clock := range []int{8000, 16000, 48000} {
		k := keypad{agreed: true, clock: clock}
		for i := range uint16(6) {
			k.takeEvent(rtpHeader{seq: i, timestamp: 7}, audio.TelephoneEvent{Code: 5, Duration: uint16(clock/50) * (i + 1), End: i == 5}, 0)
		}
		if p, ok := k.next(); !ok || p.held != 120*time.Millisecond {
			t.Errorf("%d Hz: %+v, %v", clock, p, ok)
		}
	}
	k := keypad{agreed: true, clock: 8000}
	k.takeEvent(rtpHeader{seq: 1}, audio.TelephoneEvent{Code: 1, Duration: 0xffff}, 0)
	k.takeEvent(rtpHeader{seq: 2, timestamp: 0xffff}, audio.TelephoneEvent{Code: 1, Duration: 320, End: true}, 0)
	if p, _ := k.next(); p.held != (0xffff+320)*time.Second/8000 {
		t.Errorf("a press in segments was held for %s", p.held)
	}
}

// One press that comes on several channels counts once; the best that was there
// counts from then on.
func TestKeyChannels(t *testing.T) {
	t.Parallel()
	info := func(f *finger, digit rune) { f.takeInfo(keyPress{digit: digit}, f.now()); f.collect() }
	tone := func(f *finger, digit rune, ms int) {
		f.takeTone(digit, f.now())
		f.wait(ms)
		f.toneEnded(digit, time.Duration(ms)*time.Millisecond, f.now())
		f.collect()
	}
	tests := map[string]struct {
		want   string
		unsaid bool // events were not negotiated
		play   func(f *finger)
	}{
		"tones alone":                      {"12", true, func(f *finger) { tone(f, '1', 100); f.wait(100); tone(f, '2', 100) }},
		"tones although events are agreed": {"12", false, func(f *finger) { tone(f, '1', 100); f.wait(100); tone(f, '2', 200); f.wait(400) }},
		"short tones where events are agreed": {"", false, func(f *finger) {
			for _, ms := range []int{20, 40} {
				tone(f, '1', ms)
				f.wait(400)
			}
		}},
		"a tone, then its event":                    {"1", false, func(f *finger) { tone(f, '1', 60); f.press('1', never); f.wait(400) }},
		"leaked tones before events":                {"1234", false, func(f *finger) { leaked(f, tone, 20); leaked(f, tone, 60) }},
		"long leaked tones":                         {"1212", false, func(f *finger) { leak(f, tone, "12", 200); leak(f, tone, "12", 200) }},
		"a tone, then INFO":                         {"1", false, func(f *finger) { tone(f, '1', 100); info(f, '1'); f.wait(400) }},
		"INFO, then its event":                      {"12", false, func(f *finger) { info(f, '1'); f.press('1', never); f.wait(100); info(f, '2'); f.press('2', never) }},
		"INFO after each event":                     {"1122", false, func(f *finger) { after(f, info, "1122") }},
		"another key on the better channel at once": {"12", false, func(f *finger) { info(f, '1'); f.press('2', never) }},
		"the same key on the better channel later":  {"11", false, func(f *finger) { info(f, '1'); f.wait(1600); f.press('1', never) }},
		"channels that alternate": {"13", false, func(f *finger) {
			f.press('1', never)
			info(f, '2')
			f.press('3', never)
			tone(f, '4', 200)
			f.wait(400)
		}},
		"events that nobody spoke of": {"112", true, func(f *finger) {
			tone(f, '1', 100)
			f.press('1', never)
			f.wait(200)
			f.press('1', never)
			tone(f, '9', 100)
			f.press('2', never)
		}},
		"after another description INFO counts again": {"12", false, func(f *finger) { f.press('1', never); f.reset(); info(f, '2') }},
		"the call ends while a tone waits":            {"1", false, func(f *finger) { tone(f, '1', 100) }},
		"the call ends while a key is down":           {"1", false, func(f *finger) { f.packet(1, 9, true, '1', 160, false) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFinger(!test.unsaid)
			test.play(f)
			f.end(f.now())
			f.collect()
			if f.got != test.want {
				t.Errorf("got %q, want %q", f.got, test.want)
			}
		})
	}
}

// leaked plays two keys whose tones are heard before their events.
func leaked(f *finger, tone func(*finger, rune, int), ms int) {
	keys := "12"
	if ms == 60 {
		keys = "34"
	}
	leak(f, tone, keys, ms)
}

func leak(f *finger, tone func(*finger, rune, int), keys string, ms int) {
	for _, digit := range keys {
		tone(f, digit, ms)
		f.press(digit, never)
		f.wait(200)
	}
}

func after(f *finger, info func(*finger, rune), keys string) {
	for _, digit := range keys {
		f.press(digit, never)
		info(f, digit)
		f.wait(200)
	}
}
