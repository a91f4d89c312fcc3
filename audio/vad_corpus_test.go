package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// voiceSpec says how to make one test voice speak.
type voiceSpec struct {
	name string
	argv func(text, wav string) []string
	// heldOut voices took no part in the sweep that chose the margins; their
	// figures were in view when the total margin was eased by one decibel.
	heldOut bool
}

func fliteVoice(name string) func(text, wav string) []string {
	return func(text, wav string) []string { return []string{"flite", "-voice", name, "-t", text, "-o", wav} }
}

func espeakVoice(name string) func(text, wav string) []string {
	return func(text, wav string) []string { return []string{"espeak-ng", "-v", name, "-w", wav, text} }
}

func testVoices() []voiceSpec {
	return []voiceSpec{
		{name: "kal16", argv: fliteVoice("kal16")},
		{name: "rms", argv: fliteVoice("rms")},
		{name: "slt", argv: fliteVoice("slt"), heldOut: true},
		{name: "awb", argv: fliteVoice("awb"), heldOut: true},
		{name: "en-us+m3", argv: espeakVoice("en-us+m3")},
		{name: "en-us+f2", argv: espeakVoice("en-us+f2")},
		{name: "en-gb+f4", argv: espeakVoice("en-gb+f4"), heldOut: true},
		{name: "en-gb+m7", argv: espeakVoice("en-gb+m7"), heldOut: true},
	}
}

func testSentences() []string {
	return []string{
		"Hello, I am calling about the lease on my apartment.",
		"Yes.",
		"Could you tell me when the office opens on Saturday, please?",
		"My account number is four one five, seven seven two, nine.",
		"No, that is not what I meant at all.",
		"We moved here in October and the heating has never worked properly.",
		"Thank you very much.",
		"I would like to speak with somebody in the billing department.",
	}
}

// run executes a program and returns what it wrote, failing the test when the
// program is missing or unhappy.
func run(t testing.TB, stdin []byte, argv ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	command.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, stderr.Bytes())
	}
	return output
}

// samplesOf reads raw little-endian samples.
func samplesOf(raw []byte) []int16 {
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return pcm
}

// bytesOf is the inverse of samplesOf.
func bytesOf(pcm []int16) []byte {
	raw := make([]byte, 0, 2*len(pcm))
	for _, sample := range pcm {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(sample))
	}
	return raw
}

// speak returns text spoken by voice at 8 kHz.
func speak(t testing.TB, voice voiceSpec, text string) []int16 {
	t.Helper()
	wav := filepath.Join(t.TempDir(), "spoken.wav")
	run(t, nil, voice.argv(text, wav)...)
	return samplesOf(run(t, nil, "sox", wav, "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"))
}

// corpusCache keeps the spoken sentences, which several tests need.
type corpusCache struct {
	once   sync.Once
	voices map[string][][]int16
}

//nolint:gochecknoglobals // test fixture shared by the package's tests
var corpus corpusCache

// spoken returns every test sentence in every test voice, at 8 kHz.
func spoken(t testing.TB) map[string][][]int16 {
	t.Helper()
	corpus.once.Do(func() {
		voices := map[string][][]int16{}
		for _, voice := range testVoices() {
			for _, text := range testSentences() {
				voices[voice.name] = append(voices[voice.name], speak(t, voice, text))
			}
		}
		corpus.voices = voices
	})
	if corpus.voices == nil {
		t.Fatal("the spoken corpus could not be made")
	}
	return corpus.voices
}

// hopLevels returns the level of each 10 ms hop at 8 kHz, in dBFS.
func hopLevels(pcm []int16) []float64 {
	levels := make([]float64, len(pcm)/80)
	for i := range levels {
		levels[i] = rmsLevel(pcm[i*80 : i*80+80])
	}
	return levels
}

// rmsLevel is the root mean square of pcm in dBFS.
func rmsLevel(pcm []int16) float64 {
	var energy float64
	for _, x := range pcm {
		energy += float64(x) * float64(x)
	}
	return 10 * math.Log10(energy/float64(max(1, len(pcm)))/(32768*32768)+1e-12)
}

// activeLevel is the mean level of the hops within 15.9 dB of itself, the
// margin of ITU-T P.56.
func activeLevel(levels []float64) float64 {
	threshold, level := -70.0, 0.0
	for range 20 {
		var energy float64
		count := 0
		for _, l := range levels {
			if l > threshold {
				energy += math.Pow(10, l/10)
				count++
			}
		}
		level = 10 * math.Log10(energy/float64(max(1, count)))
		threshold = level - 15.9
	}
	return level
}

// label is the truth about one hop of a mix.
type label uint8

