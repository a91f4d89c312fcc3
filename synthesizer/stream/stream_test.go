package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

// source is a driver made of one function.
type source struct {
	voice stream.Voice
	speak stream.Source
}

func (s source) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	return s.voice.Speak(ctx, r, s.speak)
}

func voice(levels *stream.Levels) stream.Voice {
	return stream.Voice{Client: &provider.Client{Vendor: "somebody"}, Levels: levels, Name: "v"}
}

// bytes writes samples as PCM16.
func bytes(pcm []int16) []byte {
	var out []byte
	for _, s := range pcm {
		out = append(out, byte(s), byte(uint16(s)>>8))
	}
	return out
}

// scaled is sound that is so much louder, with silence around it.
func scaled(pcm []int16, gain float64, silence int) []int16 {
	out := make([]int16, silence, silence+len(pcm)+silence)
	for _, s := range pcm {
		out = append(out, int16(math.Round(min(max(float64(s)*gain, -32768), 32767))))
	}
	return append(out, make([]int16, silence)...)
}

// deliver is a source of sound in pieces of n bytes.
func deliver(f stream.Format, data []byte, n int) stream.Source {
	return func(_ context.Context, _ string, out *stream.Out) error {
		if err := out.Format(f); err != nil {
			return err
		}
		for part := range slices.Chunk(data, n) {
			if err := out.Sound(part); err != nil {
				return err
			}
		}
		return out.Done()
	}
}

const text = "Good morning, this is Sunny Hill."

// TestLevelAndSilence: whatever a voice's level, it is right from the first
// utterance on, and whatever silence surrounds it is cut.
func TestLevelAndSilence(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000} {
		for _, from := range []int{8000, 22050, 24000} {
			for _, gain := range []float64{0.25, 1, 3} {
				pcm, _ := tonewords.Speak(text, 24000)
				r, err := audio.NewResampler(24000, from)
				if err != nil {
					t.Fatal(err)
				}
				sound := bytes(scaled(r.Process(nil, pcm), gain, from/2))
				d := source{voice(nil), deliver(stream.Format{Encoding: stream.PCM16, Rate: from}, sound, 333)}
				got, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: text, Rate: rate})
				if err != nil {
					t.Fatal(err)
				}
				peak, active := synthesizertest.Levels(got, rate)
				if math.Abs(active+20) > 1 || peak > -2.9 {
					t.Errorf("%d to %d Hz, gain %v: active speech at %.1f dBFS, peaks at %.1f", from, rate, gain, active, peak)
				}
				lead, trail := around(got, rate)
				if lead > 20 || trail > 100 {
					t.Errorf("%d to %d Hz, gain %v: %d ms of silence before, %d ms after", from, rate, gain, lead, trail)
				}
				if heard := heardIn(got, rate); heard != "good morning this is sunny hill" {
					t.Errorf("%d to %d Hz, gain %v: heard %q", from, rate, gain, heard)
				}
			}
		}
	}
}

// around returns the milliseconds below -40 dBFS at either end.
func around(pcm []int16, rate int) (lead, trail int) {
	loud := func(s int16) bool { return s > 327 || s < -327 }
	lead = slices.IndexFunc(pcm, loud)
	slices.Reverse(pcm)
	trail = slices.IndexFunc(pcm, loud)
	slices.Reverse(pcm)
	return lead * 1000 / rate, trail * 1000 / rate
}

func heardIn(pcm []int16, rate int) string {
	var all []string
	for _, w := range tonewords.NewEar(rate).Write(append(slices.Clone(pcm), make([]int16, rate)...)) {
		all = append(all, w.Text)
	}
	return strings.Join(all, " ")
}

// TestLevelIsRemembered: the second utterance has the voice's level at once, also
// when it is a soft one.
func TestLevelIsRemembered(t *testing.T) {
	t.Parallel()
	levels := &stream.Levels{}
	pcm, _ := tonewords.Speak(text, 8000)
	for _, gain := range []float64{2, 1} {
		d := source{voice(levels), deliver(stream.Format{Encoding: stream.PCM16, Rate: 8000}, bytes(scaled(pcm, gain, 0)), 1000)}
		got, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: text, Rate: 8000})
		if err != nil {
			t.Fatal(err)
		}
		if gain == 2 {
			continue
		}
		if _, first := synthesizertest.Levels(got[:1600], 8000); math.Abs(first+26) > 1.5 {
			t.Errorf("a sentence that is 6 dB softer than the voice begins at %.1f dBFS, want -26", first)
		}
	}
}

