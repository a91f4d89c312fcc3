package audio

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The packed transform of real samples is that of the plain definition.
func TestPowersMatchDefinition(t *testing.T) {
	t.Parallel()
	s := newSpectrum()
	random := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{2, vadWindow, spectrumSize} {
		x := make([]float32, length)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		var re, im [spectrumHalf]float32
		var got [spectrumHalf + 1]float32
		s.powers(x, &re, &im, &got)
		for k, power := range got {
			var sumRe, sumIm float64
			for n, v := range x {
				angle := 2 * math.Pi * float64(k*n) / spectrumSize
				sumRe += float64(v) * math.Cos(angle)
				sumIm -= float64(v) * math.Sin(angle)
			}
			want := sumRe*sumRe + sumIm*sumIm
			if math.Abs(float64(power)-want) > 1e-3*(1+want) {
				t.Fatalf("%d samples, bin %d: power %g, want %g", length, k, power, want)
			}
		}
	}
}

func TestForwardMatchesPowers(t *testing.T) {
	t.Parallel()
	s := newSpectrum()
	var re, im [spectrumSize]float32
	for i := range re {
		re[i] = float32(math.Sin(float64(i*i) / 50))
	}
	x := append([]float32(nil), re[:]...)
	var a, b [spectrumHalf]float32
	var powers [spectrumHalf + 1]float32
	s.powers(x, &a, &b, &powers)
	s.forward(&re, &im)
	for k, got := range powers {
		if want := re[k]*re[k] + im[k]*im[k]; math.Abs(float64(got-want)) > 1e-3*float64(1+want) {
			t.Errorf("bin %d: power %g, want %g", k, got, want)
		}
	}
}
