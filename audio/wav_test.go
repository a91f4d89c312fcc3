package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestWAVRoundTrip(t *testing.T) {
	t.Parallel()
	for _, f := range []WAVFormat{{8000, 1}, {16000, 2}, {22050, 1}} {
		pcm := allSamples()[1000:3000]
		var file bytes.Buffer
		if err := WriteWAV(&file, f, pcm); err != nil {
			t.Fatal(err)
		}
		got, format, err := ReadWAV(iotest.OneByteReader(&file))
		if err != nil || format != f || !slices.Equal(got, pcm) {
			t.Errorf("%+v: got %+v, %d samples, error %v", f, format, len(got), err)
		}
	}
}

func TestWAVIsUnderstoodBySox(t *testing.T) {
	t.Parallel()
	pcm := sineWave(440, 16000, 0.2)
	var file bytes.Buffer
	if err := WriteWAV(&file, WAVFormat{16000, 2}, pcm); err != nil {
		t.Fatal(err)
	}
	raw := runFilter(t, file.Bytes(), "sox", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-L", "-")
	if !slices.Equal(samplesRaw(raw), pcm) {
		t.Error("sox reads other samples")
	}
	// And the other way round, with what sox adds to a header.
	back := runFilter(t, rawSamples(pcm), "sox", "-t", "raw", "-r", "48000", "-c", "2", "-e", "signed", "-b", "16", "-L", "-", "--comment", "a comment", "-t", "wav", "-")
	got, format, err := ReadWAV(bytes.NewReader(back))
	if err != nil || format != (WAVFormat{48000, 2}) || !slices.Equal(got, pcm) {
		t.Errorf("from sox: %+v, %d samples, error %v", format, len(got), err)
	}
}

func TestWAVReaderTolerance(t *testing.T) {
	t.Parallel()
	chunk := func(id string, data ...byte) string {
		return id + string(binary.LittleEndian.AppendUint32(nil, uint32(len(data)))) + string(data)
	}
	mono := chunk("fmt ", 1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0)
	extensible := chunk("fmt ", 0xfe, 0xff, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0,
		22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71)
	floats := chunk("fmt ", 3, 0, 1, 0, 0x40, 0x1f, 0, 0, 0, 0x7d, 0, 0, 4, 0, 32, 0)
	three := chunk("fmt ", 1, 0, 3, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 6, 0, 16, 0)
	const riff = "RIFF\x00\x00\x00\x00WAVE"
	for _, test := range []struct {
		name, file string
		want       []int16
		err        error
	}{
		{"plain", riff + mono + chunk("data", 1, 0, 2, 0), []int16{1, 2}, nil},
		{"odd chunk with its padding", riff + chunk("LIST", 'a', 'b', 'c') + "\x00" + mono + chunk("data", 1, 0), []int16{1}, nil},
		{"extensible", riff + extensible + chunk("data", 3, 0), []int16{3}, nil},
		{"chunk after the sound", riff + mono + chunk("data", 1, 0) + chunk("LIST", 9, 9), []int16{1}, nil},
		{"size zero means to the end", riff + mono + "data\x00\x00\x00\x00\x05\x00\x06\x00", []int16{5, 6}, nil},
		{"size unknown", riff + mono + "data\xff\xff\xff\xff\x05\x00\x06\x00\x07", []int16{5, 6}, nil},
		{"cut", riff + mono + "data\x08\x00\x00\x00\x05\x00\x06\x00\x07", []int16{5, 6}, nil},
		{"empty", "", nil, ErrNotWAV},
		{"text", strings.Repeat("hello world ", 9), nil, ErrNotWAV},
		{"no sound", riff + mono, nil, ErrNotWAV},
		{"no format", riff + chunk("data", 1, 0), nil, ErrWAVFormat},
		{"floats", riff + floats + chunk("data", 1, 0), nil, ErrWAVFormat},
		{"three channels", riff + three + chunk("data", 1, 0), nil, ErrWAVFormat},
		{"giant format", riff + "fmt \xff\xff\xff\x7f", nil, ErrNotWAV},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := ReadWAV(strings.NewReader(test.file))
			if !errors.Is(err, test.err) || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v; want %v, %v", got, err, test.want, test.err)
			}
		})
	}
	broken := errors.New("broken")
	if _, _, err := ReadWAV(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a reader's error comes out as %v", err)
	}
}

