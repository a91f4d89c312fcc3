package journals

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/sidetone/sidetone/vault"
)

// dictionary is what journals usually say. Files need it as it was: another one is
// another format.
//
//go:embed dictionary.txt
var dictionary []byte

const (
	// mark is what a file begins with, and format 1 what its chunks are.
	mark     = "sidetone sealed journal 1\n"
	saltSize = 16
	headSize = 7
	// mostChunk bounds a sealed chunk and mostText what is read of a file: more is none
	// that this package wrote.
	mostChunk = 1<<24 - 1
	mostText  = 256 << 20
)

// newSalt is the salt of a file.
func newSalt() []byte {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails
	return salt
}

// packer makes chunks. Each writer has one.
type packer struct {
	plain []byte
	// live is for the chunks of a call that goes on, whole for the one of a call that is
	// over. Both are made when they are needed first; whole holds 800 KiB.
	live, whole *flate.Writer
	packed      bytes.Buffer
}

// pack appends text as chunk n to dst. It is not compressed: that takes 60 µs for 350
// bytes, most of it for clearing tables, and packWhole does it when the call is over.
func (p *packer) pack(dst []byte, c *vault.Chunks, n uint64, text []byte) ([]byte, error) {
	return p.seal(dst, c, n, text, &p.live, flate.NoCompression)
}

// packWhole appends the text of a whole call, compressed, to dst.
func (p *packer) packWhole(dst []byte, c *vault.Chunks, text []byte) ([]byte, error) {
	return p.seal(dst, c, 0, text, &p.whole, flate.DefaultCompression)
}

func (p *packer) seal(dst []byte, c *vault.Chunks, n uint64, text []byte, w **flate.Writer, level int) (_ []byte, err error) {
	p.packed.Reset()
	if *w == nil {
		*w, err = flate.NewWriterDict(&p.packed, level, dictionary)
	} else {
		(*w).Reset(&p.packed)
	}
	if err != nil {
		return dst, err
	}
	if _, err := (*w).Write(text); err != nil {
		return dst, err
	}
	if err := (*w).Close(); err != nil {
		return dst, err
	}
	return seal(dst, c, n, p.packed.Bytes())
}

func seal(dst []byte, c *vault.Chunks, n uint64, packed []byte) ([]byte, error) {
	size := len(packed) + c.Overhead()
	if size > mostChunk {
		return dst, fmt.Errorf("a chunk of %d bytes", size)
	}
	return c.Seal(appendHead(dst, size, n), n, packed), nil
}

// appendHead appends the head of chunk n with size sealed bytes: the size in 3 bytes, and a
// CRC-32 of it and n. A size that changed must not look like the cut end of a file.
func appendHead(b []byte, size int, n uint64) []byte {
	b = append(b, byte(size>>16), byte(size>>8), byte(size))
	sum := crc32.ChecksumIEEE(binary.BigEndian.AppendUint64(slices.Clone(b[len(b)-3:]), n))
	return binary.BigEndian.AppendUint32(b, sum)
}

// errDamaged says that a file is not as it was written.
const errDamaged = Error("the file of the journal is damaged")

// unpack returns the text of a file. One that was cut gives what is whole of it.
func unpack(file []byte, key vault.Key, callID string) ([]byte, error) {
	head := file[:min(len(file), len(mark))]
	if !bytes.HasPrefix([]byte(mark), head) {
		return nil, errDamaged
	}
	rest := file[len(head):]
	if len(rest) < saltSize {
		return nil, nil
	}
	c, err := vault.NewChunks(key, callID, rest[:saltSize])
	if err != nil {
		return nil, err
	}
	rest = rest[saltSize:]
	r := flate.NewReaderDict(nil, dictionary)
	var text, packed []byte
	for n := uint64(0); len(rest) >= headSize; n++ {
		size := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if !bytes.Equal(appendHead(nil, size, n), rest[:headSize]) {
			return nil, fmt.Errorf("chunk %d: %w", n, errDamaged)
		}
		if rest = rest[headSize:]; len(rest) < size {
			break
		}
		if packed, err = c.Open(packed[:0], n, rest[:size]); err != nil {
			return nil, fmt.Errorf("chunk %d: %w: %w", n, errDamaged, err)
		}
		if text, err = inflate(text, packed, r); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", n, err)
		}
		rest = rest[size:]
	}
	return text, nil
}

// inflate appends what r, which is used again for each chunk, makes of packed.
func inflate(dst, packed []byte, r io.ReadCloser) ([]byte, error) {
	if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), dictionary); err != nil {
		return dst, err
	}
	b := bytes.NewBuffer(dst)
	n, err := b.ReadFrom(io.LimitReader(r, int64(mostText-len(dst))+1))
	if err == nil && len(dst)+int(n) > mostText {
		err = fmt.Errorf("a journal of more than %d bytes", mostText)
	}
	return b.Bytes(), err
}

// Error is a constant error of this package.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }
