package journals

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
)

// TestDeflate: what comes out is read by the standard library.
func TestDeflate(t *testing.T) {
	t.Parallel()
	d := newDeflater()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, text := range []string{
		"", "a", "abc", "abcd", "abcdabcdabcdabcd", string(dictionary), string(every), strings.Repeat("x", 100_000),
		strings.Repeat(string(every), 300), string(dictionary) + strings.Repeat("z", farthest) + string(dictionary), "Ünïcödé 日本語 " + strings.Repeat("日本語", 400),
	} {
		got, err := inflate(nil, d.compress([]byte(text)), flate.NewReader(nil))
		if err != nil || string(got) != text {
			t.Errorf("%.40q: got %d bytes of %d, %v", text, len(got), len(text), err)
		}
	}
	for length := 4; length < 600; length++ {
		text := []byte("start" + strings.Repeat("ab-cd-ef-", length)[:length] + "end")
		if got, err := inflate(nil, d.compress(text), flate.NewReader(nil)); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d: got %d bytes, %v", length, len(got), err)
		}
	}
}

// FuzzDeflate: any text is read as it was.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("2200000 caller quiet ago=0.200 length=1.000\n"), uint16(3))
	d := newDeflater()
	f.Fuzz(func(t *testing.T, text []byte, times uint16) {
		text = bytes.Repeat(text, int(times)%300)
		if got, err := inflate(nil, d.compress(text), flate.NewReader(nil)); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("got %d bytes of %d, %v", len(got), len(text), err)
		}
	})
}
