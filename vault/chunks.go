package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

const chunkMark = "c1"

// Chunks seals the chunks of one file, which are numbered from 0, with a key of the
// file's own. A chunk opens in the file and at the number that it was sealed for and
// nowhere else. It is safe for concurrent use.
type Chunks struct {
	aead cipher.AEAD
	name string
}

// NewChunks returns the cipher of the file that name and salt tell from all others
// that have keys of k. The nonce of a chunk is its number: seal each number once, or
// take another salt.
func NewChunks(k Key, name string, salt []byte) (*Chunks, error) {
	key, err := hkdf.Key(sha256.New, k[:], salt, string(authenticated(chunkMark, name)), len(k))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &Chunks{aead: aead, name: name}, err
}

// Overhead is by how many bytes a sealed chunk is longer than its text.
func (c *Chunks) Overhead() int { return c.aead.Overhead() }

// Seal appends the sealed text of chunk n to dst.
func (c *Chunks) Seal(dst []byte, n uint64, text []byte) []byte {
	return c.aead.Seal(dst, c.nonce(n), text, c.bound(n))
}

// Open appends the text of the sealed chunk n to dst; ErrRefused when it was changed, moved
// or sealed with another key.
func (c *Chunks) Open(dst []byte, n uint64, sealed []byte) ([]byte, error) {
	out, err := c.aead.Open(dst, c.nonce(n), sealed, c.bound(n))
	if err != nil {
		return dst, ErrRefused
	}
	return out, nil
}

func (c *Chunks) nonce(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, c.aead.NonceSize()-8, c.aead.NonceSize()), n)
}

func (c *Chunks) bound(n uint64) []byte {
	return authenticated(chunkMark, c.name, strconv.FormatUint(n, 10))
}
