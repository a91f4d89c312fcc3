package audio

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The markers must find what sorting all held values finds.
func TestQuantileEqualsSorting(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 1))
	q := newQuantile(110)
	var held []uint8
	for i := range 5000 {
		step := uint8(random.IntN(256))
		if i/700%2 == 1 { // steady for a while, then wild again
			step = 130 + step%4
		}
		if held = append(held, step); len(held) > 110 {
			held = held[1:]
		}
		q.push(step)
		sorted := slices.Sorted(slices.Values(held))
		low := []int{15, 60}[i/40%2]
		for mark, percent := range []int{low, 90} {
			if got, want := q.at(mark, percent), sorted[len(sorted)*percent/100]; got != want {
				t.Fatalf("after %d values: %d %% lie below %d, want %d", i+1, percent, got, want)
			}
		}
	}
}