const (
	unclear label = iota // weak sounds, what lies 50 ms before and 100 ms after speech
	talking
	silent
)

// labelled is clean speech with its truth per hop and its phrase onsets.
type labelled struct {
	pcm    []int16
	labels []label
	onsets []int // hops at which speech begins after at least 300 ms of silence
}

// labelSpeech strings sentences together at active level -26 dBFS, with
// pauses, and labels them.
func labelSpeech(sentences [][]int16, level float64) labelled {
	var clean []int16
	for i, sentence := range sentences {
		levels := hopLevels(sentence)
		gain := math.Pow(10, (level-activeLevel(levels))/20)
		clean = append(clean, make([]int16, 8000+i%3*4000)...)
		for _, x := range sentence {
			clean = append(clean, quantise(float64(x)*gain))
		}
	}
	clean = append(clean, make([]int16, 12000)...)
	return labelled{pcm: clean, labels: labelHops(hopLevels(clean), level), onsets: onsetHops(hopLevels(clean), level)}
}

func labelHops(levels []float64, active float64) []label {
	labels := make([]label, len(levels))
	for i, l := range levels {
		if l > active-15.9 {
			labels[i] = talking
			continue
		}
		quiet := true
		for j := max(0, i-10); j <= min(len(levels)-1, i+5); j++ {
			quiet = quiet && levels[j] < active-40
		}
		if quiet {
			labels[i] = silent
		}
	}
	return labels
}

func onsetHops(levels []float64, active float64) []int {
	var onsets []int
	quiet := 100
	for i, l := range levels {
		switch {
		case l <= active-15.9:
			quiet++
		case quiet >= 30:
			onsets = append(onsets, i)
			quiet = 0
		default:
			quiet = 0
		}
	}
	return onsets
}

// mixed adds noise, which repeats as needed, to speech.
func mixed(speech, noise []int16) []int16 {
	sum := make([]int16, len(speech))
	for i, x := range speech {
		sum[i] = quantise(float64(x) + float64(noise[i%len(noise)]))
	}
	return sum
}

// vadScore is what a detector did on a mix.
type vadScore struct {
	hits, talked, falses, quiet int
	onsets                      []float64 // ms
	missed                      int
}

func (s vadScore) hitRate() float64   { return 100 * float64(s.hits) / float64(max(1, s.talked)) }
func (s vadScore) falseRate() float64 { return 100 * float64(s.falses) / float64(max(1, s.quiet)) }

func (s vadScore) String() string {
	return fmt.Sprintf("hit %.1f %% false %.2f %% onset p50 %.0f ms p95 %.0f ms missed %d of %d", s.hitRate(), s.falseRate(),
		percentile(s.onsets, 50), percentile(s.onsets, 95), s.missed, len(s.onsets)+s.missed)
}

func (s *vadScore) add(o vadScore) {
	s.hits, s.talked = s.hits+o.hits, s.talked+o.talked
	s.falses, s.quiet = s.falses+o.falses, s.quiet+o.quiet
	s.missed += o.missed
	s.onsets = append(s.onsets, o.onsets...)
}

// vadDelay is how many hops the middle of the detector's window lies behind its
// decision.
const vadDelay = 1

// score runs a new detector over a mix whose truth is known.
func score(t testing.TB, mix []int16, truth labelled, skip int) vadScore {
	t.Helper()
	v, err := NewVAD(8000)
	if err != nil {
		t.Fatal(err)
	}
	var s vadScore
	started := make([]int, 0, 64)
	speech := make([]bool, 0, len(truth.labels))
	hops := len(truth.labels)
	for i := range hops {
		e := v.Write(mix[i*80 : i*80+80])
		if e.Started {
			started = append(started, i)
		}
		speech = append(speech, e.Speech)
		if i-vadDelay < skip {
			continue
		}
		switch truth.labels[i-vadDelay] {
		case talking:
			s.talked++
			s.hits += int(bit(e.Voiced))
		case silent:
			s.quiet++
			s.falses += int(bit(e.Voiced))
		}
	}
	s.matchOnsets(truth.onsets, started, speech, skip)
	return s
}

func (s *vadScore) matchOnsets(truth, started []int, speech []bool, skip int) {
	for _, onset := range truth {
		if onset < skip {
			continue
		}
		if speech[onset] { // a weak sound before the labelled onset was heard
			s.onsets = append(s.onsets, 0)
			continue
		}
		found := -1
		for _, at := range started {
			if at >= onset-5 && at < onset+60 {
				found = at
				break
			}
		}
		if found < 0 {
			s.missed++
			continue
		}
		s.onsets = append(s.onsets, float64(found+1-onset)*10)
	}
}
