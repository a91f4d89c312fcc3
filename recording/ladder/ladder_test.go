package ladder

import (
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
)

func newBook(t *testing.T) *Book {
	t.Helper()
	return New(Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
}

// message is one of a dialog.
func message(name, text string, sent bool) telephony.Message {
	return telephony.Message{At: time.Now(), Sent: sent, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("198.51.100.7:5060"),
		Transport: "UDP", Names: [2]string{name}, Begins: strings.HasPrefix(text, "INVITE"), Text: []byte(text)}
}

// texts are the messages of a call.
func texts(t *testing.T, b *Book, callID string) string {
	t.Helper()
	l, err := b.Ladder(callID)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range l.Messages {
		out = append(out, m.Text)
	}
	return strings.Join(out, " ")
}

// TestALadderOfEachCall: what came before the call was known is part of it, as is what
// follows its end for a while; other dialogs are not.
func TestALadderOfEachCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		b.Message(message("a 1", "INVITE 1", false))
		b.Message(message("b 1", "INVITE 2", false))
		b.Message(message("c 1", "BYE of nobody", false))
		b.Message(message("a 1", "180", true))
		b.Belongs("a 1", "call-1")
		b.Message(message("a 1", "200", true))
		second := message("a 2", "ACK", false)
		second.Names[1] = "a 1"
		b.Message(second)
		if got := texts(t, b, "call-1"); got != "INVITE 1 180 200 ACK" {
			t.Errorf("while it lives: %s", got)
		}
		b.Message(message("a 1", "BYE", false))
		b.Over("a 1")
		time.Sleep(30 * time.Second)
		b.Message(message("a 1", "BYE again", false))
		time.Sleep(2 * time.Minute)
		b.Message(message("a 1", "much later", false))
		if got := texts(t, b, "call-1"); got != "INVITE 1 180 200 ACK BYE BYE again" {
			t.Errorf("at the end: %s", got)
		}
		b.Belongs("b 1", "call-2")
		if _, err := b.Ladder("call-2"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what nobody asked for in time: %v", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.calls) > 1 || len(b.dialogs) > 1 || b.unknown != 0 {
			t.Errorf("left: %d calls, %d dialogs, %d bytes", len(b.calls), len(b.dialogs), b.unknown)
		}
	})
}

// TestExchangeOfACallThatIsNone: its messages are there, without secrets, until it is
// known whose they are, or for a while.
func TestExchangeOfACallThatIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		b.Message(message("a 1", "INVITE sip:a:SECRET@b SIP/2.0", false))
		b.Message(message("a 1", "SIP/2.0 404 Not Found", true))
		got := b.Exchange("a 1")
		if len(got) != 2 || got[0].Text != "INVITE sip:a:***@b SIP/2.0" || got[0].Sent || !got[1].Sent || got[1].Remote != "198.51.100.7:5060" {
			t.Errorf("got %+v", got)
		}
		if got := b.Exchange("b 1"); got != nil {
			t.Errorf("of nobody: %+v", got)
		}
		b.Message(message("c 1", "INVITE", false))
		b.Belongs("c 1", "call")
		if got := b.Exchange("c 1"); got != nil {
			t.Errorf("of a call: %+v", got)
		}
		time.Sleep(3 * time.Minute)
		if got := b.Exchange("a 1"); got != nil {
			t.Errorf("much later: %+v", got)
		}
	})
}

// TestBothEndsOfACall from us to us have the same messages.
func TestBothEndsOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		b.Belongs("a 1", "from")
		b.Message(message("a 1", "INVITE", true))
		b.Belongs("a 1", "to")
		b.Belongs("a 1", "to")
		b.Message(message("a 1", "200", true))
		for _, id := range []string{"from", "to"} {
			if got := texts(t, b, id); got != "INVITE 200" {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

// TestBounds: of one call, and of all that belong to none.
func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		defer b.Close()
		b.Belongs("many 1", "many")
		b.Belongs("large 1", "large")
		for range mostMessages + 7 {
			b.Message(message("many 1", "OK", true))
			b.Message(message("large 1", strings.Repeat("x", 10_000), true))
		}
		for id, want := range map[string][2]int{"many": {mostMessages, 7}, "large": {26, mostMessages + 7 - 26}} {
			if l, err := b.Ladder(id); err != nil || len(l.Messages) != want[0] || l.Dropped != want[1] {
				t.Errorf("%s: %d messages, %d dropped, %v", id, len(l.Messages), l.Dropped, err)
			}
		}
		for i := range 5 * mostStrangers {
			b.Message(message(fmt.Sprint("stranger ", i), "INVITE "+strings.Repeat("x", i), false))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.strangers) > mostStrangers || b.unknown > strangerBytes || len(b.dialogs) > mostStrangers+2 {
			t.Errorf("%d strangers, %d bytes, %d dialogs", len(b.strangers), b.unknown, len(b.dialogs))
		}
	})
}

// TestFilesOutliveTheProcess, also with a line that a crash cut.
func TestFilesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := New(Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	b.Belongs("a 1", "call")
	b.Message(message("a 1", "INVITE", true))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(b.path("call"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(`{"at":"2026`)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	b = New(Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	defer b.Close()
	if got := texts(t, b, "call"); got != "INVITE" {
		t.Errorf("got %s", got)
	}
	for _, id := range []string{"", ".", "..", "../call", "other"} {
		if _, err := b.Ladder(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
