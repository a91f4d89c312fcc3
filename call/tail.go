package call

import "slices"

// tailBlock is how many samples a block of a tail holds: 2 KiB.
const tailBlock = 1024

// tail is the newest sound of a caller. It lies in blocks, so that it takes no more
// memory than what it keeps. The zero tail is empty.
type tail struct {
	blocks [][]int16 // all but the last are full
	length int       // samples
}

// add appends sound. At least the newest keep samples stay, and less than a block more
// besides pcm; while keep is the same, add allocates nothing once so much is held.
func (t *tail) add(pcm []int16, keep int) {
	for len(pcm) > 0 {
		if n := len(t.blocks); n == 0 || len(t.blocks[n-1]) == tailBlock {
			t.blocks = append(t.blocks, t.free(keep))
		}
		last := &t.blocks[len(t.blocks)-1]
		n := min(len(pcm), tailBlock-len(*last))
		*last = append(*last, pcm[:n]...)
		t.length += n
		pcm = pcm[n:]
	}
}

// free returns an empty block: one whose sound is not kept any more, or a new one. It is
// called when all blocks are full.
func (t *tail) free(keep int) []int16 {
	spare := (t.length - keep) / tailBlock
	if spare <= 0 {
		return make([]int16, 0, tailBlock)
	}
	block := t.blocks[0]
	t.blocks = slices.Delete(t.blocks, 0, spare)
	t.length -= spare * tailBlock
	return block[:0]
}

// newest returns a copy of the newest samples, at most so many.
func (t *tail) newest(most int) []int16 {
	all := slices.Concat(t.blocks...)
	return all[max(0, len(all)-most):]
}
