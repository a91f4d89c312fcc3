package server

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/anthropic"
	"github.com/sidetone/sidetone/standin/assemblyai"
	"github.com/sidetone/sidetone/standin/azure"
	"github.com/sidetone/sidetone/standin/cartesia"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/deepgramspeak"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/google"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/model"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/openaispeech"
	"github.com/sidetone/sidetone/standin/rime"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
)

// TestLive runs the conformance suites of drivers against the vendors themselves, at
// their prices, with the flag -live: those whose keys the environment or the file that
// SIDETONE_CONFIG names has, as the server reads them. Every other is skipped by name.
// CONTRIBUTING.md has the command.
func TestLive(t *testing.T) {
	if flag.Lookup("live").Value.String() != "true" {
		t.Skip("VENDORS THEMSELVES WERE NOT ASKED: -live does, with their keys")
	}
	c, err := LoadConfig(os.Getenv("SIDETONE_CONFIG"), os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	conform(t, c, transcribertest.Harness{Rate: 8000, Paced: true, Speech: liveSound(t), Want: []string{"opening", "hours"}})
}

// livePrompt is a playbook that a model of a vendor's understands, too.
const livePrompt = `You are the receptionist of a ferry office. Answer in a sentence of at least five words.
When the caller says goodbye, call the tool end_conversation.

playbook: Ferry office

when caller says: hours, open
  say: we are open from eight to six.

when caller says: bye
  say: good bye.
  hang up

otherwise:
  say: please say that again.

end of playbook
`

// conform runs the suite of every driver whose vendor the configuration can reach. heard
// is what recognisers hear.
func conform(t *testing.T, c Config, heard transcribertest.Harness) {
	t.Helper()
	guard, err := newGuard(c.Outbound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	ring := keyring{providers: c.Providers, guard: guard, local: &localModels{}, sole: func(context.Context) (bool, error) { return true, nil },
		accounts: func(context.Context, string, string) (*sidetone.Connection, error) { return nil, nil }}
	vendors := newVendors()
	for _, d := range VendorDrivers() {
		for _, config := range liveConfigs(d.Kind) {
			t.Run(strings.TrimSpace(d.Part+" "+d.Kind+" "+config), func(t *testing.T) {
				t.Parallel()
				a := liveAccess(t, ring, c, d)
				ch := choice{Config: json.RawMessage(config), Rate: heard.Rate, Language: "en"}
				switch d.Part {
				case "model":
					name, found := strings.CutPrefix(c.Defaults.Model, d.Kind+"/")
					if !found {
						name = ""
					}
					liveModel(t, vendors.models[d.Kind], a, ch, name)
				case "recogniser":
					transcribertest.Run(t, func(t *testing.T) transcribertest.Harness {
						h := heard
						h.Driver = opened(t, vendors.recognisers[d.Kind], a, ch)
						return h
					})
				default:
					times := slices.Contains([]string{"voice_eleven_labs", "voice_cartesia", "voice_rime"}, d.Kind)
					synthesizertest.Run(t, func(t *testing.T) synthesizertest.Harness {
						return synthesizertest.Harness{Driver: opened(t, vendors.voices[d.Kind], a, ch), WordTimes: times, Speech: true,
							Text: "Good morning, this is Sunny Hill. The committee will see you at nine."}
					})
				}
			})
		}
	}
}

// liveConfigs are the members of transcribers and voices with which a driver is tried.
func liveConfigs(kind string) []string {
	if kind == "transcriber_deepgram" {
		return []string{`{"model":"nova-3"}`, `{"model":"flux-general-en"}`}
	}
	return []string{`{}`}
}

// liveAccess is what a driver reaches its vendor with; the test is skipped where there
// is nothing.
func liveAccess(t *testing.T, ring keyring, c Config, d VendorDriver) access {
	t.Helper()
	p := c.Providers[d.Supplier]
	switch {
	case d.Kind == "harness":
		t.Skip("NOT ASKED: a program of your own is no vendor; make vendors calls one")
	case d.Variable == "" && p.BaseURL == "":
		t.Skipf("NOT ASKED: %s has no address: set SIDETONE_PROVIDERS_%s_BASE_URL", d.Supplier, strings.ToUpper(d.Supplier))
	case d.Variable != "" && p.APIKey == "":
		t.Skipf("NOT ASKED: %s has no key: set %s", d.Supplier, d.Variable)
	}
	a, who, err := ring.find(t.Context(), "live", supplierOf(d.Supplier), ownCredentials{})
	if err != nil || who == "" {
		t.Fatalf("find the key of %s: %q, %v", d.Supplier, who, err)
	}
	return a
}

// opened returns a driver that ends with the test.
func opened[D any](t *testing.T, v vendor[D], a access, ch choice) D {
	t.Helper()
	d := v.open(a, ch)
	if c, ok := any(d).(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return d
}

func liveModel(t *testing.T, v vendor[llm.Driver], a access, ch choice, name string) {
	t.Helper()
	with := func(text string) llm.Request {
		return llm.Request{Model: name, MaxTokens: 200, Seed: "live", Messages: []llm.Message{{Role: llm.System, Text: livePrompt}, {Role: llm.User, Text: text}},
			Tools: []llm.Tool{{Name: "end_conversation", Description: "Ends the call.", Schema: json.RawMessage(`{"type":"object","properties":{}}`)}}}
	}
	llmtest.Run(t, func(t *testing.T) llmtest.Harness {
		return llmtest.Harness{Driver: opened(t, v, a, ch), Request: with("When are you open?"), CallRequest: with("That was all, good bye.")}
	})
}

// liveSound is what recognisers hear at 8 kHz.
func liveSound(t *testing.T) []int16 {
	t.Helper()
	pcm, _ := speech.Spoken(flite.New(flite.Options{Voice: "rms"}))("What are your opening hours?", 8000)
	if len(pcm) == 0 {
		t.Fatal("flite said nothing; run make setup")
	}
	return pcm
}

// TestLiveMeansTheVendors runs what -live runs, with stand-ins behind TLS in the vendors'
// places. They speak and understand tone words, however busy the machine is.
func TestLiveMeansTheVendors(t *testing.T) {
	t.Parallel()
	const key = "live-key-0123456789"
	c := Defaults()
	c.Providers = map[string]ProviderConfig{}
	c.Outbound.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	var trusted []byte
	for name, h := range liveStandins(key) {
		served, err := standin.Start("127.0.0.1:0", h, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := served.Close(); err != nil {
				t.Error(err)
			}
		})
		trusted = append(trusted, served.CA...)
		c.Providers[name] = ProviderConfig{APIKey: key, BaseURL: served.URL + livePath(name), Region: "westeurope"}
	}
	if err := os.WriteFile(c.Outbound.CAFile, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	sound, _ := tonewords.Speak("good morning", 8000)
	conform(t, c, transcribertest.Harness{Rate: 8000, Speech: sound, Want: []string{"good", "morning"}})
}

// livePath is what is behind the host in a vendor's address.
func livePath(name string) string {
	switch name {
	case "deepgram", "assemblyai", "elevenlabs", "cartesia", "azure_speech", "rime", "azure_llm":
		return ""
	case "google":
		return "/v1beta"
	}
	return "/v1"
}

// liveStandins are stand-ins that accept key, by the name of their vendor.
func liveStandins(key string) map[string]http.Handler {
	ears := hearing.Ears(hearing.ToneWords)
	voice := speech.Options{Control: &standin.Control{}, Key: key}
	audio := openaiaudio.New(openaiaudio.Options{Control: &standin.Control{}, Key: key, Ears: ears})
	chat := openai.New(openai.Options{Control: &standin.Control{}, Key: key, Model: model.Playbook{}})
	all := http.NewServeMux()
	all.Handle("/v1/audio/speech", openaispeech.New(voice))
	all.Handle("/v1/realtime", audio)
	all.Handle("/v1/audio/transcriptions", audio)
	all.Handle("/", chat)
	listens := deepgram.New(deepgram.Options{Control: &standin.Control{}, Key: key, Ears: ears})
	dg := http.NewServeMux()
	dg.Handle("/v1/listen", listens)
	dg.Handle("/v2/listen", listens)
	dg.Handle("/", deepgramspeak.New(voice))
	out := map[string]http.Handler{
		"anthropic": anthropic.New(anthropic.Options{Control: &standin.Control{}, Key: key, Model: model.Playbook{}}),
		"google":    google.New(google.Options{Control: &standin.Control{}, Key: key, Model: model.Playbook{}, CallIDs: true}),
		"deepgram":  dg, "assemblyai": assemblyai.New(assemblyai.Options{Control: &standin.Control{}, Key: key, Ears: ears}),
		"elevenlabs": elevenlabs.New(voice), "cartesia": cartesia.New(voice), "azure_speech": azure.New(voice), "rime": rime.New(voice),
	}
	for _, name := range []string{"openai", "azure_llm", "deepseek", "togetherai", "openrouter", "ollama", "whisper", "kokoro"} {
		out[name] = all
	}
	return out
}