func TestWAVReaderReadsWholeFrames(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := WriteWAV(&file, WAVFormat{8000, 2}, []int16{1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	r, err := NewWAVReader(&file)
	if err != nil || r.Format() != (WAVFormat{8000, 2}) {
		t.Fatalf("format %+v, error %v", r.Format(), err)
	}
	pcm := make([]int16, 3)
	for i, step := range []struct {
		room, n int
		err     error
	}{{0, 0, nil}, {1, 0, nil}, {3, 2, nil}, {3, 2, nil}, {3, 0, io.EOF}, {0, 0, io.EOF}} {
		if n, err := r.Read(pcm[:step.room]); n != step.n || !errors.Is(err, step.err) {
			t.Errorf("read %d: %d samples, %v; want %d, %v", i, n, err, step.n, step.err)
		}
	}
}

func TestWAVWriterSurvivesACrash(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "call.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := NewWAVWriter(file, WAVFormat{8000, 2})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]int16, 320)
	for n := range 500 { // 10 s; at every moment at most 2.5 s are missing
		for i := range frame {
			frame[i] = int16(n)
		}
		if err := w.Write(frame); err != nil {
			t.Fatal(err)
		}
		got, _, err := ReadWAV(io.NewSectionReader(file, 0, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		if missing := int(w.Frames()) - len(got)/2; missing > 8000*5/2 {
			t.Fatalf("after %d frames %d samples are only in memory", n, missing)
		}
		for i := range got {
			if got[i] != int16(i/320) {
				t.Fatalf("sample %d is %d", i, got[i])
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := ReadWAV(io.NewSectionReader(file, 0, 1<<30)); len(got) != 500*320 {
		t.Errorf("%d samples after Close, want %d", len(got), 500*320)
	}
}

func TestRepairWAV(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "call.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := NewWAVWriter(file, WAVFormat{8000, 2}); err != nil {
		t.Fatal(err)
	}
	// The process died between the sound and its header, inside a frame.
	if _, err := file.WriteAt(make([]byte, 4003), 44); err != nil {
		t.Fatal(err)
	}
	frames, err := RepairWAV(file, 44+4003)
	if err != nil || frames != 1000 {
		t.Errorf("repaired %d frames, error %v; want 1000", frames, err)
	}
	raw := make([]byte, 44)
	if _, err := file.ReadAt(raw, 0); err != nil || binary.LittleEndian.Uint32(raw[40:]) != 4000 || binary.LittleEndian.Uint32(raw[4:]) != 4036 {
		t.Errorf("header % x, error %v", raw, err)
	}
	if _, err := RepairWAV(file, 20); !errors.Is(err, ErrNotWAV) {
		t.Errorf("a cut header: %v", err)
	}
}

// faultyFile refuses writes while full.
type faultyFile struct {
	bytes []byte
	full  bool
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	if f.full {
		return 0, io.ErrShortWrite
	}
	f.bytes = append(f.bytes, make([]byte, max(0, int(at)+len(p)-len(f.bytes)))...)
	return copy(f.bytes[at:], p), nil
}

func TestWAVWriterTriesAgain(t *testing.T) {
	t.Parallel()
	file := &faultyFile{}
	w, err := NewWAVWriter(file, WAVFormat{8000, 1})
	if err != nil {
		t.Fatal(err)
	}
	file.full = true
	if err := w.Write([]int16{1, 2, 3}); err != nil {
		t.Fatalf("a small write reached the file: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("flush to a full disk: %v", err)
	}
	file.full = false
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := ReadWAV(bytes.NewReader(file.bytes)); err != nil || !slices.Equal(got, []int16{1, 2, 3}) {
		t.Errorf("read %v, %v", got, err)
	}
	if _, err := NewWAVWriter(file, WAVFormat{8000, 3}); !errors.Is(err, ErrWAVFormat) {
		t.Errorf("three channels: %v", err)
	}
}

func FuzzReadWAV(f *testing.F) {
	var file bytes.Buffer
	if err := WriteWAV(&file, WAVFormat{8000, 2}, []int16{1, 2, 3, 4}); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:45])
	f.Add([]byte("RIFF....WAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pcm, format, err := ReadWAV(bytes.NewReader(data))
		if err != nil {
			return
		}
		if format.validate() != nil || len(pcm)%format.Channels != 0 || 2*len(pcm) > len(data) {
			t.Fatalf("%d samples of %+v from %d bytes", len(pcm), format, len(data))
		}
	})
}

func TestWAVWriterWritesThroughAfterWhatIsPending(t *testing.T) {
	t.Parallel()
	file := &faultyFile{}
	w, err := NewWAVWriter(file, WAVFormat{8000, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([]int16{1, 2}); err != nil {
		t.Fatal(err)
	}
	raw, err := w.WriteThrough([]int16{3, 4, 5}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteThrough([]int16{6}, raw); err != nil {
		t.Fatal(err)
	}
	if got, _, err := ReadWAV(bytes.NewReader(file.bytes)); err != nil || !slices.Equal(got, []int16{1, 2, 3, 4, 5, 6}) {
		t.Errorf("read %v, %v", got, err)
	}
	file.full = true
	if _, err := w.WriteThrough([]int16{7}, raw); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("write through to a full disk: %v", err)
	}
}
