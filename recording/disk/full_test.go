package disk

import (
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// fullDisk is a file on a disk with room for so many bytes more.
type fullDisk struct {
	*os.File
	room int64
}

func (d *fullDisk) WriteAt(b []byte, at int64) (int, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	grows := max(0, at+int64(len(b))-info.Size())
	if grows <= d.room {
		d.room -= grows
		return d.File.WriteAt(b, at)
	}
	n, err := d.File.WriteAt(b[:int64(len(b))-(grows-d.room)], at)
	if err == nil {
		err = &fs.PathError{Op: "write", Path: d.Name(), Err: syscall.ENOSPC}
	}
	d.room = 0
	return n, err
}

// A recording that met a full disk holds what there was room for, in a file
// whose header and length agree, and the error does not say where it lies.
func TestRecordingOnAFullDiskIsValid(t *testing.T) {
	t.Parallel()
	for _, room := range []int64{44, 45, 1000, 44 + 32000, 44 + 32001, 50_000} {
		dir := t.TempDir()
		r, err := New(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		f, err := os.Create(dir + "/call.wav")
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.record(&fullDisk{f, room}, "call.wav", 8000)
		if err != nil {
			t.Fatal(err)
		}
		pcm := make([]int16, 160)
		for i := range pcm {
			pcm[i] = 1000
		}
		for at := time.Duration(0); at < 4*time.Second; at += audio.FrameDuration {
			rec.Agent(pcm, at)
			if at%time.Second == 0 {
				rec.flush()
			}
		}
		err = rec.Close(4 * time.Second)
		if err == nil || !strings.Contains(err.Error(), "no space left on device") || strings.Contains(err.Error(), dir) {
			t.Errorf("room for %d: close: %v", room, err)
		}
		checkWhole(t, dir+"/call.wav", room)
	}
}

// checkWhole compares the header of a file with its length.
func checkWhole(t *testing.T, path string, room int64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := func(at int) int { return int(raw[at]) | int(raw[at+1])<<8 | int(raw[at+2])<<16 | int(raw[at+3])<<24 }
	if len(raw) < 44 || size(4) != len(raw)-8 || size(40) != len(raw)-44 || (len(raw)-44)%4 != 0 {
		t.Errorf("room for %d: %d bytes, the header says %d and %d", room, len(raw), size(4), size(40))
	}
	if room >= 44+32000 && len(raw) < 44+16000 {
		t.Errorf("room for %d: only %d bytes are left of the recording", room, len(raw))
	}
}
