package audio

import "math/bits"

// EncodeULaw appends the mu-law code of every sample of src to dst and returns
// the extended slice. It allocates only when dst lacks capacity. Every code
// equals the arithmetic of ITU-T G.191 for G.711
// (https://www.itu.int/rec/T-REC-G.711).
func EncodeULaw(dst []byte, src []int16) []byte {
	for _, s := range src {
		dst = append(dst, LinearToULaw(s))
	}
	return dst
}

// DecodeULaw appends the sample of every mu-law code in src to dst and returns
// the extended slice. It allocates only when dst lacks capacity.
func DecodeULaw(dst []int16, src []byte) []int16 {
	for _, c := range src {
		dst = append(dst, ULawToLinear(c))
	}
	return dst
}

// EncodeALaw appends the A-law code of every sample of src to dst and returns
// the extended slice. It allocates only when dst lacks capacity. Every code
// equals the arithmetic of ITU-T G.191 for G.711
// (https://www.itu.int/rec/T-REC-G.711).
func EncodeALaw(dst []byte, src []int16) []byte {
	for _, s := range src {
		dst = append(dst, LinearToALaw(s))
	}
	return dst
}

// DecodeALaw appends the sample of every A-law code in src to dst and returns
// the extended slice. It allocates only when dst lacks capacity.
func DecodeALaw(dst []int16, src []byte) []int16 {
	for _, c := range src {
		dst = append(dst, ALawToLinear(c))
	}
	return dst
}

// LinearToULaw returns the mu-law code of a 16-bit sample: its 14 most
// significant bits, negative values taken by one's complement, biased by 33
// and cut into eight segments.
func LinearToULaw(s int16) byte {
	sign := s >> 15
	magnitude := min(uint16(s^sign)>>2+33, 0x1FFF)
	// The bias makes the magnitude at least 33, so that it has six bits or more.
	segment := bits.Len16(magnitude) - 5
	code := byte(segment-1)<<4 | byte(magnitude>>segment)&0x0F
	return ^(code | byte(sign)&0x80)
}

// ULawToLinear returns the 16-bit sample of a mu-law code, -32124 to 32124.
func ULawToLinear(code byte) int16 {
	code = ^code
	const bias = 33 << 2
	magnitude := (int16(code&0x0F)<<3+bias)<<(code>>4&7) - bias
	sign := int16(int8(code) >> 7)
	return magnitude ^ sign - sign
}

// LinearToALaw returns the A-law code of a 16-bit sample: its 12 most
// significant bits, negative values taken by one's complement, cut into eight
// segments, every second bit inverted.
func LinearToALaw(s int16) byte {
	sign := s >> 15
	code := uint16(s^sign) >> 4
	if code > 15 {
		shift := bits.Len16(code) - 5
		code = code>>shift&0x0F | uint16(shift+1)<<4
	}
	return byte(code) ^ byte(^sign)&0x80 ^ 0x55
}

// ALawToLinear returns the 16-bit sample of an A-law code, -32256 to 32256.
func ALawToLinear(code byte) int16 {
	code ^= 0x55
	magnitude := int16(code&0x0F)<<4 + 8
	if segment := code >> 4 & 7; segment > 0 {
		magnitude = (magnitude + 0x100) << (segment - 1)
	}
	sign := int16(int8(^code) >> 7)
	return magnitude ^ sign - sign
}
