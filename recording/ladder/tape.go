package ladder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// mostWaiting bounds the packets, in bytes, that wait for the disk: those of 500 ms
	// are 24 KiB when both sides send every 10 ms. usuallyWaiting is made beforehand.
	mostWaiting, usuallyWaiting = 256 << 10, 32 << 10
	// mostTape bounds the file of a call: 25 minutes of G.711 in packets of 20 ms.
	mostTape = 32 << 20
	// waitingHead is the length of what stands before a waiting packet: its time, its
	// direction, two ends and its length.
	waitingHead = 8 + 1 + 2*endSize + 2
	endSize     = 16 + 2
)

// Tape keeps the packets of a call's sound. It is a telephony.PacketSink: packets are
// only copied into memory, and the Book writes them. Use Book.Record.
type Tape struct {
	book *Book
	path string

	mu      sync.Mutex // guards what follows
	waiting []byte
	dropped int // packets
	closed  bool

	writing sync.Mutex // guards what follows
	file    *os.File
	spare   []byte // takes the place of waiting
	records []byte // reused
	size    int
	err     error
}

// Record begins to keep the packets of a call in a file of its own.
func (b *Book) Record(callID string) (*Tape, error) {
	path := b.tapePath(callID)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep packets: %w", reason(err))
	}
	if _, err := f.Write(appendPCAP(nil)); err != nil {
		return nil, fmt.Errorf("keep packets: %w", reason(errors.Join(err, f.Close(), os.Remove(path))))
	}
	return b.newTape(f, path, pcapHead), nil
}

// Resume goes on with the packets of a call whose process died, behind the last whole one.
func (b *Book) Resume(callID string) (*Tape, error) {
	path := b.tapePath(callID)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("go on with packets: %w", reason(err))
	}
	whole, err := wholeRecords(f)
	if err == nil {
		err = f.Truncate(pcapHead + whole)
	}
	if err != nil {
		return nil, fmt.Errorf("go on with packets: %w", reason(errors.Join(err, f.Close())))
	}
	return b.newTape(f, path, pcapHead+int(whole)), nil
}

func (b *Book) newTape(f *os.File, path string, size int) *Tape {
	t := &Tape{book: b, path: path, file: f, size: size, waiting: make([]byte, 0, usuallyWaiting), spare: make([]byte, 0, usuallyWaiting)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tapes[t] = struct{}{}
	return t
}

func (b *Book) tapePath(callID string) string { return filepath.Join(b.c.Dir, callID+".rtp.pcap") }

// reason is why a file operation failed, without the path of the file.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Packet implements telephony.PacketSink.
func (t *Tape) Packet(p telephony.Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if len(t.waiting)+waitingHead+len(p.Raw) > mostWaiting || len(p.Raw) > pcapMost {
		t.dropped++
		return
	}
	b := binary.LittleEndian.AppendUint64(t.waiting, uint64(p.At.UnixNano()))
	sent := byte(0)
	if p.Sent {
		sent = 1
	}
	b = appendEnd(appendEnd(append(b, sent), p.Local), p.Remote)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p.Raw)))
	t.waiting = append(b, p.Raw...)
}

func appendEnd(b []byte, end netip.AddrPort) []byte {
	a := plainEnd(end).Addr().As16()
	return binary.LittleEndian.AppendUint16(append(b, a[:]...), end.Port())
}

func readEnd(b []byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.LittleEndian.Uint16(b[16:]))
}

// flush writes what waits.
func (t *Tape) flush() {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	waiting := t.waiting
	t.waiting = t.spare[:0]
	t.mu.Unlock()
	t.spare = waiting
	if t.file == nil || t.err != nil || len(waiting) == 0 {
		return
	}
	records, left := appendWaiting(t.records[:0], waiting, mostTape-t.size)
	t.records = records
	if _, err := t.file.Write(records); err != nil {
		t.err = fmt.Errorf("write packets: %w", reason(errors.Join(err, t.file.Truncate(int64(t.size)))))
		t.book.c.Log.Error("packets are kept no longer, the call goes on", slog.String("file", filepath.Base(t.path)), slog.Any("error", t.err))
		return
	}
	t.size += len(records)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped += left
}

// appendWaiting makes records of the packets that wait, up to limit bytes in all, and
// counts those that are left out.
func appendWaiting(b, waiting []byte, limit int) (records []byte, left int) {
	for len(waiting) > 0 {
		at := time.Unix(0, int64(binary.LittleEndian.Uint64(waiting)))
		from, to := readEnd(waiting[9:]), readEnd(waiting[9+endSize:])
		if waiting[8] == 0 {
			from, to = to, from
		}
		end := waitingHead + int(binary.LittleEndian.Uint16(waiting[waitingHead-2:]))
		if left > 0 || len(b)+recordHead+ipHead+udpHead+end-waitingHead > limit {
			left++
		} else {
			b = appendRecord(b, at, from, to, waiting[waitingHead:end])
		}
		waiting = waiting[end:]
	}
	return b, left
}

// Close completes the file. An error says that packets are missing.
func (t *Tape) Close() error {
	t.end()
	t.flush()
	t.writing.Lock()
	defer t.writing.Unlock()
	err := errors.Join(t.err, reason(t.file.Close()))
	t.file = nil
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped > 0 && err == nil {
		err = fmt.Errorf("%d packets are missing: there were more than %d MiB, or the disk was too slow", t.dropped, mostTape>>20)
	}
	return err
}

// Discard closes and removes the file.
func (t *Tape) Discard() error {
	t.end()
	t.writing.Lock()
	defer t.writing.Unlock()
	err := errors.Join(reason(t.file.Close()), reason(os.Remove(t.path)))
	t.file = nil
	return err
}

// end takes no more packets.
func (t *Tape) end() {
	t.book.mu.Lock()
	delete(t.book.tapes, t)
	t.book.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}
