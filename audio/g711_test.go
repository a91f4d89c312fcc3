package audio

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"testing"
)

// runFilter feeds in to a program and returns what it prints.
func runFilter(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, problems.Bytes())
	}
	return out.Bytes()
}

// rawSamples and samplesRaw convert to and from little-endian PCM16.
func rawSamples(pcm []int16) []byte {
	raw := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
	}
	return raw
}

func samplesRaw(raw []byte) []int16 {
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm
}

func allCodes() []byte {
	codes := make([]byte, 256)
	for i := range codes {
		codes[i] = byte(i)
	}
	return codes
}

func allSamples() []int16 {
	pcm := make([]int16, 65536)
	for i := range pcm {
		pcm[i] = int16(i - 32768)
	}
	return pcm
}

func TestG711DecodesAsSoxAndFFmpeg(t *testing.T) {
	t.Parallel()
	for _, law := range []struct {
		name, sox, ffmpeg string
		decode            func([]int16, []byte) []int16
	}{
		{"mu-law", "mu-law", "mulaw", DecodeULaw},
		{"A-law", "a-law", "alaw", DecodeALaw},
	} {
		t.Run(law.name, func(t *testing.T) {
			t.Parallel()
			got := law.decode(nil, allCodes())
			sox := samplesRaw(runFilter(t, allCodes(), "sox", "-t", "raw", "-r", "8000", "-c", "1", "-e", law.sox, "-b", "8", "-",
				"-t", "raw", "-e", "signed", "-b", "16", "-L", "-"))
			ffmpeg := samplesRaw(runFilter(t, allCodes(), "ffmpeg", "-v", "error", "-f", law.ffmpeg, "-ar", "8000", "-ac", "1", "-i", "-",
				"-f", "s16le", "-"))
			if len(sox) != 256 || len(ffmpeg) != 256 {
				t.Fatalf("sox gave %d samples, ffmpeg %d, want 256", len(sox), len(ffmpeg))
			}
			for code := range got {
				if got[code] != sox[code] || got[code] != ffmpeg[code] {
					t.Errorf("code %#02x: %d, sox %d, ffmpeg %d", code, got[code], sox[code], ffmpeg[code])
				}
			}
		})
	}
}

// referenceULaw follows G.191 step by step, with a loop for the segment.
func referenceULaw(s int16) byte {
	magnitude := int(s)
	if s < 0 {
		magnitude = int(^s)
	}
	magnitude = min(magnitude>>2+33, 0x1FFF)
	segment := 1
	for i := magnitude >> 6; i != 0; i >>= 1 {
		segment++
	}
	code := (8-segment)<<4 | (15 - magnitude>>segment&15)
	if s >= 0 {
		code |= 0x80
	}
	return byte(code)
}

// referenceALaw follows G.191 step by step, with a loop for the exponent.
func referenceALaw(s int16) byte {
	code := int(s) >> 4
	if s < 0 {
		code = int(^s) >> 4
	}
	if code > 15 {
		exponent := 1
		for code > 31 {
			code >>= 1
			exponent++
		}
		code += exponent<<4 - 16
	}
	if s >= 0 {
		code |= 0x80
	}
	return byte(code ^ 0x55)
}

func TestG711EncodesAsG191AndNearSox(t *testing.T) {
	t.Parallel()
	for _, law := range []struct {
		name      string
		encode    func([]byte, []int16) []byte
		reference func(int16) byte
		order     func(byte) int // the code's place among all by size
	}{
		{"mu-law", EncodeULaw, referenceULaw, func(c byte) int { return signedRank(^c) }},
		{"a-law", EncodeALaw, referenceALaw, func(c byte) int { return signedRank(c ^ 0xD5) }},
	} {
		t.Run(law.name, func(t *testing.T) {
			t.Parallel()
			pcm := allSamples()
			got := law.encode(nil, pcm)
			sox := runFilter(t, rawSamples(pcm), "sox", "-D", "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-L", "-",
				"-t", "raw", "-e", law.name, "-b", "8", "-")
			if len(sox) != len(pcm) {
				t.Fatalf("sox gave %d codes, want %d", len(sox), len(pcm))
			}
			differ := 0
			for i, s := range pcm {
				if want := law.reference(s); got[i] != want {
					t.Fatalf("sample %d: code %#02x, G.191 %#02x", s, got[i], want)
				}
				off := law.order(got[i]) - law.order(sox[i])
				if off < -1 || off > 1 {
					t.Fatalf("sample %d: code %#02x, sox %#02x: %d codes apart", s, got[i], sox[i], off)
				}
				if off != 0 {
					differ++
				}
			}
			t.Logf("%d of 65536 codes differ from sox by one", differ)
		})
	}
}

// signedRank orders sign-and-magnitude codes; both zeros are neighbours.
func signedRank(code byte) int {
	if code&0x80 != 0 {
		return -1 - int(code&0x7F)
	}
	return int(code)
}

func TestG711AppendsAndRoundTrips(t *testing.T) {
	t.Parallel()
	for _, code := range allCodes() {
		if got := LinearToALaw(ALawToLinear(code)); got != code {
			t.Errorf("A-law %#02x comes back as %#02x", code, got)
		}
		// Mu-law has two zeros; the negative one comes back as the positive.
		if got := LinearToULaw(ULawToLinear(code)); got != code && code != 0x7F {
			t.Errorf("mu-law %#02x comes back as %#02x", code, got)
		}
	}
	if got := EncodeULaw([]byte{1, 2}, []int16{0}); !bytes.Equal(got, []byte{1, 2, 0xFF}) {
		t.Errorf("EncodeULaw after two bytes: %v", got)
	}
}

// Not parallel: testing.AllocsPerRun demands it.
func TestCodecsDoNotAllocate(t *testing.T) {
	pcm, codes := make([]int16, 0, 320), make([]byte, 0, 320)
	frame := make([]int16, 320)
	e, d := NewG722Encoder(), NewG722Decoder()
	if n := testing.AllocsPerRun(20, func() {
		codes = EncodeALaw(codes[:0], frame)
		pcm = DecodeALaw(pcm[:0], codes)
		codes = EncodeULaw(codes[:0], pcm)
		pcm = DecodeULaw(pcm[:0], codes)
		codes = e.Encode(codes[:0], pcm)
		pcm = d.Decode(pcm[:0], codes)
	}); n != 0 {
		t.Errorf("%v allocations for a frame, want none", n)
	}
}

func BenchmarkG711Frame(b *testing.B) {
	pcm, codes := allSamples()[:160], make([]byte, 0, 160)
	for b.Loop() {
		codes = EncodeULaw(codes[:0], pcm)
		pcm = DecodeULaw(pcm[:0], codes)
	}
}
