package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	// wavHeaderSize is the length of the header that WAVWriter writes.
	wavHeaderSize = 44
	// wavFlushBytes is how much sound a WAVWriter gathers before it writes:
	// under 2.5 s of any telephone sound, 16 kHz stereo is the largest.
	wavFlushBytes = 16 << 10
	// wavMaxFormat bounds the format chunk; real ones have 16 to 40 bytes.
	wavMaxFormat = 1 << 10
)

// WAVError says why a file cannot be read as WAV.
type WAVError string

// Error returns the reason.
func (e WAVError) Error() string { return "wav: " + string(e) }

const (
	// ErrNotWAV is returned for data that is no RIFF/WAVE file or ends before
	// its sound begins.
	ErrNotWAV WAVError = "not a WAV file"
	// ErrWAVFormat is returned for sound other than 16-bit PCM with one or two
	// channels at 1000 to 384000 samples a second.
	ErrWAVFormat WAVError = "not 16-bit PCM, mono or stereo"
)

// WAVFormat describes the sound in a file of 16-bit PCM.
type WAVFormat struct {
	// Rate is the number of samples a second in each channel.
	Rate int
	// Channels is 1 or 2.
	Channels int
}

// validate returns ErrWAVFormat unless f can be read and written.
func (f WAVFormat) validate() error {
	if f.Rate < 1000 || f.Rate > 384000 || f.Channels < 1 || f.Channels > 2 {
		return fmt.Errorf("%d channels at %d: %w", f.Channels, f.Rate, ErrWAVFormat)
	}
	return nil
}

// header appends a header for size bytes of sound to dst.
func (f WAVFormat) header(dst []byte, size int64) []byte {
	le := binary.LittleEndian
	// Sizes are 32 bits; a longer file keeps the largest, which readers take
	// for "to the end of the file".
	data := uint32(min(size, math.MaxUint32-wavHeaderSize))
	dst = append(dst, "RIFF"...)
	dst = le.AppendUint32(dst, data+wavHeaderSize-8)
	dst = append(dst, "WAVEfmt "...)
	dst = le.AppendUint32(dst, 16)
	dst = le.AppendUint16(dst, 1)
	dst = le.AppendUint16(dst, uint16(f.Channels))
	dst = le.AppendUint32(dst, uint32(f.Rate))
	dst = le.AppendUint32(dst, uint32(f.Rate*f.Channels*2))
	dst = le.AppendUint16(dst, uint16(f.Channels*2))
	dst = le.AppendUint16(dst, 16)
	dst = append(dst, "data"...)
	return le.AppendUint32(dst, data)
}

// WriteWAV writes a whole file of 16-bit PCM; the samples of stereo sound
// alternate, left first.
func WriteWAV(w io.Writer, f WAVFormat, pcm []int16) error {
	if err := f.validate(); err != nil {
		return fmt.Errorf("write wav: %w", err)
	}
	raw := f.header(make([]byte, 0, wavHeaderSize+2*len(pcm)), int64(2*len(pcm)))
	if _, err := w.Write(appendSamples(raw, pcm)); err != nil {
		return fmt.Errorf("write wav: %w", err)
	}
	return nil
}

// appendSamples appends pcm in little-endian order.
func appendSamples(dst []byte, pcm []int16) []byte {
	for _, s := range pcm {
		dst = append(dst, byte(s), byte(s>>8))
	}
	return dst
}

// WAVWriter writes a file of 16-bit PCM while the sound is made. At every
// flush, at the latest after 2.5 s of sound, sound and header reach the file
// in this order, so that the file is readable whenever the process dies. It
// must not be used concurrently.
type WAVWriter struct {
	w       io.WriterAt
	format  WAVFormat
	pending []byte
	written int64 // bytes of sound in the file
	covered int64 // those that the header in the file covers
	header  []byte
}

// NewWAVWriter begins a file by writing an empty header at offset 0 of w. w is
// usually an *os.File; its owner closes it after Close.
func NewWAVWriter(w io.WriterAt, f WAVFormat) (*WAVWriter, error) {
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("begin wav: %w", err)
	}
	out := &WAVWriter{w: w, format: f}
	return out, out.writeHeader()
}

// ResumeWAV goes on with the file of a WAVWriter that was not closed, behind its last
// whole frame. f is size bytes long. Errors are those of RepairWAV.
func ResumeWAV(f interface {
	io.ReaderAt
	io.WriterAt
}, size int64) (*WAVWriter, error) {
	frames, err := RepairWAV(f, size)
	if err != nil {
		return nil, err
	}
	layout, err := parseWAV(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, fmt.Errorf("resume wav: %w", err)
	}
	written := frames * int64(2*layout.format.Channels)
	return &WAVWriter{w: f, format: layout.format, written: written, covered: written}, nil
}

