package mp3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/process/processtest"
	"github.com/sidetone/sidetone/recording/disk"
	"github.com/sidetone/sidetone/recording/mp3"
)

// tape records seconds of a caller's 400 Hz, with silence on the agent's side.
func tape(t *testing.T, rate, seconds int) *disk.Recordings {
	t.Helper()
	r, err := disk.New(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	rec, err := r.Create("call-1", rate)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Duration(seconds) * time.Second
	n := 0
	for at := time.Duration(0); at < end; at += audio.FrameDuration {
		pcm := make([]int16, audio.Samples(audio.FrameDuration, rate))
		for i := range pcm {
			pcm[i] = int16(8000 * math.Sin(2*math.Pi*400*float64(n)/float64(rate)))
			n++
		}
		rec.Caller(audio.Frame{PCM: pcm, Rate: rate, Offset: audio.Samples(at, rate)}, at+audio.FrameDuration)
	}
	if err := rec.Close(end); err != nil {
		t.Fatal(err)
	}
	return r
}

// counting is lame behind a script that notes each run.
func counting(t *testing.T) (program string, runs func() int) {
	t.Helper()
	notes := filepath.Join(t.TempDir(), "runs")
	program = processtest.Script(t, "lame", fmt.Sprintf("echo run >> %s\nexec lame \"$@\"", notes))
	return program, func() int {
		text, _ := os.ReadFile(notes) // none before the first run
		return strings.Count(string(text), "run")
	}
}

func newCopies(t *testing.T, source *disk.Recordings, program string) (copies *mp3.Copies, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "mp3")
	copies, err := mp3.New(mp3.Config{Source: source, Dir: dir, Program: program, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = copies.Close() })
	return copies, dir
}

func bytesOf(t *testing.T, f io.ReadSeekCloser) []byte {
	t.Helper()
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMadeOnce asks eight times at once and again later: one run of the
// program, and everybody has the same bytes.
func TestMadeOnce(t *testing.T) {
	t.Parallel()
	program, runs := counting(t)
	copies, dir := newCopies(t, tape(t, 8000, 2), program)
	var wg sync.WaitGroup
	got := make([][]byte, 8)
	for i := range got {
		wg.Go(func() {
			f, err := copies.Open(t.Context(), "call-1.wav")
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = bytesOf(t, f)
		})
	}
	wg.Wait()
	f, err := copies.Open(t.Context(), "call-1.wav")
	if err != nil {
		t.Fatal(err)
	}
	again := bytesOf(t, f)
	for _, b := range got {
		if len(b) == 0 || !bytes.Equal(b, again) {
			t.Errorf("got %d bytes, later %d", len(b), len(again))
		}
	}
	if n := runs(); n != 1 {
		t.Errorf("lame ran %d times", n)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
}

// TestConstantBitRate computes the size from the length and decodes the copy:
// the caller is on the left, nobody on the right.
func TestConstantBitRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		copies, dir := newCopies(t, tape(t, rate, 5), "lame")
		f, err := copies.Open(t.Context(), "call-1.wav")
		if err != nil {
			t.Fatal(err)
		}
		size := float64(len(bytesOf(t, f)))
		if seconds := size * 8 / 64000; seconds < 5 || seconds > 5.4 { // the encoder pads with up to some frames
			t.Errorf("%d Hz: %v bytes are %.2f s at 64 kbit/s", rate, size, seconds)
		}
		decoded := filepath.Join(t.TempDir(), "decoded.wav")
		if out, err := exec.CommandContext(t.Context(), "lame", "--quiet", "--decode", filepath.Join(dir, "call-1.mp3"), decoded).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		left, right := energies(t, decoded)
		if left < 1e6 || right > left/1000 {
			t.Errorf("%d Hz: energy left %.0f, right %.0f", rate, left, right)
		}
	}
}

func energies(t *testing.T, path string) (left, right float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wav, err := audio.NewWAVReader(f)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 2*wav.Format().Rate*5)
	n, err := wav.Read(pcm)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for i := 0; i+1 < n; i += 2 {
		left += float64(pcm[i]) * float64(pcm[i])
		right += float64(pcm[i+1]) * float64(pcm[i+1])
	}
	return left / float64(n/2), right / float64(n/2)
}

func TestWhatCannotBeMade(t *testing.T) {
	t.Parallel()
	source := tape(t, 8000, 1)
	none, _ := newCopies(t, source, "")
	absent, _ := newCopies(t, source, "no-such-encoder")
	broken, dir := newCopies(t, source, "false")
	for _, test := range []struct {
		copies *mp3.Copies
		path   string
		want   error
	}{
		{none, "call-1.wav", errors.ErrUnsupported}, {absent, "call-1.wav", errors.ErrUnsupported},
		{none, "call-2.wav", fs.ErrNotExist}, {none, "", fs.ErrNotExist}, {none, "../call-1.wav", fs.ErrNotExist},
		{none, ".hidden", fs.ErrNotExist},
	} {
		if _, err := test.copies.Open(t.Context(), test.path); !errors.Is(err, test.want) {
			t.Errorf("%q: got %v, want %v", test.path, err, test.want)
		}
	}
	if _, err := broken.Open(t.Context(), "call-1.wav"); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a failing encoder: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("a failed encoding left %v, %v", files, err)
	}
}

// TestWaitingEndsWithTheContext: the one who gave up gets an error, the copy is
// made all the same.
func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	program, runs := counting(t)
	copies, _ := newCopies(t, tape(t, 8000, 1), program)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := copies.Open(ctx, "call-1.wav"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	f, err := copies.Open(t.Context(), "call-1.wav")
	if err != nil {
		t.Fatal(err)
	}
	if len(bytesOf(t, f)) == 0 || runs() != 1 {
		t.Errorf("lame ran %d times", runs())
	}
}

func TestDraftsOfACrashAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".draft-7"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	copies, err := mp3.New(mp3.Config{Source: tape(t, 8000, 1), Dir: dir, Program: "lame", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := copies.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("got %v, %v", files, err)
	}
}
