package journals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/vault"
)

// shelf is a Book with what it told.
type shelf struct {
	*Book
	key vault.Key

	mu   sync.Mutex
	ends []string
}

func newShelf(t testing.TB, change func(*Config)) *shelf {
	t.Helper()
	s := &shelf{key: vault.NewKey()}
	c := Config{Dir: t.TempDir(), Most: DefaultMost, Log: slog.New(slog.DiscardHandler),
		Key: func(context.Context, string) (vault.Key, error) { return s.key, nil },
		Ended: func(why string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ends = append(s.ends, why)
		}}
	if change != nil {
		change(&c)
	}
	var err error
	if s.Book, err = New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ends, " ")
}

func header(callID string) journal.Header {
	return journal.Header{Call: callID, Seed: callID, Began: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), Build: "test",
		Config: conversation.Config{Greeting: "Hello.", DynamicTurns: true}}
}

// live is a call whose machine is journalled.
type live struct {
	j *Journal
	m *conversation.Machine
}

func (l live) step(at time.Duration, in conversation.Input) {
	l.j.Input(at, in)
	l.j.Outputs(l.m.Step(at, in))
}

// begin begins a call and steps it a little.
func (s *shelf) begin(t testing.TB, callID string) live {
	t.Helper()
	l := live{s.Begin("env", header(callID)), conversation.New(header(callID).Config)}
	if l.j == nil {
		t.Fatalf("call %s has no journal", callID)
	}
	l.step(0, conversation.MediaStarted{})
	l.step(time.Second, conversation.Heard{Text: "hello there", Final: true})
	return l
}

// read reads the journal of a call and replays it.
func (s *shelf) read(t testing.TB, callID string) *journal.Journal {
	t.Helper()
	text, err := s.Text(t.Context(), "env", callID)
	if err != nil {
		t.Fatalf("call %s: %v", callID, err)
	}
	j, err := journal.Read(text)
	if err != nil {
		t.Fatalf("call %s: %v", callID, err)
	}
	if _, err := j.Replay(); err != nil {
		t.Fatalf("call %s: %v", callID, err)
	}
	return j
}

// TestAJournalOfEachCall is there while the call lives, when it is over, and after the
// process was killed, up to the last tick.
func TestAJournalOfEachCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, nil)
		l := s.begin(t, "a")
		if j := s.read(t, "a"); len(j.Steps) != 2 || j.Ending != journal.Cut {
			t.Errorf("while it lives: %d steps, %s", len(j.Steps), j.Ending)
		}
		l.step(2*time.Second, conversation.Digit{Key: '1'})
		time.Sleep(flushEvery + time.Millisecond)
		synctest.Wait()
		l.step(3*time.Second, conversation.Digit{Key: '2'}) // the process is killed before it is written
		killed, err := unpackFile(s, "a")
		if err != nil {
			t.Fatal(err)
		}
		if j, err := journal.Read(killed); err != nil || len(j.Steps) != 3 {
			t.Errorf("killed: %+v, %v", j, err)
		}
		l.step(4*time.Second, conversation.HungUp{Remote: true, Reason: "normal"})
		l.j.End(5 * time.Second)
		l.step(6*time.Second, conversation.Digit{Key: '3'})
		time.Sleep(flushEvery)
		synctest.Wait()
		if j := s.read(t, "a"); len(j.Steps) != 5 || j.Ending != journal.Whole {
			t.Errorf("when it is over: %d steps, %s", len(j.Steps), j.Ending)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.live) != 0 || s.ends != nil {
			t.Errorf("%d live journals, %v", len(s.live), s.ends)
		}
		if size, err := Size(s.c.Dir); err != nil || size != s.Stored() || size == 0 {
			t.Errorf("%d bytes, %v; counted %d", size, err, s.Stored())
		}
		s.Close()
	})
}

func unpackFile(s *shelf, callID string) ([]byte, error) {
	file, err := os.ReadFile(s.path(callID))
	if err != nil {
		return nil, err
	}
	return unpack(file, s.key, callID)
}

