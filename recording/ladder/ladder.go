// Package ladder keeps the signalling of calls, without its secrets, in files beside
// their recordings: one for each call, a message a line. Where that is wanted it keeps
// the packets of their sound, too, in another file for each call.
package ladder

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

const (
	// mostMessages and mostBytes bound what is kept of a call. Later messages are
	// counted.
	mostMessages = 500
	mostBytes    = 256 << 10
	// mostStrangers and strangerBytes bound the dialogs, and their messages, of which
	// it is not known yet to which call they belong; the oldest ones go first.
	// strangerFor is how long they wait.
	mostStrangers = 1000
	strangerBytes = 4 << 20
	strangerFor   = 2 * time.Minute
	// lingerFor is how long messages of a leg may come after its end: all that is
	// repeated is repeated for 32 s.
	lingerFor = 70 * time.Second
	// mostCalls bounds the calls that have one name.
	mostCalls = 4
	// flushEvery is how often what was collected is given to the files.
	flushEvery = 500 * time.Millisecond
)

// Config configures a Book.
type Config struct {
	// Dir is where the files are kept; it must be there.
	Dir string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives what operators should know.
	Log *slog.Logger
}

// Book collects the ladders of all calls of a node. It is a telephony.Watcher. Use New.
type Book struct {
	c    Config
	stop chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex
	dialogs   map[string]*dialog // by name
	calls     map[string]*trace  // by id; those that collect
	tapes     map[*Tape]struct{} // those that are open
	strangers []*dialog          // in the order in which they came; may be known by now
	unknown   int                // bytes of messages of strangers

	writing sync.Mutex // of the files
}

// dialog is what messages of one name belong to.
type dialog struct {
	name  string
	began time.Time
	over  time.Time // zero while it lives
	gone  bool
	calls []*trace
	early trace // while it has no call
}

// trace is what was collected of a call and is not written yet.
type trace struct {
	callID  string
	waiting []line
	dropped int
	changed bool // dropped is not written
	// messages and bytes are what was collected so far.
	messages, bytes int
	failed          bool
	dialogs         int // names that it has
}

// line is one line of a file.
type line struct {
	At        time.Time `json:"at,omitzero"`
	Sent      bool      `json:"sent,omitempty"`
	Local     string    `json:"local,omitempty"`
	Remote    string    `json:"remote,omitempty"`
	Transport string    `json:"transport,omitempty"`
	Text      string    `json:"text,omitempty"`
	Dropped   int       `json:"dropped,omitempty"` // in a line of its own
}

// New returns a Book that writes on a goroutine of its own until Close.
func New(c Config) *Book {
	if c.Now == nil {
		c.Now = time.Now
	}
	b := &Book{c: c, stop: make(chan struct{}), dialogs: map[string]*dialog{}, calls: map[string]*trace{}, tapes: map[*Tape]struct{}{}}
	b.wg.Go(b.run)
	return b
}

func (b *Book) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.flush()
			b.flushTapes()
		}
	}
}

// Close writes what is left.
func (b *Book) Close() error {
	close(b.stop)
	b.wg.Wait()
	b.flush()
	b.flushTapes()
	return nil
}

// flushTapes writes the packets that wait.
func (b *Book) flushTapes() {
	b.mu.Lock()
	open := slices.Collect(maps.Keys(b.tapes))
	b.mu.Unlock()
	for _, t := range open {
		t.flush()
	}
}

// Message implements telephony.Watcher.
func (b *Book) Message(m telephony.Message) {
	if !b.wanted(m) {
		return
	}
	l := line{At: m.At, Sent: m.Sent, Local: m.Local.String(), Remote: m.Remote.String(), Transport: m.Transport, Text: mask(m.Text)}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.find(m)
	switch {
	case d == nil:
	case len(d.calls) == 0:
		b.unknown -= d.early.bytes
		d.early.add(l)
		b.unknown += d.early.bytes
		b.shed()
	default:
		for _, t := range d.calls {
			t.add(l)
		}
	}
}

// wanted reports whether a message is one of a call, and makes the dialog of one that
// begins.
func (b *Book) wanted(m telephony.Message) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.find(m) != nil {
		return true
	}
	if m.Begins {
		b.begin(m.Names[0])
	}
	return m.Begins
}

// find returns the dialog of a message, nil for none; the caller holds mu.
func (b *Book) find(m telephony.Message) *dialog {
	for _, name := range m.Names {
		if d := b.dialogs[name]; d != nil && name != "" {
			return d
		}
	}
	return nil
}

// begin makes a dialog that has no call yet; the caller holds mu.
func (b *Book) begin(name string) *dialog {
	d := &dialog{name: name, began: b.c.Now()}
	b.dialogs[name] = d
	b.strangers = append(b.strangers, d)
	b.shed()
	return d
}

// shed forgets the oldest dialogs without a call; the caller holds mu.
func (b *Book) shed() {
	for len(b.strangers) > 0 {
		d := b.strangers[0]
		known := len(d.calls) > 0 || d.gone
		if !known && len(b.strangers) <= mostStrangers && b.unknown <= strangerBytes && b.c.Now().Sub(d.began) < strangerFor {
			return
		}
		b.strangers = b.strangers[1:]
		if !known {
			b.forget(d)
		}
	}
}

