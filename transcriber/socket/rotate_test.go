package socket

import (
	"testing"
	"time"
)

// What is played to the next connection goes in messages that the vendor takes,
// whatever its length.
func TestPortions(t *testing.T) {
	t.Parallel()
	s := &Stream{rate: 8000, dialect: Dialect{Chunk: 60 * time.Millisecond}}
	for length := 480; length < 20000; length++ {
		for left := length; left > 0; {
			n := s.portion(left)
			if left -= n; n < 480 || n > 1600 || left < 0 {
				t.Fatalf("of %d samples a message carries %d, and %d are left", length, n, left)
			}
		}
	}
	if n := (&Stream{rate: 8000}).portion(7); n != 7 {
		t.Errorf("without a least length a message carries %d of 7 samples", n)
	}
}