// TestCloseKeepsWhatIsThere: the journals of calls that are not over are cut ones.
func TestCloseKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.begin(t, "a")
	s.begin(t, "b").j.End(time.Second)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if a, b := s.read(t, "a"), s.read(t, "b"); a.Ending != journal.Cut || b.Ending != journal.Whole || len(a.Steps) != 2 {
		t.Errorf("%s, %s", a.Ending, b.Ending)
	}
	for _, id := range []string{"", ".", "..", "../a", "other"} {
		if _, err := s.Text(t.Context(), "env", id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// smallFile is a sealed journal of several chunks, and its text.
func smallFile(t testing.TB) (file, text []byte, key vault.Key) {
	t.Helper()
	key = vault.NewKey()
	salt := newSalt()
	c, err := vault.NewChunks(key, "a", salt)
	if err != nil {
		t.Fatal(err)
	}
	text, err = journal.AppendHeader(nil, header("a"))
	if err != nil {
		t.Fatal(err)
	}
	file = append([]byte(mark), salt...)
	p, m, from := new(packer), conversation.New(header("a").Config), 0
	var w journal.Writer
	for i, in := range []conversation.Input{conversation.MediaStarted{}, conversation.Digit{Key: '1'}, conversation.HungUp{Remote: true}} {
		at := time.Duration(i) * time.Second
		if text, err = w.Input(text, at, in); err != nil {
			t.Fatal(err)
		}
		if text, _, err = w.Outputs(text, nil, m.Step(at, in)); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			text = w.End(text, at)
		}
		if file, err = p.pack(file, c, uint64(i), text[from:]); err != nil {
			t.Fatal(err)
		}
		from = len(text)
	}
	return file, text, key
}

// TestAnyFlippedBitIsAnError: each bit of a small file.
func TestAnyFlippedBitIsAnError(t *testing.T) {
	t.Parallel()
	file, text, key := smallFile(t)
	if got, err := unpack(file, key, "a"); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("got %q, %v", got, err)
	}
	for bit := range 8 * len(file) {
		file[bit/8] ^= 1 << (bit % 8)
		if got, err := unpack(file, key, "a"); err == nil {
			t.Fatalf("bit %d of %d: no error, and %q", bit, 8*len(file), got)
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
	for name, change := range map[string]func() ([]byte, error){
		"another call": func() ([]byte, error) { return unpack(file, key, "b") },
		"another key":  func() ([]byte, error) { return unpack(file, vault.NewKey(), "a") },
		"a chunk less": func() ([]byte, error) {
			first := len(mark) + saltSize
			second := first + headSize + int(file[first+1])<<8 + int(file[first+2])
			return unpack(append(bytes.Clone(file[:first]), file[second:]...), key, "a")
		},
	} {
		if got, err := change(); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestCutAnywhere: a file that was cut at any byte has the text of its whole chunks.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	file, text, key := smallFile(t)
	longest := 0
	for n := range file {
		got, err := unpack(file[:n], key, "a")
		if err != nil || !bytes.HasPrefix(text, got) || len(got) < longest || len(got) == len(text) {
			t.Fatalf("cut at %d: %q, %v", n, got, err)
		}
		longest = len(got)
		j, err := journal.Read(got)
		if err == nil {
			_, err = j.Replay()
		}
		if err != nil && (!errors.Is(err, journal.ErrEmpty) || len(got) > 0) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// TestNothingIsReadable of what was said.
func TestNothingIsReadable(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	l := s.begin(t, "a")
	l.step(2*time.Second, conversation.Heard{Text: "my secret is swordfish", Final: true})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.path("a"))
	if err != nil || bytes.Contains(file, []byte("swordfish")) || bytes.Contains(file, []byte("hello")) {
		t.Errorf("%q, %v", file, err)
	}
}

// TestLimits: of a call, of all calls, of a disk that takes nothing, and of one that
// hangs. The journal says why it ends where it can.
func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("call", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, nil)
		l := s.begin(t, "a")
		p := new(packer)
		l.j.writing.Lock()
		before := l.j.size
		l.j.size = mostCall // as if it were
		l.j.limit()
		l.j.size = before
		l.j.writing.Unlock()
		l.step(2*time.Second, conversation.Digit{Key: '1'})
		l.j.flush(p)
		if j := s.read(t, "a"); j.Ending != journal.Full || !strings.Contains(j.Why, "8 MiB a call") || len(j.Steps) != 2 || s.told() != "call_limit" {
			t.Errorf("%s, %q, %d steps, %s", j.Ending, j.Why, len(j.Steps), s.told())
		}
		s.Close()
	})
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, func(c *Config) { c.Most = 50 })
		l := s.begin(t, "a")
		p := new(packer)
		l.j.flush(p)
		l.j.flush(p)
		l.step(2*time.Second, conversation.Digit{Key: '1'})
		if j := s.read(t, "a"); j.Ending != journal.Full || !strings.Contains(j.Why, "recordings.journals_mib") || len(j.Steps) > 2 {
			t.Errorf("%s, %q, %d steps", j.Ending, j.Why, len(j.Steps))
		}
		if j := s.Begin("env", header("b")); j != nil || s.told() != "disk_limit disk_limit" {
			t.Errorf("a call without room has a journal; %s", s.told())
		}
		if err := os.Remove(s.path("a")); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s.recount(time.Now().Add(recountEvery))
		if s.Begin("env", header("c")) == nil {
			t.Error("room that was made is not found")
		}
	})
	t.Run("disk that takes nothing", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, func(c *Config) { c.Dir = filepath.Join(c.Dir, "absent") })
		l := s.begin(t, "a")
		l.j.flush(new(packer))
		l.step(2*time.Second, conversation.Digit{Key: '1'})
		l.j.End(3 * time.Second)
		s.Close()
		if s.told() != "disk_error" || len(s.live) != 0 {
			t.Errorf("%s, %d live", s.told(), len(s.live))
		}
	})
	t.Run("no key", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, func(c *Config) {
			c.Key = func(context.Context, string) (vault.Key, error) { return vault.Key{}, errors.New("no master key") }
		})
		s.begin(t, "a").j.flush(new(packer))
		s.Close()
		if s.told() != "key" {
			t.Errorf("%s", s.told())
		}
	})
	t.Run("slow disk", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t, nil)
		l := s.begin(t, "a")
		l.j.writing.Lock() // it hangs
		for i := range 10_000 {
			l.j.Comment(time.Duration(i)*time.Second, strings.Repeat("word ", 20))
		}
		l.j.mu.Lock()
		size := len(l.j.pending)
		l.j.mu.Unlock()
		l.j.writing.Unlock()
		l.j.flush(new(packer))
		if j := s.read(t, "a"); j.Ending != journal.Full || size > mostPending+keptPending || s.told() != "slow_disk" {
			t.Errorf("%s, %d bytes wait, %s", j.Ending, size, s.told())
		}
		s.Close()
		if cap(l.j.pending) > keptPending {
			t.Errorf("keeps %d bytes", cap(l.j.pending))
		}
	})
}

// TestManyCallsAtOnce, each from a goroutine of its own, while others read.
func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			id := fmt.Sprint("call-", i)
			l := s.begin(t, id)
			for n := range 60 {
				l.step(time.Duration(n+2)*time.Second, conversation.Heard{Text: fmt.Sprint("words ", n, strings.Repeat(" more", n))})
				if n == 30 {
					if _, err := s.Text(context.Background(), "env", id); err != nil {
						t.Error(err)
					}
				}
			}
			l.j.End(300 * time.Second)
		})
	}
	wg.Wait()
	s.Close()
	for i := range 12 {
		if j := s.read(t, fmt.Sprint("call-", i)); len(j.Steps) != 62 || j.Ending != journal.Whole {
			t.Errorf("call %d: %d steps, %s", i, len(j.Steps), j.Ending)
		}
	}
}
