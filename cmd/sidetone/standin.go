package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/standin"
	anthropicstandin "github.com/sidetone/sidetone/standin/anthropic"
	"github.com/sidetone/sidetone/standin/assemblyai"
	"github.com/sidetone/sidetone/standin/azure"
	"github.com/sidetone/sidetone/standin/cartesia"
	deepgramstandin "github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/deepgramspeak"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	googlestandin "github.com/sidetone/sidetone/standin/google"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/model"
	openaistandin "github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/openaispeech"
	"github.com/sidetone/sidetone/standin/rime"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/transcriber/pocketsphinx"
)

// standins are the vendors that have a stand-in. Those that recognise speech listen
// with ears; those that speak do so with say, nil for tone words.
func standins(ears hearing.Ears, say speaker) map[string]func(c *standin.Control, key string) http.Handler {
	return map[string]func(*standin.Control, string) http.Handler{
		"anthropic": func(c *standin.Control, key string) http.Handler {
			return anthropicstandin.New(anthropicstandin.Options{Control: c, Key: key, Model: model.Playbook{}})
		},
		"google": func(c *standin.Control, key string) http.Handler {
			return googlestandin.New(googlestandin.Options{Control: c, Key: key, Model: model.Playbook{}, CallIDs: true})
		},
		"openai": func(c *standin.Control, key string) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/v1/audio/speech", openaispeech.New(speech.Options{Control: c, Key: key, Speak: say}))
			recogniser := openaiaudio.New(openaiaudio.Options{Control: c, Key: key, Ears: ears})
			mux.Handle("/v1/realtime", recogniser)
			mux.Handle("/v1/audio/transcriptions", recogniser)
			mux.Handle("/", openaistandin.New(openaistandin.Options{Control: c, Key: key, Model: model.Playbook{}}))
			return mux
		},
		"deepgram": func(c *standin.Control, key string) http.Handler {
			mux := http.NewServeMux()
			recogniser := deepgramstandin.New(deepgramstandin.Options{Control: c, Key: key, Ears: ears})
			mux.Handle("/v1/listen", recogniser)
			mux.Handle("/v2/listen", recogniser)
			mux.Handle("/", deepgramspeak.New(speech.Options{Control: c, Key: key, Speak: say}))
			return mux
		},
		"pipeline": func(c *standin.Control, key string) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/v1/listen", deepgramstandin.New(deepgramstandin.Options{Control: c, Key: key, Ears: ears}))
			mux.Handle("/v1/chat/completions", openaistandin.New(openaistandin.Options{Control: c, Key: key, Model: model.Fixed(pipelineAnswer)}))
			mux.Handle("/", elevenlabs.New(speech.Options{Control: c, Key: key}))
			return mux
		},
		"assemblyai": func(c *standin.Control, key string) http.Handler {
			return assemblyai.New(assemblyai.Options{Control: c, Key: key, Ears: ears})
		},
		"elevenlabs": func(c *standin.Control, key string) http.Handler {
			return elevenlabs.New(speech.Options{Control: c, Key: key, Speak: say})
		},
		"cartesia": func(c *standin.Control, key string) http.Handler {
			return cartesia.New(speech.Options{Control: c, Key: key, Speak: say})
		},
		"azure": func(c *standin.Control, key string) http.Handler {
			return azure.New(speech.Options{Control: c, Key: key, Speak: say})
		},
		"rime": func(c *standin.Control, key string) http.Handler {
			return rime.New(speech.Options{Control: c, Key: key, Speak: say})
		},
	}
}

// pipelineAnswer has no letter of what the callers of the benchmark say: their tones
// would pass for the echo of the agent's.
const pipelineAnswer = "Try my thick burry brick."

// speaker makes the sound of a text.
type speaker = func(text string, rate int) ([]int16, []synthesizer.Word)

type standinCommand struct {
	Vendor    string   `arg:"" help:"Whose place to take; a wrong name lists those there are."`
	Addr      string   `help:"Address to listen at; port 0 takes a free one." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
	TLS       bool     `name:"tls" help:"Serve TLS, by a certificate that is made for it."`
	CAFile    string   `name:"ca-file" help:"Write the certificate that clients must trust here, PEM." placeholder:"PATH"`
	Key       string   `help:"Accept only this key; without it, any." placeholder:"KEY"`
	Fault     []string `help:"Go wrong, such as \"status?status=429&retry-after=2s&times=1\"; may be repeated." placeholder:"FAULT" sep:"none"`
	Speech    bool     `help:"Understand real speech, by pocketsphinx, and speak, by flite, in place of tone words."`
	ReadyFile string   `help:"Write {url, websocket_url, ca_file} here once it serves." placeholder:"PATH"`
}

// Run serves until a signal comes.
func (s standinCommand) Run(a *app) error {
	ears, voice := hearing.Ears(hearing.ToneWords), speaker(nil)
	if s.Speech {
		voice = speech.Spoken(flite.New(flite.Options{}))
		ears = hearing.Speech(pocketsphinx.New(pocketsphinx.Options{MaxStreams: 16, FlushWait: 2 * time.Second}))
	}
	vendor, ok := standins(ears, voice)[s.Vendor]
	if !ok {
		return fmt.Errorf("there is no stand-in for %q; there are: %s", s.Vendor, strings.Join(slices.Sorted(maps.Keys(standins(ears, voice))), ", "))
	}
	control := &standin.Control{}
	for _, text := range s.Fault {
		f, err := standin.ParseFault(text)
		if err != nil {
			return err
		}
		control.Inject(f)
	}
	served, err := standin.Start(s.Addr, control.Admin(vendor(control, s.Key)), s.TLS)
	if err != nil {
		return err
	}
	if err := s.announce(a, served); err != nil {
		_ = served.Close() // what went wrong is the other error
		return err
	}
	return served.Wait(a.ctx)
}

// announce says where the stand-in is found.
func (s standinCommand) announce(a *app, served *standin.Server) error {
	if s.CAFile != "" && served.CA != nil {
		if err := os.WriteFile(s.CAFile, served.CA, 0o600); err != nil {
			return fmt.Errorf("write the certificate: %w", err)
		}
	}
	if s.ReadyFile != "" {
		raw, err := json.Marshal(map[string]string{"url": served.URL, "websocket_url": served.WebSocketURL(), "ca_file": s.CAFile})
		if err != nil {
			return err
		}
		if err := writeWhole(s.ReadyFile, raw); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "%s stands in at %s\n", s.Vendor, served.URL)
	if served.CA != nil && s.CAFile == "" {
		fmt.Fprintf(a.out, "clients must trust this certificate:\n%s", served.CA)
	}
	return nil
}

// writeWhole writes a file so that nobody reads half of it.
func writeWhole(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
