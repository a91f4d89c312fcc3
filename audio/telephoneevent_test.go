package audio

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTelephoneEventPayload(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		event   TelephoneEvent
		payload []byte
	}{
		{"digit one, under way", TelephoneEvent{Code: 1, Volume: 10, Duration: 160}, []byte{1, 10, 0, 160}},
		{"hash, ended", TelephoneEvent{Code: 11, End: true, Volume: 63, Duration: 0xfff0}, []byte{11, 0xbf, 0xff, 0xf0}},
		{"flash", TelephoneEvent{Code: 16, End: true}, []byte{16, 0x80, 0, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.payload, test.event.AppendTo(nil)); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
			got, err := DecodeTelephoneEvent(test.payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.event, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTelephoneEventRefusals(t *testing.T) {
	t.Parallel()
	if _, err := DecodeTelephoneEvent([]byte{1, 2, 3}); !errors.Is(err, ErrShortEvent) {
		t.Errorf("three bytes: got %v, want ErrShortEvent", err)
	}
	if _, err := TelephoneEventCode('x'); !errors.Is(err, ErrNotADigit) {
		t.Errorf("code of x: got %v, want ErrNotADigit", err)
	}
	if _, err := NewTelephoneEventSender('é', time.Second, 8000); !errors.Is(err, ErrNotADigit) {
		t.Errorf("sender of é: got %v, want ErrNotADigit", err)
	}
	if _, err := NewTelephoneEventSender('1', time.Second, 0); err == nil {
		t.Error("a clock of 0 Hz was accepted")
	}
	if _, ok := (TelephoneEvent{Code: 16}).Digit(); ok {
		t.Error("flash (16) was taken for a digit")
	}
}

func TestTelephoneEventCodes(t *testing.T) {
	t.Parallel()
	for code, digit := range "0123456789*#ABCD" {
		got, err := TelephoneEventCode(digit)
		if err != nil || int(got) != code {
			t.Errorf("code of %c = %d, %v, want %d", digit, got, err, code)
		}
		back, ok := TelephoneEvent{Code: uint8(code)}.Digit()
		if !ok || back != digit {
			t.Errorf("digit of %d = %c, %v, want %c", code, back, ok, digit)
		}
	}
	if got, err := TelephoneEventCode('c'); err != nil || got != 14 {
		t.Errorf("code of c = %d, %v, want 14", got, err)
	}
}

// packets returns everything a sender has to say.
func packets(t *testing.T, digit rune, held time.Duration) []TelephoneEventPacket {
	t.Helper()
	sender, err := NewTelephoneEventSender(digit, held, 8000)
	if err != nil {
		t.Fatal(err)
	}
	var all []TelephoneEventPacket
	for packet, ok := sender.Next(); ok; packet, ok = sender.Next() {
		all = append(all, packet)
	}
	return all
}

func TestTelephoneEventSender(t *testing.T) {
	t.Parallel()
	event := func(duration uint16, end bool) TelephoneEvent {
		return TelephoneEvent{Code: 5, Volume: 10, Duration: duration, End: end}
	}
	want := []TelephoneEventPacket{
		{Event: event(160, false), Marker: true},
		{Event: event(320, false)},
		{Event: event(480, false)},
		{Event: event(640, true)},
		{Event: event(640, true)},
		{Event: event(640, true)},
	}
	if diff := cmp.Diff(want, packets(t, '5', 70*time.Millisecond)); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if got := len(packets(t, '5', 0)); got != 2+2 {
		t.Errorf("the shortest digit takes %d packets, want 4", got)
	}
	if got := len(packets(t, '5', time.Hour)); got != 400+2 {
		t.Errorf("the longest digit takes %d packets, want 402", got)
	}
}

func TestTelephoneEventReceiver(t *testing.T) {
	t.Parallel()
	type packet struct {
		timestamp uint32
		event     TelephoneEvent
	}
	update := func(at uint32, code uint8, duration uint16) packet {
		return packet{at, TelephoneEvent{Code: code, Duration: duration}}
	}
	end := func(at uint32, code uint8, duration uint16) packet {
		return packet{at, TelephoneEvent{Code: code, Duration: duration, End: true}}
	}
	tests := []struct {
		name    string
		packets []packet
		want    string
	}{
		{"one digit", []packet{update(9, 1, 160), update(9, 1, 320), end(9, 1, 400), end(9, 1, 400), end(9, 1, 400)}, "1"},
		{"only one end arrives", []packet{end(9, 1, 400)}, "1"},
		{"all ends lost, next digit closes", []packet{update(9, 1, 160), update(2000, 2, 160), end(2000, 2, 320)}, "12"},
		{"all ends lost, flush closes", []packet{update(9, 1, 160), update(9, 1, 320)}, "1"},
		{"same digit twice", []packet{end(9, 7, 400), end(9, 7, 400), end(1600, 7, 400), end(1600, 7, 400)}, "77"},
		{"same digit twice, first end lost", []packet{update(9, 7, 400), end(1600, 7, 400), end(1600, 7, 400)}, "77"},
		{"late packet of a finished digit", []packet{end(9, 7, 400), end(1600, 8, 400), update(9, 7, 320)}, "78"},
		{"timestamp wraps", []packet{end(0xffffff00, 3, 400), end(0x100, 4, 400)}, "34"},
		{"packets out of order", []packet{update(9, 1, 320), update(9, 1, 160), end(9, 1, 480)}, "1"},
		{"other events are not digits", []packet{end(9, 16, 400), end(900, 64, 400)}, ""},
		{"long key in segments", []packet{update(0, 1, 0xffff), update(0xffff, 1, 160), end(0xffff, 1, 320)}, "1"},
		{"timestamp zero", []packet{update(0, 1, 160), end(0, 1, 320), end(0, 1, 320)}, "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var receiver TelephoneEventReceiver
			var got []rune
			for _, p := range test.packets {
				if digit, ok := receiver.Receive(p.timestamp, p.event); ok {
					got = append(got, digit.Digit)
				}
			}
			if digit, ok := receiver.Flush(); ok {
				got = append(got, digit.Digit)
			}
			if string(got) != test.want {
				t.Errorf("got %q, want %q", string(got), test.want)
			}
		})
	}
}

func TestTelephoneEventReceiverTellsLength(t *testing.T) {
	t.Parallel()
	var receiver TelephoneEventReceiver
	receiver.Receive(1000, TelephoneEvent{Code: 1, Duration: 0xffff})
	if digit, open := receiver.Open(); !open || digit != '1' {
		t.Errorf("key down: got %c, %v, want 1", digit, open)
	}
	receiver.Receive(1000+0xffff, TelephoneEvent{Code: 1, Duration: 160})
	got, ok := receiver.Receive(1000+0xffff, TelephoneEvent{Code: 1, Duration: 320, End: true})
	want := ReceivedDigit{Digit: '1', Duration: 0xffff + 320, Timestamp: 1000, Complete: true}
	if !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	if _, open := receiver.Open(); open {
		t.Error("the key is still down after its end")
	}
}

// With a fifth of all packets lost at random, digits survive as long as any of
// their packets does, each once and in order.
func TestTelephoneEventLoss(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 2))
	var receiver TelephoneEventReceiver
	var want, got []rune
	timestamp := uint32(0xfffff000)
	for i := range 2000 {
		digit := rune(dtmfKeys()[i%16].digit)
		arrived := false
		for _, p := range packets(t, digit, 100*time.Millisecond) {
			if source.IntN(5) == 0 {
				continue
			}
			arrived = true
			if heard, ok := receiver.Receive(timestamp, p.Event); ok {
				got = append(got, heard.Digit)
			}
		}
		if arrived {
			want = append(want, digit)
		}
		timestamp += 1600
	}
	if digit, ok := receiver.Flush(); ok {
		got = append(got, digit.Digit)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("digits (-want +got):\n%s", diff)
	}
}

func FuzzTelephoneEvent(f *testing.F) {
	f.Add([]byte{1, 10, 0, 160, 1, 0x8a, 1, 64})
	f.Fuzz(func(t *testing.T, data []byte) {
		var receiver TelephoneEventReceiver
		for at := uint32(0); len(data) >= telephoneEventSize; at, data = at+uint32(data[0]), data[1:] {
			event, err := DecodeTelephoneEvent(data)
			if err != nil {
				t.Fatal(err)
			}
			if digit, ok := receiver.Receive(at, event); ok && digit.Digit == 0 {
				t.Errorf("a digit without a name: %+v", digit)
			}
		}
	})
}
