package assemblyai_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	assemblyaistandin "github.com/sidetone/sidetone/standin/assemblyai"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/assemblyai"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "aai-key-0123456789"

// vendor is a driver with its stand-in; the driver shows the key as it is.
func vendor(t *testing.T, rate int, shown string, o assemblyai.Options) transcribertest.Vendor {
	t.Helper()
	control := &standin.Control{}
	c := transcribertest.Serve(t, assemblyaistandin.New(assemblyaistandin.Options{Control: control, Key: key, Ears: hearing.ToneWords}))
	secret := sidetone.Secret(shown)
	o.Base = c.URL
	o.Client = &provider.Client{Vendor: "assemblyai", HTTP: c.HTTP, Secrets: []sidetone.Secret{secret},
		Authorise: func(h http.Header) { h.Set("Authorization", secret.Reveal()) }}
	speech, _ := tonewords.Speak("good morning", rate)
	return transcribertest.Vendor{
		Harness: transcribertest.Harness{Driver: assemblyai.New(o), Rate: rate, Speech: speech, Want: []string{"good", "morning"},
			Kill: func(*testing.T, transcriber.Stream) { c.Cut() }},
		Control: control, Key: shown,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for rate, at := range map[int]string{8000: "8 kHz", 16000: "16 kHz"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			transcribertest.Run(t, func(t *testing.T) transcribertest.Harness { return vendor(t, rate, key, assemblyai.Options{}).Harness })
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor { return vendor(t, 8000, key, assemblyai.Options{}) },
		transcribertest.StatusOutcomes(), transcribertest.SocketOutcomes(), []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Mute}, Fails: provider.Late},
			{Fault: standin.Fault{Kind: standin.Expire}, Fails: provider.Unreachable},
			{Fault: standin.Fault{Kind: standin.Close, Status: 1008, Reason: "Too many concurrent sessions"}, Fails: provider.Limited},
			{Fault: standin.Fault{Kind: standin.Close, Status: 1008, Reason: "Insufficient account balance"}, Fails: provider.Exhausted},
			{Fault: standin.Fault{Kind: standin.Close, Status: 3009, Reason: "Too many sessions"}, Fails: provider.Limited},
		})
}

func TestWrongKey(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, "another-key-0123", assemblyai.Options{})
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := transcribertest.Read(t, s).End(t); provider.KindOf(err) != provider.Unauthorised {
		t.Errorf("the stream ended with %v", err)
	}
}

// talk says each of turns with a pause behind it, and returns the events.
func talk(t *testing.T, v transcribertest.Vendor, language string, turns ...string) (texts []string, ends int) {
	t.Helper()
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: v.Rate, Language: language})
	if err != nil {
		t.Fatal(err)
	}
	events := transcribertest.Read(t, s)
	until := func(done func(transcriber.Event) bool) {
		for {
			e := events.Next(t)
			switch {
			case e.Kind == transcriber.EndOfTurn:
				ends++
			case e.Kind == transcriber.Final && e.Text != "":
				texts = append(texts, e.Text)
			}
			if done(e) {
				return
			}
		}
	}
	at := int64(0)
	for _, turn := range turns {
		speech, _ := tonewords.Speak(turn, v.Rate)
		at = transcribertest.Feed(t, s, speech, v.Rate, at)
		at = transcribertest.Feed(t, s, make([]int16, v.Rate), v.Rate, at)
		until(func(e transcriber.Event) bool { return e.Kind == transcriber.Final })
	}
	s.Finalize()
	until(func(e transcriber.Event) bool { return e.Flushed })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return texts, ends
}

func TestTurns(t *testing.T) {
	t.Parallel()
	for language, want := range map[string]struct {
		model string
		ends  int
	}{"en": {"universal-streaming-english", 2}, "es-MX": {"universal-streaming-multilingual", 2}, "ja": {"whisper-rt", 0}} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			v := vendor(t, 16000, key, assemblyai.Options{KeyTerms: []string{"Sidetone"}})
			texts, ends := talk(t, v, language, "one two", "three four")
			if got := strings.Join(texts, "|"); got != "one two|three four" || ends != want.ends {
				t.Errorf("texts %q and %d ends, want %d", got, ends, want.ends)
			}
			e := v.Control.Ledger()[0]
			if e.Query.Get("speech_model") != want.model || e.Query.Get("encoding") != "pcm_s16le" || e.Query.Get("keyterms_prompt") != `["Sidetone"]` {
				t.Errorf("query %v", e.Query)
			}
			if last := string(e.Body[len(e.Body)-1]); last != `{"type":"Terminate"}` {
				t.Errorf("the last message is %s", last)
			}
		})
	}
}

func TestSessionIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	control := &standin.Control{}
	c := transcribertest.Serve(t, assemblyaistandin.New(assemblyaistandin.Options{Control: control, Ears: hearing.ToneWords}))
	o := assemblyai.Options{Base: c.URL, Client: &provider.Client{Vendor: "assemblyai", HTTP: c.HTTP}}
	s, err := assemblyai.NewShortLived(o, 300*time.Millisecond).Open(t.Context(), transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	said := "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
	transcribertest.InRealTime(t, s, 8000, said, func() bool { return len(control.Ledger()) >= 3 })
}
