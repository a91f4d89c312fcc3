package openai_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/openai"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-openai-0123456789"

// vendor is a driver that make returns, with its stand-in.
func vendor(t *testing.T, rate int, s openaiaudio.Options, make func(client *provider.Client, base string) transcriber.Driver) transcribertest.Vendor {
	t.Helper()
	control := &standin.Control{}
	s.Control, s.Key, s.Ears = control, key, hearing.ToneWords
	c := transcribertest.Serve(t, openaiaudio.New(s))
	secret := sidetone.Secret(key)
	client := &provider.Client{Vendor: "openai", HTTP: c.HTTP, Secrets: []sidetone.Secret{secret},
		Authorise: func(h http.Header) { h.Set("Authorization", "Bearer "+secret.Reveal()) }}
	speech, _ := tonewords.Speak("good morning", rate)
	return transcribertest.Vendor{
		Harness: transcribertest.Harness{Driver: make(client, c.URL+"/v1"), Rate: rate, Speech: speech, Want: []string{"good", "morning"},
			Kill: func(*testing.T, transcriber.Stream) { c.Cut() }},
		Control: control, Key: key,
	}
}

func realtime(client *provider.Client, base string) transcriber.Driver {
	return openai.NewRealtime(openai.Options{Client: client, Base: base})
}

func upload(client *provider.Client, base string) transcriber.Driver {
	return openai.NewUpload(openai.UploadOptions{Client: client, Base: base})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for rate, at := range map[int]string{8000: "8 kHz", 16000: "16 kHz"} {
		t.Run("realtime "+at, func(t *testing.T) {
			t.Parallel()
			transcribertest.Run(t, func(t *testing.T) transcribertest.Harness {
				return vendor(t, rate, openaiaudio.Options{}, realtime).Harness
			})
		})
		t.Run("upload "+at, func(t *testing.T) {
			t.Parallel()
			transcribertest.Run(t, func(t *testing.T) transcribertest.Harness {
				h := vendor(t, rate, openaiaudio.Options{}, upload).Harness
				h.Kill = nil // an upload opens a connection when there is something to upload
				return h
			})
		})
	}
}

func TestRealtimeFaults(t *testing.T) {
	t.Parallel()
	transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor { return vendor(t, 8000, openaiaudio.Options{}, realtime) },
		transcribertest.StatusOutcomes(), transcribertest.SocketOutcomes(), []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Mute}, Fails: provider.Late},
			{Fault: standin.Fault{Kind: standin.Expire}, Fails: provider.Unreachable},
			{Fault: standin.Fault{Kind: standin.InBand, Reason: "insufficient_quota"}, Fails: provider.Exhausted},
			{Fault: standin.Fault{Kind: standin.Status, Status: 429, Reason: "insufficient_quota"}, Fails: provider.Exhausted},
		})
}

func TestUploadFaults(t *testing.T) {
	t.Parallel()
	transcribertest.Faults(t, func(t *testing.T) transcribertest.Vendor { return vendor(t, 16000, openaiaudio.Options{}, upload) },
		transcribertest.StatusOutcomes()[:1], transcribertest.StatusOutcomes()[2:], []transcribertest.Outcome{
			{Fault: standin.Fault{Kind: standin.Reset}, Fails: provider.Unreachable},
			{Fault: standin.Fault{Kind: standin.Malformed}, Fails: provider.Broken},
			{Fault: standin.Fault{Kind: standin.EmptySuccess}, Fails: provider.Empty},
			{Fault: standin.Fault{Kind: standin.NoStart}, Fails: provider.Empty},
			{Fault: standin.Fault{Kind: standin.InBand}, Fails: provider.Empty},
			{Fault: standin.Fault{Kind: standin.Oversized}, Fails: provider.Broken},
			{Fault: standin.Fault{Kind: standin.Slow}},
			{Fault: standin.Fault{Kind: standin.Unknown}},
			{Fault: standin.Fault{Kind: standin.Null}},
			{Fault: standin.Fault{Kind: standin.Blank}, Deaf: true},
		})
}

