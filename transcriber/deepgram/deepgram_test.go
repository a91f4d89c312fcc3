package deepgram_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	deepgramstandin "github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/deepgram"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "dg-key-0123456789"

// vendor is a driver with its stand-in.
func vendor(t *testing.T, rate int, o deepgram.Options, s deepgramstandin.Options) fixture {
	t.Helper()
	control := &standin.Control{}
	s.Control, s.Key, s.Ears = control, key, hearing.ToneWords
	c := transcribertest.Serve(t, deepgramstandin.New(s))
	secret := sidetone.Secret(key)
	o.Base = c.URL
	o.Client = &provider.Client{Vendor: "deepgram", HTTP: c.HTTP, Secrets: []sidetone.Secret{secret},
		Authorise: func(h http.Header) { h.Set("Authorization", "Token "+secret.Reveal()) }}
	speech, _ := tonewords.Speak("good morning", rate)
	return fixture{Base: o.Base, Client: o.Client, Vendor: transcribertest.Vendor{
		Harness: transcribertest.Harness{Driver: deepgram.New(o), Rate: rate, Speech: speech, Want: []string{"good", "morning"},
			Kill: func(*testing.T, transcriber.Stream) { c.Cut() }},
		Control: control, Key: key,
	}}
}

// fixture is a driver with its stand-in, and what another driver needs to reach it.
type fixture struct {
	transcribertest.Vendor
	Base   string
	Client *provider.Client
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, model := range map[string]string{"nova": "", "flux": "flux"} {
		for rate, at := range map[int]string{8000: "8 kHz", 16000: "16 kHz"} {
			t.Run(name+" "+at, func(t *testing.T) {
				t.Parallel()
				transcribertest.Run(t, func(t *testing.T) transcribertest.Harness {
					return vendor(t, rate, deepgram.Options{Model: model}, deepgramstandin.Options{}).Harness
				})
			})
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("nova", func(t *testing.T) {
		t.Parallel()
		transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor {
			return vendor(t, 8000, deepgram.Options{}, deepgramstandin.Options{}).Vendor
		}, transcribertest.StatusOutcomes(), transcribertest.SocketOutcomes(), []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Mute}, Deaf: true},
			{Fault: standin.Fault{Kind: standin.Expire}, Fails: provider.Broken},
			{Fault: standin.Fault{Kind: standin.Close, Status: 1008, Reason: "DATA-0000"}, Fails: provider.Rejected},
		})
	})
	t.Run("flux", func(t *testing.T) {
		t.Parallel()
		transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor {
			return vendor(t, 16000, deepgram.Options{Model: "flux-general-en"}, deepgramstandin.Options{}).Vendor
		}, transcribertest.StatusOutcomes(), transcribertest.SocketOutcomes(), []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Mute}, Fails: provider.Late},
			{Fault: standin.Fault{Kind: standin.Expire}, Fails: provider.Unreachable},
		})
	})
}

func TestWordsHaveTimes(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, deepgram.Options{}, deepgramstandin.Options{})
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: v.Rate, Language: "en"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	events := transcribertest.Read(t, s)
	at := transcribertest.Feed(t, s, make([]int16, 4000), v.Rate, 0)
	at = transcribertest.Feed(t, s, v.Speech, v.Rate, at)
	transcribertest.Feed(t, s, make([]int16, 800), v.Rate, at)
	s.Finalize()
	_, words := tonewords.Speak("good morning", v.Rate)
	for e := events.Next(t); ; e = events.Next(t) {
		if e.Kind != transcriber.Final || len(e.Words) == 0 {
			continue
		}
		if len(e.Words) > len(words) {
			t.Fatalf("words %v", e.Words)
		}
		want := 500*time.Millisecond + time.Duration(words[0].FromSample)*time.Second/8000
		if off := e.Words[0].From - want; e.Words[0].Text != "good" || off < -2*time.Millisecond || off > 2*time.Millisecond {
			t.Errorf("first word %+v, want it at %v", e.Words[0], want)
		}
		return
	}
}

