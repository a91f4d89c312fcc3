package journals

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
)

// again is a Book of another process on the same files.
func (s *shelf) again(t testing.TB) *shelf {
	t.Helper()
	other := newShelf(t, func(c *Config) { *c = s.c })
	other.key = s.key
	return other
}

// resume goes on with a call, and says so to its machine.
func (s *shelf) resume(t testing.TB, callID string, after time.Duration) live {
	t.Helper()
	past, j, err := s.Resume(t.Context(), "env", callID)
	if err != nil {
		t.Fatalf("call %s: %v", callID, err)
	}
	l := live{j, past.Machine}
	l.step(past.Until+after, conversation.Resumed{Until: past.Until})
	return l
}

// TestResumeAnywhere: the file of a killed process that was cut at any byte goes on, twice,
// ends, and replays exactly.
func TestResumeAnywhere(t *testing.T) {
	t.Parallel()
	file, _, key := smallFile(t)
	s := newShelf(t, nil)
	s.key = key
	resumed := 0
	for n := range file {
		if err := os.WriteFile(s.path("a"), file[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := s.Text(t.Context(), "env", "a")
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 {
			if _, j, err := s.Resume(t.Context(), "env", "a"); err == nil || j != nil || errors.Is(err, ErrNotKept) {
				t.Fatalf("cut at %d: a file without text goes on: %v", n, err)
			}
			continue
		}
		first := s.resume(t, "a", time.Second)
		first.step(20*time.Second, conversation.Digit{Key: '2'})
		first.j.flush(new(packer))
		first.j.release() // as if it were killed
		second := s.resume(t, "a", time.Second)
		second.step(30*time.Second, conversation.HungUp{Remote: true})
		second.j.End(31 * time.Second)
		second.j.flush(new(packer))
		j := s.read(t, "a")
		if j.Ending != journal.Whole || len(j.Steps) < 5 {
			t.Fatalf("cut at %d: %d steps, %s", n, len(j.Steps), j.Ending)
		}
		resumed++
	}
	if resumed == 0 {
		t.Error("nothing was resumed")
	}
}

// TestResumeCounts: the bytes of the files are counted right, no second file is there, and
// no nonce is used twice.
func TestResumeCounts(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.begin(t, "a").j.flush(new(packer))
	s.Close()
	before, err := os.ReadFile(s.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	next := s.again(t)
	l := next.resume(t, "a", 2*time.Second)
	l.j.flush(new(packer))
	after, err := os.ReadFile(next.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	if salt := len(mark) + saltSize; bytes.Equal(before[:salt], after[:salt]) || !bytes.Equal(before[:len(mark)], after[:len(mark)]) {
		t.Error("the new file has the salt of the old one")
	}
	if size, err := Size(next.c.Dir); err != nil || size != next.Stored() || size != int64(len(after)) || size != l.j.size {
		t.Errorf("%d bytes, %v; counted %d", size, err, next.Stored())
	}
	if j := next.read(t, "a"); j.Ending != journal.Cut || len(j.Steps) != 3 {
		t.Errorf("%d steps, %s", len(j.Steps), j.Ending)
	}
	l.step(30*time.Second, conversation.HungUp{Remote: true})
	l.j.End(31 * time.Second)
	next.Close()
	if size, err := Size(next.c.Dir); err != nil || size != next.Stored() {
		t.Errorf("when it is over: %d bytes, %v; counted %d", size, err, next.Stored())
	}
	if j := next.read(t, "a"); j.Ending != journal.Whole || len(j.Steps) != 4 {
		t.Errorf("when it is over: %d steps, %s", len(j.Steps), j.Ending)
	}
	if all, err := os.ReadDir(next.c.Dir); err != nil || len(all) != 1 {
		t.Errorf("%d files, %v", len(all), err)
	}
	last := next.again(t)
	if _, _, err := last.Resume(t.Context(), "env", "a"); !errors.Is(err, journal.ErrWhole) {
		t.Errorf("a call that is over: %v", err)
	}
	for _, id := range []string{"", "..", "../a", "absent"} {
		if _, _, err := last.Resume(t.Context(), "env", id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
	last.Close()
}

// TestResumeBeforeTheFirstInput: a call of which only the header was written begins.
func TestResumeBeforeTheFirstInput(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.Begin("env", header("a")).flush(new(packer))
	s.Close()
	next := s.again(t)
	l := next.resume(t, "a", time.Second)
	l.step(2*time.Second, conversation.MediaStarted{})
	l.j.End(9 * time.Second)
	next.Close()
	if j := next.read(t, "a"); j.Ending != journal.Whole || len(j.Steps) != 2 {
		t.Errorf("%d steps, %s", len(j.Steps), j.Ending)
	}
}

// TestKilledBeforeTheRename: what is left of the new file is removed, and the old one goes on.
func TestKilledBeforeTheRename(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.begin(t, "a").j.flush(new(packer))
	s.Close()
	if err := os.WriteFile(s.path("a")+folding, []byte(mark+"half"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := s.again(t)
	l := next.resume(t, "a", time.Second)
	l.j.End(9 * time.Second)
	next.Close()
	if j := next.read(t, "a"); j.Ending != journal.Whole || len(j.Steps) != 3 {
		t.Errorf("%d steps, %s", len(j.Steps), j.Ending)
	}
	if _, err := os.Stat(s.path("a") + folding); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file is still there: %v", err)
	}
}

// TestResumeWithoutADisk: the call can go on, its journal cannot, and the old one is left as
// it was.
func TestResumeWithoutADisk(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.begin(t, "a").j.flush(new(packer))
	s.Close()
	before, err := os.ReadFile(s.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	next := s.again(t)
	if err := os.MkdirAll(filepath.Join(s.path("a")+folding, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	past, j, err := next.Resume(t.Context(), "env", "a")
	if !errors.Is(err, ErrNotKept) || j != nil || past.Machine == nil || len(past.Played) != 2 || past.Until != time.Second {
		t.Errorf("%d steps until %v, journal %v, %v", len(past.Played), past.Until, j, err)
	}
	if after, err := os.ReadFile(s.path("a")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file was changed: %v", err)
	}
	next.Close()
}

// TestAnyFlippedBitIsNoPast: a damaged file is an error and never another call.
func TestAnyFlippedBitIsNoPast(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	s.begin(t, "a").j.flush(new(packer))
	s.Close()
	file, err := os.ReadFile(s.path("a"))
	if err != nil {
		t.Fatal(err)
	}
	next := s.again(t)
	for bit := range 8 * len(file) {
		file[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(s.path("a"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if past, j, err := next.Resume(t.Context(), "env", "a"); err == nil || j != nil {
			t.Fatalf("bit %d of %d: no error, and %d steps", bit, 8*len(file), len(past.Played))
		}
		file[bit/8] ^= 1 << (bit % 8)
	}
	next.Close()
}

// TestLimitsCountOn: a call's limit holds over all its processes.
func TestLimitsCountOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	l := s.begin(t, "a")
	p := new(packer)
	for i := 0; !l.j.isOver(); i++ {
		if i == 40 {
			l.j.flush(p)
			l.j.release()
			l = s.resume(t, "a", time.Second)
		}
		for range 2 {
			l.j.Comment(time.Duration(i)*time.Second, strings.Repeat("word ", 20_000))
		}
		l.j.flush(p)
		if l.j.size > 8<<20 {
			t.Fatalf("%d bytes", l.j.size)
		}
	}
	l.j.flush(p)
	if j := s.read(t, "a"); j.Ending != journal.Full || !strings.Contains(j.Why, "8 MiB a call") || s.told() != "call_limit" {
		t.Errorf("%s, %q, %s", j.Ending, j.Why, s.told())
	}
	if _, _, err := s.Resume(t.Context(), "env", "a"); !errors.Is(err, journal.ErrFull) {
		t.Errorf("a full journal: %v", err)
	}
	s.Close()
}

func (j *Journal) isOver() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.over
}

// TestCommit: what was given is in the file at once, also while others write, and nothing
// hangs that cannot be written.
func TestCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, nil)
		l, began := s.begin(t, "a"), time.Now()
		for n := range 20 {
			l.step(time.Duration(n+2)*time.Second, conversation.Digit{Key: '1'})
			if err := l.j.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			text, err := unpackFile(s, "a")
			if err != nil {
				t.Fatal(err)
			}
			if j, err := journal.Read(text); err != nil || len(j.Steps) != n+3 {
				t.Fatalf("after commit %d: %d steps, %v", n, len(j.Steps), err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited %v", took)
		}
		l.j.End(time.Minute)
		if err := l.j.Commit(t.Context()); !errors.Is(err, ErrOver) {
			t.Errorf("a journal that is over: %v", err)
		}
		s.Close()
	})
}

// TestCommitDoesNotHang with a disk that does.
func TestCommitDoesNotHang(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	l := s.begin(t, "a")
	l.j.writing.Lock() // the disk hangs
	ctx, cancel := context.WithCancel(t.Context())
	err := make(chan error, 1)
	go func() { err <- l.j.Commit(ctx) }()
	cancel()
	if err := <-err; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	l.j.writing.Unlock()
	s.Close()
}

// TestCommitThatFails tells why, and one behind it does not hang.
func TestCommitThatFails(t *testing.T) {
	t.Parallel()
	s := newShelf(t, func(c *Config) { c.Dir = filepath.Join(c.Dir, "absent") })
	l := s.begin(t, "a")
	if err := l.j.Commit(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := l.j.Commit(t.Context()); err == nil {
		t.Error("a journal that is lost was committed")
	}
	s.Close()
	open := newShelf(t, nil)
	late := open.begin(t, "b")
	open.Close()
	if err := late.j.Commit(t.Context()); !errors.Is(err, ErrOver) {
		t.Errorf("after Close: %v", err)
	}
}

// TestManyCommits of one call at once, while it goes on.
func TestManyCommits(t *testing.T) {
	t.Parallel()
	s := newShelf(t, nil)
	l := s.begin(t, "a")
	var wg sync.WaitGroup
	for n := range 200 {
		l.step(time.Duration(n+2)*time.Second, conversation.Heard{Text: "some words that are said"})
		wg.Go(func() {
			if err := l.j.Commit(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	l.j.End(300 * time.Second)
	s.Close()
	if j := s.read(t, "a"); j.Ending != journal.Whole || len(j.Steps) != 202 {
		t.Errorf("%d steps, %s", len(j.Steps), j.Ending)
	}
}