// Two servers that never answer end the stream when its time is up.
func TestUploadIsBounded(t *testing.T) {
	t.Parallel()
	for _, kind := range []standin.Kind{standin.HalfOpen, standin.Mute} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			v := vendor(t, 8000, openaiaudio.Options{}, func(client *provider.Client, base string) transcriber.Driver {
				return openai.NewImpatientUpload(openai.UploadOptions{Client: client, Base: base}, 200*time.Millisecond)
			})
			v.Control.Inject(standin.Fault{Kind: kind})
			s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			transcribertest.Feed(t, s, v.Speech, 8000, 0)
			s.Finalize()
			if err := transcribertest.Read(t, s).End(t); provider.KindOf(err) != provider.Late {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
}

func TestUploadSendsSpeechOnly(t *testing.T) {
	t.Parallel()
	v := vendor(t, 8000, openaiaudio.Options{}, func(client *provider.Client, base string) transcriber.Driver {
		return openai.NewUpload(openai.UploadOptions{Client: client, Base: base, KeyTerms: []string{"Sidetone"}})
	})
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000, Language: "en-GB", KeyTerms: []string{"trunk"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	events := transcribertest.Read(t, s)
	at := transcribertest.Feed(t, s, make([]int16, 80000), 8000, 0)
	s.Finalize()
	if got := events.Flushed(t); got != "" {
		t.Errorf("silence became %q", got)
	}
	if n := len(v.Control.Ledger()); n != 0 {
		t.Errorf("silence was uploaded %d times", n)
	}
	at = transcribertest.Feed(t, s, v.Speech, 8000, at)
	transcribertest.Feed(t, s, make([]int16, 1600), 8000, at)
	s.Finalize()
	e := events.Next(t)
	want := 10*time.Second + 20*time.Millisecond
	if e.Text != "good morning" || len(e.Words) != 2 || e.Words[0].From < want-30*time.Millisecond || e.Words[0].From > want+30*time.Millisecond {
		t.Errorf("final %+v", e)
	}
	var fields map[string][]string
	if err := json.Unmarshal(v.Control.Ledger()[0].Body[0], &fields); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"model": "whisper-1", "language": "en", "prompt": "Sidetone, trunk", "response_format": "verbose_json"} {
		if got := strings.Join(fields[name], ","); got != want {
			t.Errorf("field %s is %q, want %q", name, got, want)
		}
	}
}

func TestRealtimeSaysWhatItWants(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"":                     `"transcription":{"keywords":["Sidetone"],"languages":["es"],"model":"gpt-live-transcribe"}`,
		"gpt-4o-transcribe":    `"transcription":{"language":"es","model":"gpt-4o-transcribe","prompt":"Sidetone"}`,
		"gpt-realtime-whisper": `"transcription":{"language":"es","model":"gpt-realtime-whisper"}`,
	} {
		v := vendor(t, 16000, openaiaudio.Options{}, func(client *provider.Client, base string) transcriber.Driver {
			return openai.NewRealtime(openai.Options{Client: client, Base: base, Model: model, KeyTerms: []string{"Sidetone"}})
		})
		s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 16000, Language: "es"})
		if err != nil {
			t.Fatal(err)
		}
		events := transcribertest.Read(t, s)
		at := transcribertest.Feed(t, s, v.Speech, 16000, 0)
		transcribertest.Feed(t, s, make([]int16, 1600), 16000, at)
		s.Finalize()
		if got := events.Flushed(t); got != "good morning" {
			t.Errorf("model %q heard %q", model, got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		hello := string(v.Control.Ledger()[0].Body[0])
		if !strings.Contains(hello, want) || !strings.Contains(hello, `"format":{"rate":24000,"type":"audio/pcm"}`) || !strings.Contains(hello, `"turn_detection":null`) {
			t.Errorf("the session is %s", hello)
		}
	}
}

func TestSessionIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	var control *standin.Control
	v := vendor(t, 8000, openaiaudio.Options{}, func(client *provider.Client, base string) transcriber.Driver {
		return openai.NewShortLived(openai.Options{Client: client, Base: base}, 300*time.Millisecond)
	})
	control = v.Control
	s, err := v.Driver.Open(t.Context(), transcriber.Config{Rate: 8000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	transcribertest.InRealTime(t, s, 8000, "one two three four five six seven eight nine ten", func() bool { return len(control.Ledger()) >= 3 })
}
