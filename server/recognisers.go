package server

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/assemblyai"
	"github.com/sidetone/sidetone/transcriber/deepgram"
	"github.com/sidetone/sidetone/transcriber/openai"
)

// recognisers are the recognisers of vendors, by the type of a transcriber.
func recognisers() map[string]vendor[transcriber.Driver] {
	return map[string]vendor[transcriber.Driver]{
		"transcriber_deepgram":    {supplier: "deepgram", languages: deepgram.Languages, finalWait: deepgramFinal, open: openDeepgram},
		"transcriber_assembly_ai": {supplier: "assemblyai", languages: assemblyai.Languages, finalWait: always(1200 * time.Millisecond), open: openAssemblyAI},
		"transcriber_openai":      {supplier: "openai", languages: openai.Languages, finalWait: always(2500 * time.Millisecond), open: openRealtime},
		"transcriber_whisper":     {supplier: "whisper", languages: openai.Languages, finalWait: always(2500 * time.Millisecond), open: openUpload},
	}
}

// always is the wait for the final of all models of a recogniser.
func always(wait time.Duration) func(string) time.Duration {
	return func(string) time.Duration { return wait }
}

// deepgramFinal is that of Deepgram's models. Nova is told to Finalize. Flux is not: it
// ends turns by itself, most of them within 1.5 s of the last word, which is not verified
// with the vendor (https://developers.deepgram.com/docs/flux/quickstart); what has no end
// by then is taken as it stands.
func deepgramFinal(model string) time.Duration {
	if strings.HasPrefix(model, "flux") {
		return 1500 * time.Millisecond
	}
	return time.Second
}

// transcriberConfig are the members of a transcriber that recognisers of vendors
// know; a vendor's own defaults take the place of zeros.
type transcriberConfig struct {
	Model string `json:"model"`
	// Endpointing is for how many milliseconds of silence Deepgram's nova waits
	// before it gives out a final; false switches that off.
	Endpointing json.RawMessage `json:"endpointing"`
	// EOTThreshold, EagerEOTThreshold and EOTTimeoutMS are Flux's; the first is
	// AssemblyAI's, too.
	EOTThreshold      float64 `json:"eot_threshold"`
	EagerEOTThreshold float64 `json:"eager_eot_threshold"`
	EOTTimeoutMS      int     `json:"eot_timeout_ms"`
	ForceEndTurn      bool    `json:"force_end_turn"`
	// MinTurnSilence and MaxTurnSilence are AssemblyAI's, in milliseconds.
	MinTurnSilence int `json:"min_turn_silence"`
	MaxTurnSilence int `json:"max_turn_silence"`
}

// transcriberOf reads the members; those of another form count as absent.
func transcriberOf(ch choice) (t transcriberConfig) {
	var members map[string]json.RawMessage
	if json.Unmarshal(ch.Config, &members) != nil {
		return t
	}
	for name, into := range map[string]any{
		"model": &t.Model, "endpointing": &t.Endpointing, "eot_threshold": &t.EOTThreshold, "eager_eot_threshold": &t.EagerEOTThreshold,
		"eot_timeout_ms": &t.EOTTimeoutMS, "force_end_turn": &t.ForceEndTurn, "min_turn_silence": &t.MinTurnSilence, "max_turn_silence": &t.MaxTurnSilence,
	} {
		_ = json.Unmarshal(members[name], into)
	}
	return t
}

// endpointing is Endpointing as Deepgram's driver has it.
func (t transcriberConfig) endpointing() int {
	var on bool
	var ms int
	switch {
	case json.Unmarshal(t.Endpointing, &on) == nil && !on && string(t.Endpointing) != "null":
		return -1
	case json.Unmarshal(t.Endpointing, &ms) == nil:
		return ms
	}
	return 0
}

func openDeepgram(a access, ch choice) transcriber.Driver {
	t := transcriberOf(ch)
	return deepgram.New(deepgram.Options{
		Client: vendorClient("deepgram", a, header("Authorization", "Token ", a.Key)), Base: a.Base, Model: t.Model, KeyTerms: ch.KeyTerms, Endpointing: t.endpointing(),
		EndThreshold: t.EOTThreshold, EagerThreshold: t.EagerEOTThreshold, EndTimeout: t.EOTTimeoutMS, ForceEnd: t.ForceEndTurn,
	})
}

func openAssemblyAI(a access, ch choice) transcriber.Driver {
	t := transcriberOf(ch)
	return assemblyai.New(assemblyai.Options{
		Client: vendorClient("assemblyai", a, header("Authorization", "", a.Key)), Base: a.Base, Model: t.Model, KeyTerms: ch.KeyTerms,
		EndThreshold: t.EOTThreshold, MinSilence: t.MinTurnSilence, MaxSilence: t.MaxTurnSilence,
	})
}

func openRealtime(a access, ch choice) transcriber.Driver {
	return openai.NewRealtime(openai.Options{Client: vendorClient("openai", a, header("Authorization", "Bearer ", a.Key)), Base: a.Base, Model: transcriberOf(ch).Model, KeyTerms: ch.KeyTerms, LessNoise: ch.LessNoise})
}

func openUpload(a access, ch choice) transcriber.Driver {
	return openai.NewUpload(openai.UploadOptions{Client: vendorClient("whisper", a, header("Authorization", "Bearer ", a.Key)), Base: a.Base, Model: transcriberOf(ch).Model, KeyTerms: ch.KeyTerms})
}
