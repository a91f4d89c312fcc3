package audio

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// spokenVoices names the voices that spokenSentence knows.
func spokenVoices() []string { return []string{"kal16", "rms", "slt", "awb", "espeak"} }

// spokenSentence returns a sentence in a synthetic voice at rate.
func spokenSentence(t testing.TB, voice string, rate int) []int16 {
	t.Helper()
	const text = "Good morning, this is the clinic. Would Thursday at half past nine suit you for the check up?"
	file := filepath.Join(t.TempDir(), "speech.wav")
	tt, ok := t.(*testing.T)
	if !ok {
		t.Fatal("speech is made for tests only")
	}
	if voice == "espeak" {
		runFilter(tt, nil, "espeak-ng", "-w", file, text)
	} else {
		runFilter(tt, nil, "flite", "-voice", voice, "-t", text, "-o", file)
	}
	wav, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rateText := map[int]string{8000: "8000", 16000: "16000"}[rate]
	pcm := samplesRaw(runFilter(tt, wav, "sox", "-D", "-t", "wav", "-", "-t", "raw", "-e", "signed", "-b", "16", "-L", "-c", "1", "-r", rateText, "-", "gain", "-n", "-6"))
	if len(pcm) < 2*rate {
		t.Fatalf("voice %s: only %d samples", voice, len(pcm))
	}
	return pcm[:len(pcm)&^1]
}

func ffmpegEncodesG722(t *testing.T, pcm []int16) []byte {
	t.Helper()
	return runFilter(t, rawSamples(pcm), "ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-c:a", "g722", "-f", "g722", "-")
}

func ffmpegDecodesG722(t *testing.T, codes []byte) []int16 {
	t.Helper()
	return samplesRaw(runFilter(t, codes, "ffmpeg", "-v", "error", "-f", "g722", "-i", "-", "-f", "s16le", "-"))
}

// snr compares decoded with original, which it follows delay samples late.
func snr(original, decoded []int16, delay int) float64 {
	var signal, noise float64
	for i := 0; i+delay < len(decoded) && i < len(original); i++ {
		s, d := float64(original[i]), float64(decoded[i+delay])
		signal += s * s
		noise += (s - d) * (s - d)
	}
	return 10 * math.Log10(signal/noise)
}

func TestG722AgainstFFmpeg(t *testing.T) {
	t.Parallel()
	for _, voice := range spokenVoices() {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			pcm := spokenSentence(t, voice, 16000)
			theirs := ffmpegEncodesG722(t, pcm)
			want := ffmpegDecodesG722(t, theirs)
			if got := NewG722Decoder().Decode(nil, theirs); !slices.Equal(got, want) {
				t.Errorf("decoding ffmpeg's stream differs from ffmpeg at sample %d", firstDifference(got, want))
			}

			ours := NewG722Encoder().Encode(nil, pcm)
			if len(ours) != len(pcm)/2 {
				t.Fatalf("%d bytes for %d samples", len(ours), len(pcm))
			}
			ourSNR := snr(pcm, ffmpegDecodesG722(t, ours), 22)
			theirSNR := snr(pcm, want, 22)
			t.Logf("SNR %.3f dB, ffmpeg's %.3f dB", ourSNR, theirSNR)
			if ourSNR < theirSNR-0.1 || ourSNR < 12 {
				t.Errorf("SNR %.2f dB, ffmpeg's %.2f dB", ourSNR, theirSNR)
			}
		})
	}
}

func firstDifference(a, b []int16) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// Random bytes visit codes that no encoder sends and drive every limit.
func TestG722DecodesNoiseAsFFmpeg(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 22))
	codes := make([]byte, 64000)
	for i := range codes {
		codes[i] = byte(random.Uint32())
	}
	got, want := NewG722Decoder().Decode(nil, codes), ffmpegDecodesG722(t, codes)
	if !slices.Equal(got, want) {
		t.Errorf("differs from ffmpeg at sample %d of %d", firstDifference(got, want), len(want))
	}
}

func TestG722InPiecesEqualsWhole(t *testing.T) {
	t.Parallel()
	pcm := make([]int16, 16000)
	for i := range pcm {
		pcm[i] = int16(9000*math.Sin(float64(i)*0.3) + 4000*math.Sin(float64(i)*2.1))
	}
	whole := NewG722Encoder().Encode(nil, pcm)
	e, d := NewG722Encoder(), NewG722Decoder()
	var pieces []byte
	var decoded []int16
	for i, size := 0, 2; i < len(pcm); i, size = i+size, size%322+2 {
		from := len(pieces)
		size = min(size, len(pcm)-i)
		pieces = e.Encode(pieces, pcm[i:i+size])
		decoded = d.Decode(decoded, pieces[from:])
	}
	if !bytes.Equal(pieces, whole) {
		t.Error("encoding in pieces differs from encoding at once")
	}
	if !slices.Equal(decoded, NewG722Decoder().Decode(nil, whole)) {
		t.Error("decoding in pieces differs from decoding at once")
	}
	if got := snr(pcm, decoded, 22); got < 20 {
		t.Errorf("SNR of two tones %.1f dB, want 20", got)
	}
}

func TestG722LoudestSoundDoesNotWrap(t *testing.T) {
	t.Parallel()
	pcm := make([]int16, 16000)
	for i := range pcm {
		pcm[i] = 32767
		if i/40%2 == 1 {
			pcm[i] = -32768
		}
	}
	decoded := NewG722Decoder().Decode(nil, NewG722Encoder().Encode(nil, pcm))
	// The middle of each half wave must keep its sign.
	for i := 4020; i+22 < len(decoded); i += 40 {
		if int(decoded[i+22])*int(pcm[i]) < 0 {
			t.Fatalf("sample %d: %d decoded as %d", i, pcm[i], decoded[i+22])
		}
	}
}

func BenchmarkG722Frame(b *testing.B) {
	pcm := make([]int16, 320)
	for i := range pcm {
		pcm[i] = int16(9000*math.Sin(float64(i)*0.3) + 4000*math.Sin(float64(i)*2.1))
	}
	e, d := NewG722Encoder(), NewG722Decoder()
	codes, decoded := make([]byte, 0, 160), make([]int16, 0, 320)
	b.ReportAllocs()
	for b.Loop() {
		codes = e.Encode(codes[:0], pcm)
		decoded = d.Decode(decoded[:0], codes)
	}
}