// heard says words with the pauses of a caller and returns what the stream tells.
func heard(t *testing.T, v fixture, finalize bool, until func(transcriber.Event) bool, bursts ...string) (lines []string) {
	t.Helper()
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: v.Rate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	events := transcribertest.Read(t, s)
	at := int64(0)
	for _, burst := range bursts {
		speech, _ := tonewords.Speak(burst, v.Rate)
		at = transcribertest.Feed(t, s, speech, v.Rate, at)
		at = transcribertest.Feed(t, s, make([]int16, v.Rate*35/100), v.Rate, at)
	}
	if finalize {
		s.Finalize()
	} else {
		transcribertest.Feed(t, s, make([]int16, v.Rate/2), v.Rate, at)
	}
	names := map[transcriber.Kind]string{transcriber.Partial: "partial", transcriber.Final: "final", transcriber.EndOfTurn: "end",
		transcriber.EagerEndOfTurn: "eager", transcriber.TurnResumed: "resumed"}
	for {
		e := events.Next(t)
		line := strings.TrimSpace(names[e.Kind] + " " + e.Text)
		if e.Flushed {
			line += " (flushed)"
		}
		lines = append(lines, line)
		if until(e) {
			return lines
		}
	}
}

func TestFluxFindsEndsOfTurns(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, deepgram.Options{Model: "flux", EagerThreshold: 0.4}, deepgramstandin.Options{})
	got := heard(t, v, false, func(e transcriber.Event) bool { return e.Kind == transcriber.EndOfTurn }, "one", "two")
	want := []string{"partial one", "partial one", "eager", "resumed", "partial one two", "partial one two", "partial one two", "eager", "final one two", "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if q := v.Control.Ledger()[0].Query; q.Get("model") != "flux-general-en" || q.Get("eager_eot_threshold") != "0.4" || q.Get("encoding") != "mulaw" {
		t.Errorf("query %v", q)
	}
}

// Without ForceEndTurn a Finalize is answered with what is known when its time is
// up, and the turn goes on with the rest.
func TestFluxFinalize(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		v := vendor(t, 16000, deepgram.Options{Model: "flux-general-en", ForceEnd: force}, deepgramstandin.Options{})
		got := heard(t, v, true, func(e transcriber.Event) bool { return e.Flushed }, "one two")
		if last := got[len(got)-1]; last != "final one two (flushed)" || slices.Contains(got, "end") {
			t.Errorf("with force %v: %q", force, got)
		}
	}
}

func TestFluxTurnGoesOnAfterFinalize(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, deepgram.Options{Model: "flux"}, deepgramstandin.Options{})
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	events := transcribertest.Read(t, s)
	at := transcribertest.Feed(t, s, v.Speech, 8000, 0)
	at = transcribertest.Feed(t, s, make([]int16, 1600), 8000, at)
	s.Finalize()
	if got := events.Flushed(t); got != "good morning" {
		t.Errorf("first %q", got)
	}
	more, _ := tonewords.Speak("to you", 8000)
	at = transcribertest.Feed(t, s, more, 8000, at)
	transcribertest.Feed(t, s, make([]int16, 8000), 8000, at)
	for e := events.Next(t); ; e = events.Next(t) {
		if e.Kind == transcriber.Final {
			if e.Text != "to you" {
				t.Errorf("then %q", e.Text)
			}
			break
		}
	}
	if e := events.Next(t); e.Kind != transcriber.EndOfTurn {
		t.Errorf("behind it %+v", e)
	}
}

