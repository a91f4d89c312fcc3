// Package disk keeps recordings as stereo WAV files in a directory: the caller
// on the left, the agent on the right.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
)

const (
	// flushEvery is how often what was recorded is given to the file: what a crash
	// can lose at most.
	flushEvery = 250 * time.Millisecond
	// flushRoom is how much sound a recorder has room for between two flushes: a flush
	// may be late, and sound comes in blocks. With more the buffer grows until the next
	// one.
	flushRoom = flushEvery + 134*time.Millisecond
)

// Recordings keeps files below one directory and writes them on one goroutine,
// so that no call waits for the disk. Use New.
type Recordings struct {
	dir string
	log *slog.Logger

	mu   sync.Mutex
	open map[*Recorder]struct{}
	stop chan struct{}
	wg   sync.WaitGroup

	lending sync.Mutex // guards spare
	spare   buffers
}

// buffers is what writing one recorder's sound takes. All recorders share one
// set, as one is written at a time.
type buffers struct {
	pcm []int16 // what the recorder hands over
	raw []byte  // the same as bytes
}

// file is what a recorder writes to: an *os.File.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Close() error
	Name() string
}

// reason is why a file operation failed, without the path of the file: the
// text reaches the call's record, where the server's directories are nobody's
// business.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// New returns the recordings in dir, which is made when absent.
func New(dir string, log *slog.Logger) (*Recordings, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make recording directory: %w", err)
	}
	r := &Recordings{dir: dir, log: log, open: map[*Recorder]struct{}{}, stop: make(chan struct{})}
	r.wg.Go(r.run)
	return r, nil
}

// run writes what the recorders hold until Close.
func (r *Recordings) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		for _, rec := range r.recorders() {
			rec.flush()
		}
	}
}

func (r *Recordings) recorders() []*Recorder {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Recorder, 0, len(r.open))
	for rec := range r.open {
		all = append(all, rec)
	}
	return all
}

// lend returns empty buffers: those used last, or none.
func (r *Recordings) lend() buffers {
	r.lending.Lock()
	defer r.lending.Unlock()
	lent := r.spare
	r.spare = buffers{}
	return lent
}

// giveBack takes buffers whose content was written.
func (r *Recordings) giveBack(b buffers) {
	const most = 1 << 16 // one that grew while the disk hung is not kept
	r.lending.Lock()
	defer r.lending.Unlock()
	if cap(b.pcm) <= most {
		r.spare = b
	}
}

// Close ends the writer; recorders that are still open stay as they are on
// disk, readable up to their last flush.
func (r *Recordings) Close() error {
	close(r.stop)
	r.wg.Wait()
	return nil
}

// name is the file of a call.
func name(callID string) string { return callID + ".wav" }

// Create starts the recording of a call at rate samples a second.
func (r *Recordings) Create(callID string, rate int) (*Recorder, error) {
	f, err := os.OpenFile(filepath.Join(r.dir, name(callID)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", reason(err))
	}
	rec, err := r.record(f, name(callID), rate)
	if err != nil {
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			r.log.Warn("remove a recording that did not begin", slog.Any("error", err))
		}
		return nil, fmt.Errorf("create recording: %w", reason(err))
	}
	return rec, nil
}

// record begins a recording in an empty file.
func (r *Recordings) record(f file, path string, rate int) (*Recorder, error) {
	wav, err := audio.NewWAVWriter(f, audio.WAVFormat{Rate: rate, Channels: 2})
	if err != nil {
		return nil, err
	}
	return r.begin(&Recorder{owner: r, file: f, wav: wav, path: path})
}

// begin starts the recorder of a file.
func (r *Recordings) begin(rec *Recorder) (_ *Recorder, err error) {
	rate := rec.wav.Format().Rate
	if rec.stereo, err = audio.NewStereo(rate, (*blocks)(rec)); err != nil {
		return nil, err
	}
	rec.room = 2 * int(audio.Samples(flushRoom, rate))
	rec.pending = make([]int16, 0, rec.room)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[rec] = struct{}{}
	return rec, nil
}

// Resume goes on with the recording of a call whose process died, on the same time base:
// what was missed is silent. rate must be the recording's.
func (r *Recordings) Resume(callID string, rate int) (*Recorder, error) {
	f, err := os.OpenFile(filepath.Join(r.dir, name(callID)), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("go on with a recording: %w", reason(err))
	}
	rec, err := r.resume(f, name(callID), rate)
	if err != nil {
		return nil, fmt.Errorf("go on with a recording: %w", reason(errors.Join(err, f.Close())))
	}
	return rec, nil
}

func (r *Recordings) resume(f *os.File, path string, rate int) (*Recorder, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	wav, err := audio.ResumeWAV(f, info.Size())
	if err != nil {
		return nil, err
	}
	if was := wav.Format().Rate; was != rate {
		return nil, fmt.Errorf("it has %d samples a second, and the line now %d", was, rate)
	}
	if err := f.Truncate(wav.Size()); err != nil {
		return nil, err
	}
	return r.begin(&Recorder{owner: r, file: f, wav: wav, path: path, begins: audio.Span(wav.Frames(), rate)})
}

