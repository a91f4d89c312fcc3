package journals

import (
	"encoding/binary"
	"math/bits"
)

// deflater compresses small texts into DEFLATE (RFC 1951) with the dictionary and the
// fixed codes of its section 3.2.6. compress/flate takes 60 µs for a text of 350 bytes,
// most of it for clearing tables and making codes; this takes 2, and its output is not
// larger, because codes made for a small text cost more than they save. It is read with
// flate.NewReaderDict.
type deflater struct {
	table, fresh [tableSize]int32 // where four bytes stood last; fresh is that of the dictionary
	window       []byte           // dictionary and text
	out          []byte
	acc          uint64 // bits that are no whole byte yet
	n            uint
}

const (
	tableBits   = 12
	tableSize   = 1 << tableBits
	hashBytes   = 4
	longest     = 258
	farthest    = 32768
	lengthBase  = 257
	endOfBlock  = 256
	firstCodes  = 144 // literals below have 8 bits, the others 9
	lengthShort = 280 // length codes below have 7 bits, the others 8
)

func newDeflater() *deflater {
	d := &deflater{window: append([]byte(nil), dictionary...)}
	for i := range d.fresh {
		d.fresh[i] = -1
	}
	for i := 0; i+hashBytes <= len(dictionary); i++ {
		d.fresh[hash(dictionary[i:])] = int32(i)
	}
	return d
}

func hash(b []byte) uint32 {
	return binary.LittleEndian.Uint32(b) * 2654435761 >> (32 - tableBits)
}

// compress returns text compressed; the slice is valid until the next call.
func (d *deflater) compress(text []byte) []byte {
	d.table = d.fresh
	d.window = append(d.window[:len(dictionary)], text...)
	d.out, d.acc, d.n = d.out[:0], 0, 0
	d.put(0b011, 3) // the last block, with fixed codes
	w := d.window
	for i := len(dictionary); i < len(w); {
		from, length := d.match(i)
		if length == 0 {
			d.literal(w[i])
			i++
			continue
		}
		d.copyOf(length, i-from)
		for end := i + length; i < end; i++ {
			d.remember(i)
		}
	}
	d.symbol(endOfBlock)
	d.put(0, (8-d.n%8)%8)
	if cap(d.window) > 2*mostPending {
		d.window = append([]byte(nil), dictionary...)
	}
	return d.out
}

// remember notes where the four bytes at i stand.
func (d *deflater) remember(i int) {
	if i+hashBytes <= len(d.window) {
		d.table[hash(d.window[i:])] = int32(i)
	}
}

// match returns what stands before i as at i; length 0 means nothing.
func (d *deflater) match(i int) (from, length int) {
	w := d.window
	if i+hashBytes > len(w) {
		return 0, 0
	}
	h := hash(w[i:])
	from = int(d.table[h])
	d.table[h] = int32(i)
	if from < 0 || i-from > farthest || binary.LittleEndian.Uint32(w[from:]) != binary.LittleEndian.Uint32(w[i:]) {
		return 0, 0
	}
	most := min(longest, len(w)-i)
	for length = hashBytes; length < most && w[from+length] == w[i+length]; length++ {
	}
	return from, length
}

// put appends n bits of v, the lowest first.
func (d *deflater) put(v uint32, n uint) {
	d.acc |= uint64(v) << d.n
	for d.n += n; d.n >= 8; d.n -= 8 {
		d.out = append(d.out, byte(d.acc))
		d.acc >>= 8
	}
}

// code appends a Huffman code, whose highest bit comes first.
func (d *deflater) code(v uint32, n uint) { d.put(bits.Reverse32(v)>>(32-n), n) }

func (d *deflater) literal(c byte) {
	if c < firstCodes {
		d.code(0x30+uint32(c), 8)
		return
	}
	d.code(0x190+uint32(c)-firstCodes, 9)
}

// symbol appends the end of a block or the code of a length.
func (d *deflater) symbol(s uint32) {
	if s < lengthShort {
		d.code(s-endOfBlock, 7)
		return
	}
	d.code(0xc0+s-lengthShort, 8)
}

// copyOf appends a copy of what stands distance bytes before (section 3.2.5).
func (d *deflater) copyOf(length, distance int) {
	switch l := uint32(length - 3); {
	case length == longest:
		d.symbol(285)
	case l < 8:
		d.symbol(lengthBase + l)
	default:
		extra := uint(bits.Len32(l)) - 3
		d.symbol(lengthBase + uint32(extra)*4 + l>>extra)
		d.put(l&(1<<extra-1), extra)
	}
	v := uint32(distance - 1)
	if v < 4 {
		d.code(v, 5)
		return
	}
	extra := uint(bits.Len32(v)) - 2
	d.code(uint32(extra)*2+v>>extra, 5)
	d.put(v&(1<<extra-1), extra)
}
