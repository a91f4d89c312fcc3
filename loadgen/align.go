package loadgen

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// ErrAlign is wrapped by errors about a recording that cannot be compared with
// a log of clicks.
const ErrAlign = Error("recording and clicks do not match")

// Alignment says how far the caller's clicks lie, in a stereo recording, from
// where they belong: the largest distance in a third of the call each, in
// milliseconds.
type Alignment struct {
	// Start, Middle and End are the distances in the thirds of the call.
	Start float64 `json:"start_ms"`
	// Middle is the distance in the second third.
	Middle float64 `json:"middle_ms"`
	// End is the distance in the last third.
	End float64 `json:"end_ms"`
	// Clicks is the number of clicks compared.
	Clicks int `json:"clicks"`
}

// Worst returns the largest of the distances.
func (a Alignment) Worst() time.Duration {
	return time.Duration(max(a.Start, a.Middle, a.End) * float64(time.Millisecond))
}

// Align compares the stereo recording of an echo call (caller left, agent
// right) with the clicks of one call of a clock run. The agent's channel counts
// the server's own clock and holds every click where it was sent back; the
// generator knows when it came. Their median difference ties the two clocks
// together, and then the clicks of the caller's channel are compared with the
// time at which they were spoken: by the caller's sample clock, which runs ppm
// millionths fast, and tied to the send times (less the packet's length) by the
// one packet that left with the least delay.
func Align(wav io.Reader, clicks []Click, ppm float64) (Alignment, error) {
	pcm, format, err := audio.ReadWAV(wav)
	if err != nil {
		return Alignment{}, fmt.Errorf("read recording: %w", err)
	}
	if format.Channels != 2 {
		return Alignment{}, fmt.Errorf("%w: %d channels, want 2", ErrAlign, format.Channels)
	}
	caller, agent := clickTimes(pcm, format.Rate, 0), clickTimes(pcm, format.Rate, 1)
	var ties []float64
	for _, c := range clicks {
		if c.Echoed > 0 {
			ties = append(ties, c.SinceAnswer+c.Echoed)
		}
	}
	origin, ok := tie(agent, ties)
	if !ok {
		return Alignment{}, fmt.Errorf("%w: %d clicks sent, %d of the agent recorded", ErrAlign, len(ties), len(agent))
	}
	spoken, first := make([]float64, len(clicks)), math.Inf(1)
	for i, c := range clicks {
		spoken[i] = float64(c.Sample) / (float64(c.SampleRate) * (1 + ppm/1e6))
		first = min(first, c.SinceAnswer-framePeriod.Seconds()-spoken[i])
	}
	for i := range spoken {
		spoken[i] += first + origin
	}
	return compare(caller, spoken)
}

// clickTimes returns the times of one channel's clicks, in seconds.
func clickTimes(pcm []int16, rate, channel int) []float64 {
	var times []float64
	quiet := rate / 100
	for i, since := channel, quiet; i < len(pcm); i, since = i+2, since+1 {
		if pcm[i] < clickFound {
			continue
		}
		if since >= quiet {
			times = append(times, float64(i/2)/float64(rate))
		}
		since = 0
	}
	return times
}

// tie returns what to add to the times of a log to get those of a recording. A
// recording begins with the answer, as the log does, so that it is less than
// half the distance of clicks. Echoes may be missing anywhere: of the distances
// between the first ones, the one that most others agree with is taken.
func tie(recorded, logged []float64) (float64, bool) {
	const most, near, tries = 0.49, 0.03, 20
	var agreed []float64
	for _, at := range logged[:min(tries, len(logged))] {
		for _, found := range recorded[:min(tries, len(recorded))] {
			if math.Abs(found-at) > most {
				continue
			}
			if all := distances(recorded, logged, found-at, near); len(all) > len(agreed) {
				agreed = all
			}
		}
	}
	if 2*len(agreed) <= len(logged) || len(agreed) == 0 {
		return 0, false
	}
	slices.Sort(agreed)
	return agreed[len(agreed)/2], true
}

// distances returns recorded less logged time wherever it is near offset.
func distances(recorded, logged []float64, offset, near float64) []float64 {
	var all []float64
	for _, at := range logged {
		i, _ := slices.BinarySearch(recorded, at+offset-near)
		if i < len(recorded) && recorded[i]-at-offset <= near {
			all = append(all, recorded[i]-at)
		}
	}
	return all
}

// compare finds for every spoken click the nearest recorded one.
func compare(recorded, spoken []float64) (Alignment, error) {
	var a Alignment
	thirds := []*float64{&a.Start, &a.Middle, &a.End}
	for i, at := range spoken {
		nearest := math.Inf(1)
		for _, found := range recorded {
			nearest = min(nearest, math.Abs(found-at)*1000)
		}
		if nearest > 400 {
			if i == 0 || i == len(spoken)-1 {
				continue // cut off by the beginning or the end of the call
			}
			return a, fmt.Errorf("%w: click %d of %d is not recorded", ErrAlign, i+1, len(spoken))
		}
		third := thirds[min(3*i/len(spoken), 2)]
		*third = max(*third, nearest)
		a.Clicks++
	}
	if a.Clicks == 0 {
		return a, fmt.Errorf("%w: no click was recorded", ErrAlign)
	}
	return a, nil
}