// Open opens a recording; the caller closes it. A missing one is an fs.ErrNotExist.
func (r *Recordings) Open(path string) (io.ReadSeekCloser, error) {
	if path == "" || path != filepath.Base(path) || strings.HasPrefix(path, ".") {
		return nil, fmt.Errorf("open recording %q: %w", path, os.ErrNotExist)
	}
	f, err := os.Open(filepath.Join(r.dir, path))
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return f, nil
}

// Dir returns the directory.
func (r *Recordings) Dir() string { return r.dir }

// Repair makes the recording that a crash left open readable and returns its
// path and length; "" when there is none.
func (r *Recordings) Repair(callID string) (path string, length time.Duration, err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, name(callID)), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("repair recording: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", 0, fmt.Errorf("repair recording: %w", err)
	}
	frames, err := audio.RepairWAV(f, info.Size())
	if err != nil {
		return "", 0, fmt.Errorf("repair recording: %w", err)
	}
	wav, err := audio.NewWAVReader(f)
	if err != nil {
		return "", 0, fmt.Errorf("repair recording: %w", err)
	}
	return name(callID), audio.Span(frames, wav.Format().Rate), nil
}

// bufferLimit bounds what a recorder holds while the disk does not take it:
// half a minute at 16 kHz. More is dropped and counted.
const bufferLimit = 30 * 16000 * 2

// Recorder records one call. Caller and Agent only copy into memory; the
// owner's goroutine writes.
type Recorder struct {
	owner *Recordings
	file  file
	path  string
	// begins is the time of the recording at which this recorder begins, which is not
	// zero when it goes on with another one's.
	begins time.Duration

	mu      sync.Mutex // guards stereo and pending
	stereo  *audio.Stereo
	pending []int16 // of both channels
	room    int     // the usual capacity of pending
	dropped int64

	writing sync.Mutex // guards wav and err
	wav     *audio.WAVWriter
	err     error
}

// blocks takes what the stereo recorder completed into pending; the caller
// holds mu.
type blocks Recorder

// Write implements audio.SampleWriter.
func (b *blocks) Write(pcm []int16) error {
	if len(b.pending)+len(pcm) > bufferLimit {
		b.dropped += int64(len(pcm))
		return nil
	}
	b.pending = append(b.pending, pcm...)
	return nil
}

// Caller adds a received frame that arrived at the given time.
func (r *Recorder) Caller(f audio.Frame, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stereo.WriteCaller(f, at-r.begins)
}

// Expect says, before anything is added, that received frames of the first d, at most 2 s,
// are added later than others of their time.
func (r *Recorder) Expect(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stereo.Expect(d)
}

// Agent adds what was sent in the slot that begins at the given time.
func (r *Recorder) Agent(pcm []int16, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stereo.WriteAgent(pcm, at-r.begins)
}

// Path names the recording for Open.
func (r *Recorder) Path() string { return r.path }

// flush writes what is pending; the first error is kept for Close and reported
// once. It ends the recording with the last sample that was written whole.
func (r *Recorder) flush() {
	r.writing.Lock()
	defer r.writing.Unlock()
	used := r.owner.lend()
	defer func() { r.owner.giveBack(used) }()
	used.pcm = r.take(used.pcm[:0])
	if r.wav == nil || r.err != nil || len(used.pcm) == 0 {
		return
	}
	var err error
	used.raw, err = r.wav.WriteThrough(used.pcm, used.raw)
	if err != nil {
		r.err = fmt.Errorf("write recording: %w", reason(errors.Join(err, r.file.Truncate(r.wav.Size()))))
		r.owner.log.Error("recording stopped, the call goes on", slog.String("file", r.path), slog.Any("error", err))
	}
}

// take empties what is pending into dst.
func (r *Recorder) take(dst []int16) []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	dst = append(dst, r.pending...)
	if r.pending = r.pending[:0]; cap(r.pending) > r.room {
		r.pending = make([]int16, 0, r.room) // it grew while the disk was slow
	}
	return dst
}

// Discard closes and removes the file.
func (r *Recorder) Discard() error {
	r.owner.mu.Lock()
	delete(r.owner.open, r)
	r.owner.mu.Unlock()
	r.writing.Lock()
	defer r.writing.Unlock()
	r.wav = nil
	err := r.file.Close()
	return errors.Join(err, os.Remove(r.file.Name()))
}

// Close completes the file up to end and returns the first error of the
// recording.
func (r *Recorder) Close(end time.Duration) error {
	r.owner.mu.Lock()
	delete(r.owner.open, r)
	r.owner.mu.Unlock()
	r.mu.Lock()
	err := r.stereo.Close(end - r.begins)
	r.mu.Unlock()
	r.flush()
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.dropped > 0 && r.err == nil {
		r.err = fmt.Errorf("the disk was too slow: %d samples are missing", r.dropped)
	}
	r.wav = nil
	if closed := r.file.Close(); closed != nil && r.err == nil {
		r.err = fmt.Errorf("close recording: %w", reason(closed))
	}
	return errors.Join(r.err, err)
}
