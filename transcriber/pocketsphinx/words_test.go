package pocketsphinx

import (
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sidetone/sidetone/process/processtest"
)

// unseen is the voice that calibrated nothing.
const unseen = "slt"

// calibratingVoices are the voices whose speech the cepstral means were measured over.
func calibratingVoices() []string { return []string{"rms", "awb", "kal16", "kal"} }

// calibrationSentences are what they said then.
func calibrationSentences() []string {
	return []string{
		"Hello, I am calling about the lease on my apartment.",
		"Could you tell me when the office opens on Saturday, please?",
		"We moved here in October and the heating has never worked properly.",
		"I would like to speak with somebody in the billing department.",
		"Please send the forms to my new address, not to the old one.",
		"The driver said that he would be there before noon.",
		"Do you have anything smaller in a different color?",
		"She asked me to bring my papers and a picture.",
		"How long does it take to get from the station to your shop?",
		"My father was there in June and he was very happy with the service.",
		"There is water on the kitchen floor and I do not know where it comes from.",
		"If nobody answers, just leave a message with my brother.",
	}
}

// callerSentences are what callers say; none of them calibrated anything.
func callerSentences() []string {
	return []string{
		"I would like to make an appointment for next week.",
		"What time do you open on Monday morning?",
		"My name is Robert Johnson and I am a new patient.",
		"Can you please send somebody to look at the problem?",
		"I have been waiting for an answer since yesterday.",
		"The number of my order is four two seven nine one.",
		"I need to cancel my reservation for tomorrow night.",
		"How much does it cost to send a letter to Germany?",
		"Is there any parking near the hospital?",
		"I want to speak to a manager about my bill.",
		"Please call me back after three in the afternoon.",
		"We are looking for a table for six people.",
		"The package did not arrive and I would like my money back.",
		"Could you repeat the last part of that?",
		"I lost my credit card at the airport.",
		"No, thank you, that is all I wanted to know.",
		"The train leaves the station at half past seven.",
		"My daughter has a fever and she can not sleep.",
		"You can reach me at home or at the office.",
		"I think there is a mistake in the second line.",
		"Yes, the doctor told me to come again in two weeks.",
		"It is raining and the road to the farm is closed.",
	}
}

// An ordinary telephone line is understood: at most 40 % word errors over five voices
// on G.711, and none of them above 55 %. With SIDETONE_TEST_LONG the same is measured
// on G.722, where they are at most 15 % and 35 %.
func TestWordErrors(t *testing.T) {
	t.Parallel()
	limits := []struct {
		rate       int
		mean, most float64 // percent
	}{{narrowRate, 40, 55}, {rate, 15, 35}}
	if os.Getenv("SIDETONE_TEST_LONG") == "" {
		limits = limits[:1]
	}
	for _, limit := range limits {
		var mu sync.Mutex
		sum := 0.0
		voices := append(calibratingVoices(), unseen)
		t.Run(fmt.Sprintf("%d Hz", limit.rate), func(t *testing.T) {
			for _, voice := range voices {
				t.Run(voice, func(t *testing.T) {
					t.Parallel()
					percent := wordErrors(t, limit.rate, voice)
					t.Logf("%.1f %% word errors", percent)
					if percent > limit.most {
						t.Errorf("%.1f %% word errors, want at most %.0f", percent, limit.most)
					}
					mu.Lock()
					defer mu.Unlock()
					sum += percent
				})
			}
		})
		mean := sum / float64(len(voices))
		t.Logf("%d Hz: %.1f %% word errors, the mean of %d voices", limit.rate, mean, len(voices))
		if mean > limit.mean {
			t.Errorf("%d Hz: %.1f %% word errors, want at most %.0f", limit.rate, mean, limit.mean)
		}
	}
}

// wordErrors is the share of word errors, in percent, of a call in which a voice says
// the callers' sentences.
func wordErrors(t *testing.T, r int, voice string) float64 {
	t.Helper()
	line := openLine(t, r, Options{})
	line.send(make([]int16, r))
	wrong, all := 0, 0
	for _, sentence := range callerSentences() {
		line.send(make([]int16, r*3/10))
		line.send(sayAs(t, voice, sentence, r))
		got := line.heard()
		want := words(sentence)
		wrong, all = wrong+distance(want, words(got)), all+len(want)
		t.Logf("%q: heard %q", sentence, got)
	}
	line.close()
	return 100 * float64(wrong) / float64(all)
}