// Format returns the format of the sound.
func (w *WAVWriter) Format() WAVFormat { return w.format }

// Write takes samples of all channels in turn; stereo takes an even number. It
// touches the file only when its buffer is full. After an error what was
// pending stays so and is tried again by the next Write or Flush; samples
// given to the failing call beyond the buffer are lost.
func (w *WAVWriter) Write(pcm []int16) error {
	if w.pending == nil {
		limit := min(wavFlushBytes, w.format.Rate*w.format.Channels*2*5/2)
		w.pending = make([]byte, 0, limit&^3)
	}
	for len(pcm) > 0 {
		room := (cap(w.pending) - len(w.pending)) / 2
		if room == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
			continue
		}
		n := min(room, len(pcm))
		w.pending = appendSamples(w.pending, pcm[:n])
		pcm = pcm[n:]
	}
	return nil
}

// WriteThrough writes samples of all channels in turn and the header that
// covers them to the file at once, after what is pending. It keeps neither
// slice; raw, which may be nil, is room for the bytes and is returned, grown as
// needed, for the next call. After an error the samples that could not be written
// are lost; Size says where the file ends.
func (w *WAVWriter) WriteThrough(pcm []int16, raw []byte) ([]byte, error) {
	if err := w.Flush(); err != nil {
		return raw, err
	}
	raw = appendSamples(slices.Grow(raw[:0], 2*len(pcm)), pcm)
	n, err := w.w.WriteAt(raw, wavHeaderSize+w.written)
	frame := 2 * w.format.Channels
	w.written += int64(n / frame * frame)
	if err != nil {
		err = fmt.Errorf("write wav: %w", err)
	}
	return raw, errors.Join(err, w.writeHeader())
}

// Flush writes what is pending and the header that covers it.
func (w *WAVWriter) Flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	if _, err := w.w.WriteAt(w.pending, wavHeaderSize+w.written); err != nil {
		return fmt.Errorf("write wav: %w", err)
	}
	w.written += int64(len(w.pending))
	w.pending = w.pending[:0]
	return w.writeHeader()
}

// Frames returns how many samples of each channel were written or are pending.
func (w *WAVWriter) Frames() int64 {
	return (w.written + int64(len(w.pending))) / int64(2*w.format.Channels)
}

// Size returns how long the file is up to the last sample that its header
// covers. After an error the file may be longer: cut to this size it is valid.
func (w *WAVWriter) Size() int64 { return wavHeaderSize + w.covered }

// Close flushes. It does not close the underlying file.
func (w *WAVWriter) Close() error { return w.Flush() }

// writeHeader puts the header for the sound written so far.
func (w *WAVWriter) writeHeader() error {
	w.header = w.format.header(w.header[:0], w.written)
	if _, err := w.w.WriteAt(w.header, 0); err != nil {
		return fmt.Errorf("write wav header: %w", err)
	}
	w.covered = w.written
	return nil
}

// WAVReader reads 16-bit PCM from a WAV file in one pass. It skips chunks it
// does not know, and trusts the end of the data more than the sizes in the
// header, which are zero or too large in files that were being written.
type WAVReader struct {
	r      io.Reader
	format WAVFormat
	left   int64 // bytes of sound left by the header, or MaxInt64
	raw    []byte
}

// NewWAVReader reads r up to the first sample.
func NewWAVReader(r io.Reader) (*WAVReader, error) {
	layout, err := parseWAV(r)
	if err != nil {
		return nil, fmt.Errorf("read wav: %w", err)
	}
	left := int64(layout.size)
	if layout.size == 0 || layout.size >= math.MaxUint32-wavHeaderSize {
		left = math.MaxInt64
	}
	return &WAVReader{r: r, format: layout.format, left: left}, nil
}

// Format returns the file's format.
func (w *WAVReader) Format() WAVFormat { return w.format }