// TestSoundComesAtOnce: a known voice is not held back, an unknown one for 100 ms.
func TestSoundComesAtOnce(t *testing.T) {
	t.Parallel()
	levels := &stream.Levels{}
	pcm, _ := tonewords.Speak(text, 8000)
	for i, limit := range []int{1200, 160} {
		given, sent := 0, 0
		d := source{voice(levels), func(_ context.Context, _ string, out *stream.Out) error {
			err := out.Format(stream.Format{Encoding: stream.MuLaw, Rate: 8000})
			for part := range slices.Chunk(audio.EncodeULaw(nil, pcm), 80) {
				sent += len(part)
				if err = errors.Join(err, out.Sound(part)); err != nil {
					return err
				}
			}
			return out.Done()
		}}
		for chunk, err := range d.Speak(t.Context(), synthesizer.Request{Text: text, Rate: 8000}) {
			if err != nil {
				t.Fatal(err)
			}
			if given == 0 && sent > limit {
				t.Errorf("utterance %d: the first sound came after %d samples, want at most %d", i, sent, limit)
			}
			given += len(chunk.PCM)
		}
	}
}

// TestCutAnywhere: wherever the bytes are cut, the sound is the same.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	pcm, _ := tonewords.Speak("a b c", 8000)
	data := bytes(pcm)
	speak := func(s stream.Source) []int16 {
		got, _, err := synthesizertest.Collect(t.Context(), t, source{voice(nil), s}, synthesizer.Request{Text: "a b c", Rate: 8000})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	format := stream.Format{Encoding: stream.PCM16, Rate: 8000}
	want := speak(deliver(format, data, len(data)))
	for _, n := range []int{1, 3, 160, 161} {
		if got := speak(deliver(format, data, n)); !slices.Equal(got, want) {
			t.Errorf("pieces of %d bytes give other sound", n)
		}
	}
	for cut := 0; cut < len(data); cut += 1 + cut/100 {
		got := speak(func(_ context.Context, _ string, out *stream.Out) error {
			return errors.Join(out.Format(format), out.Sound(data[:cut]), out.Sound(data[cut:]), out.Done())
		})
		if !slices.Equal(got, want) {
			t.Fatalf("a cut at byte %d gives other sound", cut)
		}
	}
}

func TestWordTimes(t *testing.T) {
	t.Parallel()
	type said struct {
		text     string
		from, to int // in ms
	}
	for name, c := range map[string]struct {
		text string
		said []said
		want string
	}{
		"as they are":    {"One two, three.", []said{{"One", 0, 200}, {"two,", 200, 500}, {"three.", 600, 900}}, "One 0-200 two, 200-500 three. 600-900"},
		"normalised":     {"At 9:30 we meet.", []said{{"at", 0, 100}, {"nine", 100, 300}, {"thirty", 300, 500}, {"we", 500, 600}, {"meet", 600, 900}}, "At 0-100 9:30 100-500 we 500-600 meet. 600-900"},
		"joined":         {"Sunny Hill", []said{{"SunnyHill", 0, 900}}, "Sunny 0-500 Hill 500-900"},
		"cut":            {"We're ready", []said{{"we", 0, 100}, {"'re", 100, 200}, {"rea", 300, 500}, {"dy", 500, 700}}, "We're 0-200 ready 300-700"},
		"missing":        {"a b c d", []said{{"a", 0, 100}, {"d", 700, 900}}, "a 0-100 b 100-400 c 400-700 d 700-900"},
		"end missing":    {"one two three", []said{{"one", 0, 400}}, "one 0-400 two 400-700 three 700-1000"},
		"never told":     {"one two", nil, ""},
		"nonsense":       {"one two", []said{{"", 0, 0}, {"!", 3, 2}, {"zzz", 5, 9}, {"one", 9e8, -5}, {"two", 0, 0}}, "one 1000-1000 two 1000-1000"},
		"going back":     {"one two", []said{{"one", 300, 500}, {"two", 100, 200}}, "one 300-500 two 500-500"},
		"more than text": {"one", []said{{"one", 0, 300}, {"two", 300, 600}}, "one 0-300"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := source{voice(nil), func(_ context.Context, _ string, out *stream.Out) error {
				if err := out.Format(stream.Format{Encoding: stream.PCM16, Rate: 16000}); err != nil {
					return err
				}
				for _, w := range c.said {
					out.Word(w.text, time.Duration(w.from)*time.Millisecond, time.Duration(w.to)*time.Millisecond)
				}
				tone := make([]int16, 16000)
				for i := range tone {
					tone[i] = int16(3000 * math.Cos(float64(i)/3))
				}
				return errors.Join(out.Sound(bytes(tone)), out.Done())
			}}
			_, words, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: c.text, Rate: 16000})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range words {
				ms := func(sample int64) int64 { return (sample + 8) / 16 }
				got = append(got, fmt.Sprintf("%s %d-%d", c.text[w.Start:w.End], ms(w.FromSample), ms(w.ToSample)))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPatience: the sound may come as slowly as it plays, and a listener may take
// its time; a vendor that is silent for longer fails.
func TestPatience(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vendor, listener time.Duration // time for each 100 ms of sound
		late             bool
	}{
		"as fast as it plays": {vendor: 100 * time.Millisecond},
		"a slow listener":     {vendor: time.Millisecond, listener: time.Minute},
		"half as fast":        {vendor: 200 * time.Millisecond, late: true},
		"silent":              {vendor: time.Hour, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pcm, _ := tonewords.Speak(strings.Repeat("hello ", 40), 8000)
				d := source{voice(nil), func(ctx context.Context, _ string, out *stream.Out) error {
					err := out.Format(stream.Format{Encoding: stream.MuLaw, Rate: 8000})
					for part := range slices.Chunk(audio.EncodeULaw(nil, pcm), 800) {
						select {
						case <-time.After(c.vendor):
						case <-ctx.Done():
							return context.Cause(ctx)
						}
						if err = errors.Join(err, out.Sound(part)); err != nil {
							return err
						}
					}
					return out.Done()
				}}
				var err error
				for _, e := range d.Speak(t.Context(), synthesizer.Request{Text: strings.Repeat("hello ", 40), Rate: 8000}) {
					<-time.After(c.listener)
					err = e
				}
				if late := err != nil && provider.KindOf(err) == provider.Late; late != c.late || !late && err != nil {
					t.Errorf("error = %v", err)
				}
			})
		})
	}
}