// forget drops a dialog; the caller holds mu.
func (b *Book) forget(d *dialog) {
	b.unknown -= d.early.bytes
	d.gone, d.early = true, trace{}
	if b.dialogs[d.name] == d {
		delete(b.dialogs, d.name)
	}
	for _, t := range d.calls {
		if t.dialogs--; t.dialogs == 0 && len(t.waiting) == 0 && !t.changed {
			delete(b.calls, t.callID)
		}
	}
}

// Belongs implements telephony.Watcher.
func (b *Book) Belongs(name, callID string) {
	if name == "" || callID == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.dialogs[name]
	if d == nil {
		d = b.begin(name)
	}
	if len(d.calls) >= mostCalls || slices.ContainsFunc(d.calls, func(t *trace) bool { return t.callID == callID }) {
		return
	}
	t := b.calls[callID]
	if t == nil {
		t = &trace{callID: callID}
		b.calls[callID] = t
	}
	t.dialogs++
	before := d.early
	if len(d.calls) > 0 {
		before = trace{waiting: slices.Clone(d.calls[0].waiting)} // the other end of a call from us to us
	}
	for _, l := range before.waiting {
		t.add(l)
	}
	if before.dropped > 0 {
		t.dropped, t.changed = t.dropped+before.dropped, true
	}
	b.unknown -= d.early.bytes
	d.early = trace{}
	d.calls = append(d.calls, t)
}

// Exchange returns the first messages of a name while they belong to no call: those of
// calls that were refused are there for a short while.
func (b *Book) Exchange(name string) []sidetone.SignalMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.dialogs[name]
	if d == nil || len(d.calls) > 0 {
		return nil
	}
	out := make([]sidetone.SignalMessage, len(d.early.waiting))
	for i, l := range d.early.waiting {
		out[i] = l.message()
	}
	return out
}

func (l line) message() sidetone.SignalMessage {
	return sidetone.SignalMessage{At: l.At, Sent: l.Sent, Local: l.Local, Remote: l.Remote, Transport: l.Transport, Text: l.Text}
}

// Over implements telephony.Watcher.
func (b *Book) Over(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.dialogs[name]; d != nil {
		d.over = b.c.Now()
	}
}

func (t *trace) add(l line) {
	if t.messages >= mostMessages || t.bytes+len(l.Text) > mostBytes {
		t.dropped++
		t.changed = true
		return
	}
	t.messages++
	t.bytes += len(l.Text)
	t.waiting = append(t.waiting, l)
}

// flush writes what was collected, and forgets what is over.
func (b *Book) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	for id, lines := range b.take() {
		err := b.append(id, lines)
		b.mu.Lock()
		t := b.calls[id]
		first := err != nil && t != nil && !t.failed
		if t != nil {
			t.failed = err != nil
			if t.failed {
				t.dropped += len(lines) // the next line that is written says so
			}
		}
		b.mu.Unlock()
		if first {
			b.c.Log.Error("keep the signalling of a call", slog.String("call", id), slog.Any("error", err))
		}
	}
	b.tidy()
}

// take empties what waits.
func (b *Book) take() map[string][]line {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string][]line{}
	for id, t := range b.calls {
		lines := t.waiting
		if t.changed {
			lines = append(lines, line{Dropped: t.dropped})
		}
		if len(lines) > 0 {
			out[id] = lines
		}
		t.waiting, t.changed = nil, false
	}
	return out
}

// tidy forgets dialogs that are over, or that nobody wanted.
func (b *Book) tidy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shed()
	now := b.c.Now()
	for _, d := range b.dialogs {
		if len(d.calls) > 0 && !d.over.IsZero() && now.Sub(d.over) >= lingerFor {
			b.forget(d)
		}
	}
	for id, t := range b.calls {
		if t.dialogs == 0 && len(t.waiting) == 0 && !t.changed {
			delete(b.calls, id)
		}
	}
}

func (b *Book) path(callID string) string { return filepath.Join(b.c.Dir, callID+".sip.jsonl") }

func (b *Book) append(callID string, lines []line) (err error) {
	f, err := os.OpenFile(b.path(callID), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var text []byte
	for _, l := range lines {
		one, err := json.Marshal(l)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		text = append(append(text, one...), '\n')
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Ladder returns the signalling of a call, also of one that lives; fs.ErrNotExist
// when there is none.
func (b *Book) Ladder(callID string) (sidetone.Ladder, error) {
	var out sidetone.Ladder
	if callID == "" || callID != filepath.Base(callID) || callID[0] == '.' {
		return out, fs.ErrNotExist
	}
	b.flush()
	f, err := os.Open(b.path(callID))
	if err != nil {
		return out, fmt.Errorf("open the signalling of a call: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 8*mostBytes)
	for lines.Scan() {
		var l line
		switch {
		case json.Unmarshal(lines.Bytes(), &l) != nil: // a crash cut it
		case l.Dropped > 0:
			out.Dropped = l.Dropped
		default:
			out.Messages = append(out.Messages, l.message())
		}
	}
	slices.SortStableFunc(out.Messages, func(x, y sidetone.SignalMessage) int { return cmp.Compare(x.At.UnixNano(), y.At.UnixNano()) })
	if err := lines.Err(); err != nil {
		return out, fmt.Errorf("read the signalling of a call: %w", err)
	}
	return out, nil
}
