package ladder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// packet is one of a call's sound.
func packet(at time.Time, sent bool, raw string) telephony.Packet {
	return telephony.Packet{At: at, Sent: sent, Local: netip.MustParseAddrPort("192.0.2.1:10000"), Remote: netip.MustParseAddrPort("[::ffff:198.51.100.7]:20000"), Raw: []byte(raw)}
}

// captured reads the capture file of a call: from, to, and what each packet says.
func captured(t *testing.T, b *Book, callID string, sound bool) string {
	t.Helper()
	c, err := b.Capture(callID, sound)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var file bytes.Buffer
	if n, err := c.WriteTo(&file); err != nil || n != int64(file.Len()) || n != c.Size() {
		t.Errorf("%d bytes, %v; announced were %d", n, err, c.Size())
	}
	packets, err := telephonytest.ReadCapture(file.Bytes())
	if err != nil {
		t.Error(err)
	}
	var out []string
	for i, p := range packets {
		if i > 0 && p.At.Before(packets[i-1].At) {
			t.Errorf("packet %d is of %s, behind one of %s", i, p.At, packets[i-1].At)
		}
		out = append(out, fmt.Sprintf("%s>%s %.20s", p.Local, p.Remote, p.Raw))
	}
	return strings.Join(out, ", ")
}

// TestCaptureOfMessages reads the file again, packet by packet.
func TestCaptureOfMessages(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	defer b.Close()
	b.Belongs("a 1", "call")
	at := time.Date(2026, 11, 1, 10, 0, 0, 123456000, time.UTC)
	for i, m := range []struct {
		sent          bool
		local, remote netip.AddrPort
		text          string
	}{
		{true, netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.7:5070"), "INVITE"},
		{false, netip.MustParseAddrPort("[2001:db8::1]:5061"), netip.MustParseAddrPort("[2001:db8::2]:40000"), "SIP/2.0 200 OK"},
		{false, netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.7:5070"), strings.Repeat("x", 70_000)},
		{false, netip.AddrPort{}, netip.MustParseAddrPort("198.51.100.7:5070"), "BYE"},
	} {
		b.Message(telephony.Message{At: at.Add(time.Duration(i) * time.Microsecond), Sent: m.sent, Local: m.local, Remote: m.remote, Transport: "UDP", Names: [2]string{"a 1"}, Text: []byte(m.text)})
	}
	const want = "192.0.2.1:5060>198.51.100.7:5070 INVITE, [2001:db8::2]:40000>[2001:db8::1]:5061 SIP/2.0 200 OK, " +
		"198.51.100.7:5070>192.0.2.1:5060 xxxxxxxxxxxxxxxxxxxx, 198.51.100.7:5070>0.0.0.0:0 BYE"
	if got := captured(t, b, "call", true); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCaptureOfSound: messages and packets lie in one file in the order of time, and
// packets only where they are asked for; also after a crash, and without messages.
func TestCaptureOfSound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		began := time.Now()
		tape, err := b.Record("call")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Record("call"); err == nil || strings.Contains(err.Error(), b.c.Dir) {
			t.Errorf("a second file of the call: %v", err)
		}
		tape.Packet(packet(began.Add(time.Millisecond), true, "one"))
		time.Sleep(2 * time.Second) // it is written
		tape.Packet(packet(began.Add(3*time.Second), false, "two"))
		b.flushTapes()
		if got := captured(t, b, "call", true); got != "192.0.2.1:10000>198.51.100.7:20000 one, 198.51.100.7:20000>192.0.2.1:10000 two" {
			t.Errorf("without messages: %s", got)
		}
		if _, err := b.Capture("call", false); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without sound: %v", err)
		}
		b.Belongs("a 1", "call")
		first, last := message("a 1", "INVITE", false), message("a 1", "BYE", true)
		first.At, last.At = began, began.Add(4*time.Second)
		b.Message(first)
		b.Message(last)
		const want = "198.51.100.7:5060>192.0.2.1:5060 INVITE, 192.0.2.1:10000>198.51.100.7:20000 one, 198.51.100.7:20000>192.0.2.1:10000 two, 192.0.2.1:5060>198.51.100.7:5060 BYE"
		for _, cut := range []string{"", "a", strings.Repeat("\x10", recordHead+7)} { // as a crash leaves it
			f, err := os.OpenFile(tape.path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(cut)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			if got := captured(t, b, "call", true); got != want {
				t.Errorf("behind it %q:\ngot  %s\nwant %s", cut, got, want)
			}
		}
		if got := captured(t, b, "call", false); strings.Contains(got, "one") {
			t.Errorf("sound that was not asked for: %s", got)
		}
		if err := tape.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		tape.Packet(packet(time.Now(), true, "too late"))
		if info, err := os.Stat(tape.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v, %v", info, err)
		}
	})
}

func TestTapeGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		before, err := b.Record("call")
		if err != nil {
			t.Fatal(err)
		}
		before.Packet(packet(time.Now(), true, "one"))
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(before.path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(strings.Repeat("\x10", recordHead+7)) // a torn record
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		after, err := b.Resume("call")
		if err != nil {
			t.Fatal(err)
		}
		after.Packet(packet(time.Now().Add(time.Second), false, "two"))
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
		if got := captured(t, b, "call", true); got != "192.0.2.1:10000>198.51.100.7:20000 one, 198.51.100.7:20000>192.0.2.1:10000 two" {
			t.Errorf("got %s", got)
		}
		if _, err := b.Resume("absent"); err == nil || strings.Contains(err.Error(), b.c.Dir) {
			t.Errorf("nothing goes on: %v", err)
		}
	})
}

// idleBook writes only when it is told to.
func idleBook(t *testing.T) *Book {
	t.Helper()
	return &Book{c: Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, tapes: map[*Tape]struct{}{}}
}

// TestTapeBounds: of what waits, and of the file; what is left out is told.
func TestTapeBounds(t *testing.T) {
	t.Parallel()
	b := idleBook(t)
	for name, test := range map[string]struct {
		rounds int
		most   int64
	}{"the disk is slow": {1, 2 * mostWaiting}, "a long call": {3 * mostTape / mostWaiting, mostTape}} {
		tape, err := b.Record(strings.ReplaceAll(name, " ", "-"))
		if err != nil {
			t.Fatal(err)
		}
		p := packet(time.Unix(1e9, 0), true, strings.Repeat("x", 172))
		for range test.rounds {
			for range mostWaiting/172 + 1 {
				tape.Packet(p)
			}
			if len(tape.waiting) > mostWaiting {
				t.Fatalf("%s: %d bytes wait", name, len(tape.waiting))
			}
			tape.flush()
		}
		info, err := os.Stat(tape.path)
		if err != nil {
			t.Fatal(err)
		}
		if size := info.Size(); size > test.most || size < mostWaiting/2 {
			t.Errorf("%s: the file has %d bytes", name, size)
		}
		if err := tape.Close(); err == nil || !strings.Contains(err.Error(), "packets are missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	tape, err := b.Record("discarded")
	if err != nil {
		t.Fatal(err)
	}
	tape.Packet(packet(time.Now(), true, "x"))
	if err := tape.Discard(); err != nil {
		t.Error(err)
	}
	tape.flush()
	if _, err := os.Stat(tape.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the discarded file: %v", err)
	}
	if len(b.tapes) != 0 {
		t.Errorf("%d are open", len(b.tapes))
	}
}

// TestTapeAllocatesNothing for a packet.
func TestTapeAllocatesNothing(t *testing.T) {
	tape, err := idleBook(t).Record("call")
	if err != nil {
		t.Fatal(err)
	}
	defer tape.Close()
	var sink telephony.PacketSink = tape
	p := packet(time.Unix(1e9, 0), true, strings.Repeat("x", 172))
	if n := testing.AllocsPerRun(100, func() { sink.Packet(p) }); n != 0 { // 100 packets fit what is made beforehand
		t.Errorf("%f allocations a packet", n)
	}
}

// FuzzTape: a file that says nonsense is an error or the packets before it, and
// never a panic.
func FuzzTape(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendRecord(appendPCAP(nil), time.Unix(1, 0), netip.AddrPort{}, netip.AddrPort{}, []byte("x")))
	f.Add(binary.LittleEndian.AppendUint64(append(appendPCAP(nil), make([]byte, 8)...), 1<<63-1))
	f.Fuzz(func(t *testing.T, file []byte) {
		b := &Book{c: Config{Dir: t.TempDir()}}
		if err := os.WriteFile(b.tapePath("call"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		tape, records, err := openTape(b.tapePath("call"), true)
		if err != nil {
			return
		}
		c := &Capture{tape: tape, records: records, size: pcapHead + records}
		defer c.Close()
		var out bytes.Buffer
		if n, err := c.WriteTo(&out); err != nil || n != c.size {
			t.Errorf("%d bytes of %d, %v", n, c.size, err)
		}
	})
}
