package openai

import (
	"bytes"
	"testing"
)

// FuzzHeader: a WAV file's header gives a rate that was written in it, or an error.
func FuzzHeader(f *testing.F) {
	good := "RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00LIST\x01\x00\x00\x00ab\x00data\x04\x00\x00\x00\x01\x00\x02\x00"
	for cut := range len(good) {
		f.Add([]byte(good[:cut+1]))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		rate, err := header(bytes.NewReader(file))
		if err == nil && (rate == 0 || len(file) < 44) {
			t.Errorf("rate %d out of %d bytes", rate, len(file))
		}
	})
}

func TestHeader(t *testing.T) {
	t.Parallel()
	const start = "RIFF\xff\xff\xff\xffWAVE"
	const format = "fmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00"
	for file, want := range map[string]int{
		start + format + "data\x00\x00\x00\x00":                                 16000,
		start + "LIST\x03\x00\x00\x00abc\x00" + format + "data\xff\xff\xff\xff": 16000,
		start + "data\x00\x00\x00\x00":                                          0,
		start + "fmt \x10\x00\x00\x00\x01\x00\x02\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00": 0, // stereo
		start + "LIST\xff\xff\xff\xff": 0,
		start + format:                 0,
		"RIFF\xff\xff\xff\xffAVI ":     0,
	} {
		if got, err := header(bytes.NewReader([]byte(file))); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: rate %d, error %v; want %d", file, got, err, want)
		}
	}
}
