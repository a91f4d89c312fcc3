package ladder

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/sidetone/sidetone"
)

// Capture is the capture file of a call: its signalling and, where they were kept, the
// packets of its sound. The caller closes it.
type Capture struct {
	messages []sidetone.SignalMessage
	tape     *os.File // nil without sound
	records  int64    // bytes of whole records on it
	size     int64
}

// Capture opens the capture file of a call, with the packets of its sound if they are
// asked for and were kept; fs.ErrNotExist when there is nothing.
func (b *Book) Capture(callID string, sound bool) (*Capture, error) {
	l, err := b.Ladder(callID)
	if err != nil && (!sound || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	c := &Capture{messages: l.Messages}
	if sound {
		if c.tape, c.records, err = openTape(b.tapePath(callID), err != nil); err != nil {
			return nil, err
		}
	}
	c.size = pcapHead + c.records
	var one []byte
	for _, m := range c.messages {
		one = appendMessage(one[:0], m)
		c.size += int64(len(one))
	}
	return c, nil
}

// openTape opens the packets of a call, whose last record a crash may have cut. Without
// any it is nil, and an error if there must be some.
func openTape(path string, must bool) (*os.File, int64, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("open the packets of a call: %w", err)
	}
	whole, err := wholeRecords(f)
	if err == nil {
		_, err = f.Seek(pcapHead, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the packets of a call: %w", errors.Join(err, f.Close()))
	}
	return f, whole, nil
}

// wholeRecords is how many bytes of a file, behind its head, are whole records.
func wholeRecords(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	r := bufio.NewReader(io.NewSectionReader(f, pcapHead, info.Size()))
	var head [recordHead]byte
	for whole := int64(0); ; {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return whole, ignoreEnd(err)
		}
		length := int(binary.LittleEndian.Uint32(head[8:]))
		if _, err := r.Discard(length); err != nil {
			return whole, ignoreEnd(err)
		}
		whole += recordHead + int64(length)
	}
}

// ignoreEnd is an error other than the end of a file.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// Size is the length of the file in bytes.
func (c *Capture) Size() int64 { return c.size }

// WriteTo writes the file, messages and packets in the order of time.
func (c *Capture) WriteTo(w io.Writer) (int64, error) {
	out := &counter{w: w}
	if _, err := out.Write(appendPCAP(nil)); err != nil {
		return out.n, err
	}
	var record []byte
	before := func(at time.Time) error { // writes the messages before a time
		for len(c.messages) > 0 && (at.IsZero() || c.messages[0].At.Before(at)) {
			record = appendMessage(record[:0], c.messages[0])
			c.messages = c.messages[1:]
			if _, err := out.Write(record); err != nil {
				return err
			}
		}
		return nil
	}
	if c.tape == nil {
		return out.n, before(time.Time{})
	}
	var packet []byte
	for r := bufio.NewReader(io.LimitReader(c.tape, c.records)); ; {
		packet = slices.Grow(packet[:0], recordHead)[:recordHead]
		if _, err := io.ReadFull(r, packet); errors.Is(err, io.EOF) {
			return out.n, before(time.Time{})
		} else if err != nil {
			return out.n, fmt.Errorf("read packets: %w", reason(err))
		}
		at := time.Unix(int64(binary.LittleEndian.Uint32(packet)), int64(binary.LittleEndian.Uint32(packet[4:]))*1000)
		length := int(binary.LittleEndian.Uint32(packet[8:]))
		packet = slices.Grow(packet, length)[:recordHead+length]
		if _, err := io.ReadFull(r, packet[recordHead:]); err != nil {
			return out.n, fmt.Errorf("read packets: %w", reason(err))
		}
		if err := before(at); err != nil {
			return out.n, err
		}
		if _, err := out.Write(packet); err != nil {
			return out.n, err
		}
	}
}

// Close implements io.Closer.
func (c *Capture) Close() error {
	if c.tape == nil {
		return nil
	}
	return c.tape.Close()
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