// words are the words of a text in lower case, without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r != '\'' && (r < 'a' || r > 'z') })
}

// distance is the smallest number of words to add, leave out or replace that makes
// got of want.
func distance(want, got []string) int {
	row := make([]int, len(got)+1)
	for i := range row {
		row[i] = i
	}
	for _, w := range want {
		corner := row[0]
		row[0]++
		for i, g := range got {
			replaced := corner
			if w != g {
				replaced++
			}
			corner = row[i+1]
			row[i+1] = min(replaced, corner+1, row[i]+1)
		}
	}
	return row[len(got)]
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got string
		distance  int
	}{
		{"", "", 0},
		{"That's all.", "that's all", 0},
		{"one two three", "", 3},
		{"", "one two", 2},
		{"one two three", "one three", 1},
		{"one two three", "one too three four", 2},
		{"one two three four", "two three four one", 2},
	} {
		if got := distance(words(c.want), words(c.got)); got != c.distance {
			t.Errorf("%q and %q: %d, want %d", c.want, c.got, got, c.distance)
		}
	}
}

// TestCepstralMeans measures wideMean and narrowMean and prints them: the program
// logs the mean to which it adapted after each sentence of the calibrating voices.
// Run it alone after a change to what the program is given:
//
//	SIDETONE_TEST_LONG=1 go test ./transcriber/pocketsphinx -run CepstralMeans -v
func TestCepstralMeans(t *testing.T) {
	t.Parallel()
	if os.Getenv("SIDETONE_TEST_LONG") == "" {
		t.Skip("it measures for minutes what changes only with the driver: set SIDETONE_TEST_LONG, as make faults does")
	}
	for r, constant := range map[int]string{rate: wideMean, narrowRate: narrowMean} {
		t.Run(fmt.Sprintf("%d Hz", r), func(t *testing.T) {
			t.Parallel()
			var sum [13]float64
			var n float64
			for _, voice := range calibratingVoices() {
				for _, mean := range adapted(t, r, voice) {
					for i, x := range mean {
						sum[i] += x
					}
					n++
				}
			}
			var printed []string
			for _, x := range sum {
				printed = append(printed, fmt.Sprintf("%.2f", x/n))
			}
			t.Logf("measured: %s", strings.Join(printed, ","))
			for i, x := range numbers(t, constant, ",") {
				if math.Abs(x-sum[i]/n) > 1 {
					t.Errorf("coefficient %d is %.2f, and %.2f in the driver", i, sum[i]/n, x)
				}
			}
		})
	}
}

// adapted returns the means that the program had after the sentences of a voice. The
// first six are left out: they still hold much of what it began with.
func adapted(t *testing.T, r int, voice string) [][13]float64 {
	t.Helper()
	log := t.TempDir() + "/log"
	line := openLine(t, r, Options{
		Program: processtest.Script(t, "recogniser", `exec pocketsphinx_continuous "$1" "$2" -logfn `+log+` "$5" "$6"`),
	})
	line.send(make([]int16, r))
	for _, sentence := range calibrationSentences() {
		line.send(make([]int16, r*3/10))
		line.send(sayAs(t, voice, sentence, r))
		if line.heard() == "" {
			t.Errorf("%s: nothing was heard of %q", voice, sentence)
		}
	}
	line.close()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var means [][13]float64
	for l := range strings.Lines(string(text)) {
		if _, mean, found := strings.Cut(l, "Update to   <"); found {
			mean, _, _ = strings.Cut(mean, ">")
			means = append(means, numbers(t, mean, " "))
		}
	}
	if len(means) < 12 {
		t.Fatalf("%s: %d means in the program's log", voice, len(means))
	}
	return means[6:]
}

// numbers reads the 13 coefficients of a mean.
func numbers(t *testing.T, text, separator string) (mean [13]float64) {
	t.Helper()
	fields := strings.Fields(strings.ReplaceAll(text, separator, " "))
	if len(fields) != len(mean) {
		t.Fatalf("%d coefficients in %q, want %d", len(fields), text, len(mean))
	}
	for i, f := range fields {
		if _, err := fmt.Sscan(f, &mean[i]); err != nil {
			t.Fatalf("coefficient %q: %v", f, err)
		}
	}
	return mean
}
