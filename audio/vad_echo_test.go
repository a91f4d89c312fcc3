package audio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// monologue strings a voice's sentences together, with pauses of 80 to 600 ms,
// until they last long enough, at the level of a synthesiser's speech.
func monologue(t testing.TB, voice string, rate, samples int, seed uint64) []int16 {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 21))
	var out []int16
	for i := random.IntN(8); len(out) < samples; i++ {
		sentences := spoken(t)[voice]
		sentence := append([]int16(nil), sentences[i%len(sentences)]...)
		if rate != 8000 {
			up, err := NewResampler(8000, rate)
			if err != nil {
				t.Fatal(err)
			}
			sentence = up.Process(nil, sentence)
		}
		Normalize(sentence, rate)
		out = append(out, sentence...)
		out = append(out, make([]int16, rate*(80+random.IntN(520))/1000)...)
	}
	return out[:samples]
}

// overLine returns sound as it is after a gain, a delay in milliseconds, and
// G.711, with the faint noise of a quiet room.
func overLine(pcm []int16, rate, delay int, gain float64, seed uint64) []int16 {
	late := make([]int16, delay*rate/1000, len(pcm)+delay*rate/1000)
	for _, s := range pcm {
		late = append(late, quantise(float64(s)*math.Pow(10, gain/20)))
	}
	late = mixed(late[:len(pcm)], Noise(WhiteNoise, rate*3, -65, seed))
	return DecodeULaw(nil, EncodeULaw(nil, late))
}

// dialogue runs a detector that knows what is sent over what is heard, which
// comes up to jitter milliseconds late, and calls edge for every burst it
// notices, with the samples heard by then.
func dialogue(t testing.TB, l dialogueLine, sent, heard []int16, edge func(at int, e VADEvent)) {
	t.Helper()
	v, err := NewVAD(l.rate)
	if err != nil {
		t.Fatal(err)
	}
	denoiser, random := NewDenoiser(l.rate), rand.New(rand.NewPCG(9, 9))
	size := l.rate / 50
	clean, late := make([]int16, size), make([]int16, size)
	come := 0 // how much was heard
	for at := 0; at+size <= len(heard); at += size {
		if frame := sent[at : at+size]; peak(frame) > 0 {
			v.Sent(frame)
		} else {
			v.SentSilence(size)
		}
		for hold := random.IntN(l.jitter*l.rate/1000 + 1); come <= at-hold; come += size {
			var e VADEvent
			if copy(clean, heard[come:come+size]); l.suppress {
				denoiser.ProcessLate(clean, late)
				e = v.WriteDenoised(clean, late)
			} else {
				e = v.Write(clean)
			}
			if e.Started {
				edge(come+size, e)
			}
		}
	}
}

// dialogueLine is what a dialogue is carried by.
type dialogueLine struct {
	rate, jitter int
	suppress     bool
}

// Our own sound at four levels and seven delays, in six voices: half an hour.
func TestEchoIsNotSpeech(t *testing.T) {
	t.Parallel()
	voices := []string{"kal16", "rms", "slt", "awb", "en-us+m3", "en-us+f2"}
	for i, delay := range []int{20, 47, 95, 160, 233, 347, 500} {
		for k, level := range []float64{-12, -18, -24, -30} {
			l := dialogueLine{rate: 8000, jitter: 30 * (i % 3), suppress: (i+k)%3 == 0}
			voice := voices[(i+k)%len(voices)]
			t.Run(fmt.Sprintf("%s %d ms %g dB %+v", voice, delay, level, l), func(t *testing.T) {
				t.Parallel()
				echoIsNotSpeech(t, l, voice, delay, level, 60)
			})
		}
	}
	t.Run("wideband", func(t *testing.T) {
		t.Parallel()
		for i, delay := range []int{33, 410} {
			echoIsNotSpeech(t, dialogueLine{rate: 16000, suppress: i > 0}, voices[i], delay, -12, 60)
		}
	})
}

func echoIsNotSpeech(t *testing.T, l dialogueLine, voice string, delay int, level float64, seconds int) {
	t.Helper()
	sent := monologue(t, voice, l.rate, l.rate*seconds, uint64(delay))
	dialogue(t, l, sent, overLine(sent, l.rate, delay, level, 4), func(at int, _ VADEvent) {
		t.Errorf("our own sound was taken for speech at %d ms", at*1000/l.rate)
	})
}

