package deepgram_test

import (
	"net/http"
	"testing"
	"time"

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
func vendor(t *testing.T, rate int, o deepgram.Options, s deepgramstandin.Options) transcribertest.Vendor {
	t.Helper()
	control := &standin.Control{}
	s.Control, s.Key, s.Ears = control, key, hearing.ToneWords
	c := transcribertest.Serve(t, deepgramstandin.New(s))
	secret := sidetone.Secret(key)
	o.Base = c.URL
	o.Client = &provider.Client{Vendor: "deepgram", HTTP: c.HTTP, Secrets: []sidetone.Secret{secret},
		Authorise: func(h http.Header) { h.Set("Authorization", "Token "+secret.Reveal()) }}
	speech, _ := tonewords.Speak("good morning", rate)
	return transcribertest.Vendor{
		Harness: transcribertest.Harness{Driver: deepgram.New(o), Rate: rate, Speech: speech, Want: []string{"good", "morning"},
			Kill: func(*testing.T, transcriber.Stream) { c.Cut() }},
		Control: control, Key: key,
	}
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
			return vendor(t, 8000, deepgram.Options{}, deepgramstandin.Options{})
		}, transcribertest.StatusOutcomes(), transcribertest.SocketOutcomes(), []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Mute}, Deaf: true},
			{Fault: standin.Fault{Kind: standin.Expire}, Fails: provider.Broken},
			{Fault: standin.Fault{Kind: standin.Close, Status: 1008, Reason: "DATA-0000"}, Fails: provider.Rejected},
		})
	})
	t.Run("flux", func(t *testing.T) {
		t.Parallel()
		transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor {
			return vendor(t, 16000, deepgram.Options{Model: "flux-general-en"}, deepgramstandin.Options{})
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
