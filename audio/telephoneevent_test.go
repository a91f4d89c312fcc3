package audio

import (
	"errors"
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

func FuzzTelephoneEvent(f *testing.F) {
	f.Add([]byte{1, 10, 0, 160, 1, 0x8a, 1, 64})
	f.Fuzz(func(t *testing.T, data []byte) {
		event, err := DecodeTelephoneEvent(data)
		if err != nil {
			return
		}
		again, err := DecodeTelephoneEvent(event.AppendTo(nil))
		if err != nil || again != event {
			t.Errorf("%+v is read back as %+v, %v", event, again, err)
		}
	})
}
