package sidetone

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// IDs makes UUIDv7 ids ([RFC 9562] section 5.7) that grow even within one
// millisecond. The zero value is not ready: use NewIDs. Safe for concurrent
// use.
//
// [RFC 9562]: https://www.rfc-editor.org/rfc/rfc9562
type IDs struct {
	now func() time.Time

	mu   sync.Mutex
	last uint64 // 48 bits of milliseconds, 12 bits of counter
}

// NewIDs returns a source of ids that takes the time from now.
func NewIDs(now func() time.Time) *IDs { return &IDs{now: now} }

// New returns the next id in the canonical text form.
func (s *IDs) New() string {
	s.mu.Lock()
	tick := uint64(s.now().UnixMilli()) << 12
	if tick <= s.last {
		tick = s.last + 1
	}
	s.last = tick
	s.mu.Unlock()
	var b [16]byte
	_, _ = rand.Read(b[8:]) // crypto/rand.Read never fails
	binary.BigEndian.PutUint64(b[:8], tick>>12<<16|0x7000|tick&0xfff)
	b[8] = b[8]&0x3f | 0x80
	return format(b)
}

func format(b [16]byte) string {
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}