// Read fills pcm with samples, those of all channels in turn, and returns how
// many it read: whole frames of all channels only. At the end of the sound it
// returns 0 and io.EOF. An error other than io.EOF comes with the samples
// before it.
func (w *WAVReader) Read(pcm []int16) (int, error) {
	frame := 2 * w.format.Channels
	want := int(min(int64(2*len(pcm)), w.left)) / frame * frame
	if want == 0 {
		if w.left >= int64(frame) {
			return 0, nil // no room for a frame
		}
		return 0, io.EOF
	}
	if cap(w.raw) < want {
		w.raw = make([]byte, want)
	}
	n, err := io.ReadFull(w.r, w.raw[:want])
	n = n / frame * frame
	w.left -= int64(n)
	for i := range n / 2 {
		pcm[i] = int16(binary.LittleEndian.Uint16(w.raw[2*i:]))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		w.left, err = 0, nil
		if n == 0 {
			err = io.EOF
		}
	}
	return n / 2, err
}

// ReadWAV reads a whole file of 16-bit PCM. The caller bounds the size of r.
func ReadWAV(r io.Reader) ([]int16, WAVFormat, error) {
	w, err := NewWAVReader(r)
	if err != nil {
		return nil, WAVFormat{}, err
	}
	var pcm []int16
	block := make([]int16, 8192)
	for {
		n, err := w.Read(block)
		pcm = append(pcm, block[:n]...)
		if errors.Is(err, io.EOF) {
			return pcm, w.format, nil
		}
		if err != nil {
			return pcm, w.format, fmt.Errorf("read wav: %w", err)
		}
	}
}

// wavLayout is where the sound of a file lies.
type wavLayout struct {
	format WAVFormat
	offset int64  // of the first sample
	size   uint32 // of the sound, as the header says
}

// parseWAV reads up to the first sample.
func parseWAV(r io.Reader) (wavLayout, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return wavLayout{}, notWAV(err)
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return wavLayout{}, ErrNotWAV
	}
	layout := wavLayout{offset: int64(len(head))}
	for {
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return wavLayout{}, notWAV(err)
		}
		size := binary.LittleEndian.Uint32(head[4:])
		layout.offset += 8
		switch string(head[:4]) {
		case "data":
			layout.size = size
			return layout, layout.format.validate()
		case "fmt ":
			format, err := parseWAVFormat(r, size)
			if err != nil {
				return wavLayout{}, err
			}
			layout.format = format
		default:
			if _, err := io.CopyN(io.Discard, r, int64(size)+int64(size&1)); err != nil {
				return wavLayout{}, notWAV(err)
			}
		}
		layout.offset += int64(size) + int64(size&1)
	}
}

// parseWAVFormat reads a format chunk of size bytes.
func parseWAVFormat(r io.Reader, size uint32) (WAVFormat, error) {
	if size < 16 || size > wavMaxFormat {
		return WAVFormat{}, ErrNotWAV
	}
	chunk := make([]byte, size+size&1)
	if _, err := io.ReadFull(r, chunk); err != nil {
		return WAVFormat{}, notWAV(err)
	}
	le := binary.LittleEndian
	tag := le.Uint16(chunk)
	if tag == 0xFFFE && size >= 26 { // extensible: the true tag comes later
		tag = le.Uint16(chunk[24:])
	}
	f := WAVFormat{Rate: int(min(le.Uint32(chunk[4:]), math.MaxInt32)), Channels: int(le.Uint16(chunk[2:]))}
	if tag != 1 || le.Uint16(chunk[14:]) != 16 {
		return WAVFormat{}, fmt.Errorf("format %d with %d bits: %w", tag, le.Uint16(chunk[14:]), ErrWAVFormat)
	}
	return f, f.validate()
}

// notWAV turns an early end of the file into ErrNotWAV and keeps other errors.
func notWAV(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNotWAV
	}
	return err
}

// RepairWAV makes the header of a file that WAVWriter had not closed cover all
// whole frames in it, and returns how many samples of each channel it holds.
// f is size bytes long; an *os.File will do. A file that ends inside the
// header, or was written by something else, is left alone with an error.
func RepairWAV(f interface {
	io.ReaderAt
	io.WriterAt
}, size int64) (int64, error) {
	layout, err := parseWAV(io.NewSectionReader(f, 0, size))
	if err != nil {
		return 0, fmt.Errorf("repair wav: %w", err)
	}
	if layout.offset != wavHeaderSize {
		return 0, fmt.Errorf("repair wav: %d bytes of header: %w", layout.offset, ErrNotWAV)
	}
	frame := int64(2 * layout.format.Channels)
	frames := (size - layout.offset) / frame
	if _, err := f.WriteAt(layout.format.header(nil, frames*frame), 0); err != nil {
		return 0, fmt.Errorf("repair wav: %w", err)
	}
	return frames, nil
}