// A deployment without ForceEndTurn closes: the driver must not send it unasked.
func TestFluxIsNotForcedUnasked(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, deepgram.Options{Model: "flux"}, deepgramstandin.Options{Unforced: true})
	if got := heard(t, v, true, func(e transcriber.Event) bool { return e.Flushed }, "one"); got[len(got)-1] != "final one (flushed)" {
		t.Errorf("%q", got)
	}
	v = vendor(t, 8000, deepgram.Options{Model: "flux", ForceEnd: true}, deepgramstandin.Options{Unforced: true})
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	transcribertest.Feed(t, s, v.Speech, 8000, 0)
	s.Finalize()
	if err := transcribertest.Read(t, s).End(t); provider.KindOf(err) != provider.Rejected {
		t.Errorf("a refused ForceEndTurn is %v", err)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		options  deepgram.Options
		language string
		want     string
	}{
		{deepgram.Options{KeyTerms: []string{"Sidetone:2.5", "trunk"}}, "de", "encoding=mulaw&interim_results=true&keyterm=Sidetone&keyterm=trunk&language=de&model=nova-3&punctuate=true&sample_rate=8000"},
		{deepgram.Options{Model: "nova-2", Endpointing: 300, KeyTerms: []string{"Sidetone:2.5"}}, "", "encoding=mulaw&endpointing=300&interim_results=true&keywords=Sidetone%3A2.5&language=en&model=nova-2&punctuate=true&sample_rate=8000"},
		{deepgram.Options{Endpointing: -1}, "en-GB", "encoding=mulaw&endpointing=false&interim_results=true&language=en-GB&model=nova-3&punctuate=true&sample_rate=8000"},
		{deepgram.Options{Model: "flux", EndThreshold: 0.8, EndTimeout: 3000, KeyTerms: []string{"Sidetone:2"}}, "ja", "encoding=mulaw&eot_threshold=0.8&eot_timeout_ms=3000&keyterm=Sidetone&language_hint=ja&model=flux-general-multi&sample_rate=8000"},
	}
	for _, test := range tests {
		v := vendor(t, 8000, test.options, deepgramstandin.Options{})
		s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000, Language: test.language})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := v.Control.Ledger()[0].Query.Encode(); got != test.want {
			t.Errorf("query %s\nwant  %s", got, test.want)
		}
	}
}

func TestLanguagesThatAreNotServed(t *testing.T) {
	t.Parallel()
	for model, language := range map[string]string{"flux": "ko", "flux-general-en": "es", "flux-general-multi": "id"} {
		v := vendor(t, 8000, deepgram.Options{Model: model}, deepgramstandin.Options{})
		if _, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000, Language: language}); provider.KindOf(err) != provider.Rejected {
			t.Errorf("%s in %q: %v", model, language, err)
		}
	}
}

// The vendor closes what is silent for 10 s; a message in time keeps it open.
func TestKeepsAlive(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"nova-3", "flux"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			v := vendor(t, 8000, deepgram.Options{Model: model}, deepgramstandin.Options{})
			d := deepgram.NewRestless(deepgram.Options{Model: model, Base: v.Base, Client: v.Client}, 20*time.Millisecond)
			s, err := d.Open(t.Context(), transcriber.Config{Rate: 8000})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			events := transcribertest.Read(t, s)
			transcribertest.Feed(t, s, make([]int16, 8000), 8000, 0)
			for model == "nova-3" && len(v.Control.Ledger()[0].Body) < 3 {
				<-time.After(5 * time.Millisecond)
			}
			for range 20 {
				<-time.After(10 * time.Millisecond)
			}
			at := transcribertest.Feed(t, s, v.Speech, 8000, 8000)
			transcribertest.Feed(t, s, make([]int16, 1600), 8000, at)
			s.Finalize()
			for e := events.Next(t); ; e = events.Next(t) {
				if len(e.Words) == 0 || e.Kind != transcriber.Final {
					continue
				}
				// Silence that was inserted must not move the words.
				if off := e.Words[0].From - time.Second; off < -30*time.Millisecond || off > 30*time.Millisecond {
					t.Errorf("the first word is at %v, want 1s", e.Words[0].From)
				}
				return
			}
		})
	}
}
