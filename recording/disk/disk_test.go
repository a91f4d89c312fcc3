package disk_test

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/recording/disk"
)

func newRecordings(t *testing.T) *disk.Recordings {
	t.Helper()
	r, err := disk.New(filepath.Join(t.TempDir(), "recordings"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// talk records d of a constant caller (1000) and agent (2000).
func talk(rec *disk.Recorder, d time.Duration) {
	frame := func(v int16) []int16 {
		pcm := make([]int16, 160)
		for i := range pcm {
			pcm[i] = v
		}
		return pcm
	}
	for at := time.Duration(0); at < d; at += audio.FrameDuration {
		rec.Caller(audio.Frame{PCM: frame(1000), Rate: 8000, Offset: audio.Samples(at, 8000)}, at+audio.FrameDuration)
		rec.Agent(frame(2000), at)
	}
}

func TestRecordsBothSidesAndReadsBack(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	rec, err := r.Create("call-1", 8000)
	if err != nil {
		t.Fatal(err)
	}
	talk(rec, 3*time.Second)
	if err := rec.Close(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	f, err := r.Open(rec.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	pcm, format, err := audio.ReadWAV(f)
	if err != nil {
		t.Fatal(err)
	}
	if format.Channels != 2 || format.Rate != 8000 || len(pcm) < 2*23000 || len(pcm) > 2*25000 {
		t.Errorf("got %+v with %d samples, want 3 s of stereo", format, len(pcm))
	}
	if pcm[16000] != 1000 || pcm[16001] != 2000 {
		t.Errorf("second 1: got %d, %d, want the caller left and the agent right", pcm[16000], pcm[16001])
	}
	info, err := os.Stat(filepath.Join(r.Dir(), rec.Path()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode: got %v, %v", info.Mode(), err)
	}
}

func TestRepairMakesACrashedRecordingReadable(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	whole, err := r.Create("whole", 8000)
	if err != nil {
		t.Fatal(err)
	}
	talk(whole, 2*time.Second)
	if err := whole.Close(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.Dir(), whole.Path()))
	if err != nil {
		t.Fatal(err)
	}
	// a crash: sound behind a header that does not know of it
	copy(data[4:8], []byte{0, 0, 0, 0})
	copy(data[40:44], []byte{0, 0, 0, 0})
	if err := os.WriteFile(filepath.Join(r.Dir(), "crashed.wav"), data[:len(data)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	path, length, err := r.Repair("crashed")
	if err != nil || path != "crashed.wav" || length < 1900*time.Millisecond {
		t.Errorf("repair: got %q, %s, %v", path, length, err)
	}
	if path, _, err := r.Repair("absent"); path != "" || err != nil {
		t.Errorf("repair of nothing: got %q, %v", path, err)
	}
}

func TestResumeKeepsTheTimeBase(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	before, err := r.Create("call", 8000)
	if err != nil {
		t.Fatal(err)
	}
	talk(before, 2*time.Second)
	if err := before.Close(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(r.Dir(), before.Path())
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data[:len(data)-4*1600-3], 0o600); err != nil { // 200 ms were not written, and a frame was torn
		t.Fatal(err)
	}
	if _, err := r.Resume("call", 16000); err == nil {
		t.Error("a recording goes on at another rate")
	}
	after, err := r.Resume("call", 8000)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, 160)
	for i := range frame {
		frame[i] = 3000
	}
	after.Agent(frame, 5*time.Second)
	if err := after.Close(6 * time.Second); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	pcm, _, err := audio.ReadWAV(f)
	if err != nil || len(pcm) != 2*6*8000 {
		t.Fatalf("%d samples, %v", len(pcm), err)
	}
	for at, want := range map[time.Duration]int16{time.Second: 2000, 1700 * time.Millisecond: 2000, 1900 * time.Millisecond: 0, 4900 * time.Millisecond: 0, 5010 * time.Millisecond: 3000, 5100 * time.Millisecond: 0} {
		if got := pcm[2*audio.Samples(at, 8000)+1]; got != want {
			t.Errorf("the agent at %s: %d, want %d", at, got, want)
		}
	}
	if _, err := r.Resume("absent", 8000); err == nil {
		t.Error("nothing goes on")
	}
}

func TestOpenRefusesPathsOutside(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	for _, path := range []string{"", "../lock", "/etc/passwd", ".hidden", "a/b.wav", "absent.wav"} {
		f, err := r.Open(path)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): got %v, want not exist", path, err)
		}
		if f != nil {
			_, _ = io.Copy(io.Discard, f)
			_ = f.Close()
		}
	}
}

func TestSecondRecordingOfACallIsRefused(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	rec, err := r.Create("twice", 8000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create("twice", 8000); err == nil {
		t.Error("a second recorder for the same call was made")
	}
	if err := rec.Close(0); err != nil {
		t.Fatal(err)
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRecordings(t)
	rec, err := r.Create("call-1", 8000)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(rec.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the recording is still there: %v", err)
	}
	if _, err := r.Create("call-1", 8000); err != nil {
		t.Errorf("the name cannot be used again: %v", err)
	}
}