func TestEndlessSound(t *testing.T) {
	t.Parallel()
	d := source{voice(nil), func(_ context.Context, _ string, out *stream.Out) error {
		err := out.Format(stream.Format{Encoding: stream.MuLaw, Rate: 8000})
		for err == nil {
			err = out.Sound(make([]byte, 8000))
		}
		return err
	}}
	_, _, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: "a word", Rate: 8000})
	if provider.KindOf(err) != provider.Broken {
		t.Errorf("error = %v", err)
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	c := &provider.Client{Vendor: "somebody"}
	for body, want := range map[string]provider.Kind{
		`{"error":"quota_exceeded","message":"This request exceeds your quota"}`:       provider.Exhausted,
		`{"error":"invalid_api_key"}`:                                                  provider.Unauthorised,
		`{"type":"error","message":"voice not found"}`:                                 provider.Missing,
		`{"error":"x","message":"Too many concurrent requests","code":1008}`:           provider.Limited,
		`{"type":"Warning","description":"Text exceeds the limit of 2000 characters"}`: provider.Rejected,
		`{"type":"Warning","code":"TOO_MANY_FLUSHES","description":"too many"}`:        provider.Limited,
		`{"error":"a mystery"}`: provider.Broken,
		`nonsense`:              provider.Broken,
		`{"error":null}`:        provider.Broken,
	} {
		if got := stream.Refusal(c, 0, []byte(body)); got.Kind != want {
			t.Errorf("%s: got %q, want %q", body, got.Kind, want)
		}
	}
	if got := stream.Refusal(c, 429, []byte(`{}`)); got.Kind != provider.Limited {
		t.Errorf("status 429: got %q", got.Kind)
	}
}

// FuzzWords: whatever a vendor claims to have said, words keep their order and lie
// in text and sound.
func FuzzWords(f *testing.F) {
	f.Add("Good morning, 25 of you!", "good", int64(0), int64(200), "twenty five", int64(100), int64(900))
	f.Add("a \xff b", "\xff", int64(-1), int64(1<<62), "", int64(1<<62), int64(-1<<62))
	f.Fuzz(func(t *testing.T, text, one string, from1, to1 int64, two string, from2, to2 int64) {
		d := source{voice(nil), func(_ context.Context, _ string, out *stream.Out) error {
			if err := out.Format(stream.Format{Encoding: stream.MuLaw, Rate: 8000}); err != nil {
				return err
			}
			loud := make([]byte, 1600)
			for i := range loud {
				loud[i] = byte(0x20 + 0x80*(i%2))
			}
			out.Word(one, time.Duration(from1), time.Duration(to1))
			err := out.Sound(loud[:800])
			out.Word(two, time.Duration(from2), time.Duration(to2))
			return errors.Join(err, out.Sound(loud[800:]), out.Done())
		}}
		pcm, words, err := synthesizertest.Collect(t.Context(), t, d, synthesizer.Request{Text: text, Rate: 8000})
		if err != nil {
			t.Fatal(err)
		}
		at, start := int64(0), 0
		for _, w := range words {
			if w.Start < start || w.End <= w.Start || w.End > len(text) {
				t.Fatalf("word %+v after byte %d of %d", w, start, len(text))
			}
			if w.FromSample < at || w.ToSample <= w.FromSample || w.ToSample > int64(len(pcm)) {
				t.Fatalf("word %+v after sample %d of %d", w, at, len(pcm))
			}
			at, start = w.ToSample, w.End
		}
	})
}