// A caller 6 dB above the echo is noticed within 400 ms in 95 of 100 cases, and
// without an echo as soon as ever.
func TestCallerIsHeardOverEcho(t *testing.T) {
	t.Parallel()
	pairs := [][2]string{{"kal16", "awb"}, {"rms", "en-gb+f4"}, {"slt", "rms"}, {"en-us+f2", "slt"}}
	for _, suppress := range []bool{false, true} {
		var all []float64
		for _, level := range []float64{-12, -18, -24, -30} {
			var some []float64
			for i, pair := range pairs {
				for k, delay := range []int{20, 95, 233, 500} {
					some = append(some, callerOverEcho(t, dialogueLine{rate: 8000, suppress: suppress}, pair, delay, level, SpeechLevel+level+6, uint64(4*i+k)))
				}
			}
			all = append(all, some...)
			t.Logf("suppress %v, echo %g dB: noticed after p50 %.0f ms, p95 %.0f ms", suppress, level, percentile(some, 50), percentile(some, 95))
		}
		if got := percentile(all, 95); got > 380 { // one frame until the agent is silent
			t.Errorf("suppress %v: noticed after %.0f ms in 95 of 100 cases", suppress, got)
		}
		var clean []float64
		for i, pair := range pairs {
			clean = append(clean, callerOverEcho(t, dialogueLine{rate: 8000, suppress: suppress}, pair, 20, -90, -30, uint64(i)))
		}
		if got := percentile(clean, 95); got > 120 {
			t.Errorf("suppress %v, no echo: noticed after %.0f ms in 95 of 100 cases", suppress, got)
		}
	}
}

// callerOverEcho lets a caller of a level interrupt a monologue in which the echo is
// known, and returns after how many milliseconds that was noticed.
func callerOverEcho(t *testing.T, l dialogueLine, voices [2]string, delay int, level, caller float64, seed uint64) float64 {
	t.Helper()
	sent := monologue(t, voices[0], l.rate, 9*l.rate, seed)
	heard := overLine(sent, l.rate, delay, level, 4)
	truth := labelSpeech([][]int16{spoken(t)[voices[1]][seed%8]}, caller)
	at := 5*l.rate + int(seed)*1717
	for i, s := range truth.pcm[8000 : len(truth.pcm)-12000] {
		if at+i < len(heard) {
			heard[at+i] = quantise(float64(heard[at+i]) + float64(s))
		}
	}
	onset, noticed := at+(truth.onsets[0]-100)*80, math.Inf(1)
	dialogue(t, l, sent, heard, func(at int, _ VADEvent) {
		if noticed = min(noticed, float64(at-onset)*1000/float64(l.rate)); at <= onset {
			t.Errorf("%v, echo of %g dB after %d ms: speech before the caller spoke", voices, level, delay)
		}
	})
	return noticed
}

// An echo that begins in the middle of a call, or changes, is learned.
func TestEchoThatAppearsIsLearned(t *testing.T) {
	t.Parallel()
	const rate = 8000
	sent := monologue(t, "rms", rate, 60*rate, 3)
	heard := overLine(sent, rate, 20, -90, 4)
	copy(heard[15*rate:], overLine(sent, rate, 310, -16, 4)[15*rate:])
	copy(heard[40*rate:], overLine(sent, rate, 120, -14, 4)[40*rate:])
	dialogue(t, dialogueLine{rate: rate}, sent, heard, func(at int, _ VADEvent) {
		if since := (at - 15*rate) % (25 * rate); at < 15*rate || since > 6*rate {
			t.Errorf("our own sound was taken for speech at %d ms", at/8)
		}
	})
}

func TestRenewedDetectorKnowsTheEcho(t *testing.T) {
	t.Parallel()
	const rate, size = 8000, 160
	sent := monologue(t, "slt", rate, 20*rate, 3)
	heard := overLine(sent, rate, 310, -12, 4)
	v, err := NewVAD(rate)
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for at := 0; at < len(sent); at += size {
		if at == 7*rate {
			v = v.Renewed()
		}
		v.Sent(sent[at : at+size])
		e := v.Write(heard[at : at+size])
		if own += int(bit(e.Own)); e.Started {
			t.Errorf("our own sound was taken for speech at %d ms", at/8)
		}
	}
	if own < 300 {
		t.Errorf("our own sound was recognised in %d of 1000 frames", own)
	}
}

func TestSentAllocatesOnce(t *testing.T) {
	v, err := NewVAD(16000)
	if err != nil {
		t.Fatal(err)
	}
	frame := SpeechLike(16000, 320, -20, 1)
	v.Sent(frame)
	if n := testing.AllocsPerRun(100, func() { v.Sent(frame); v.SentSilence(320); v.WriteDenoised(frame, frame) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkVADWithEcho(b *testing.B) {
	v, err := NewVAD(8000)
	if err != nil {
		b.Fatal(err)
	}
	frame := SpeechLike(8000, 160, -20, 1)
	for b.Loop() {
		v.Sent(frame)
		v.Write(frame)
	}
}
