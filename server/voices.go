package server

import (
	"cmp"
	"encoding/json"

	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/azure"
	"github.com/sidetone/sidetone/synthesizer/cartesia"
	"github.com/sidetone/sidetone/synthesizer/deepgram"
	"github.com/sidetone/sidetone/synthesizer/elevenlabs"
	"github.com/sidetone/sidetone/synthesizer/openai"
	"github.com/sidetone/sidetone/synthesizer/rime"
	"github.com/sidetone/sidetone/synthesizer/stream"
)

// voices are the voices of vendors, by type. All calls share what is known of how
// loud a voice is.
func voices() map[string]vendor[synthesizer.Driver] {
	levels := &stream.Levels{}
	return map[string]vendor[synthesizer.Driver]{
		"voice_eleven_labs": {supplier: "elevenlabs", languages: elevenlabs.Languages, open: func(a access, ch choice) synthesizer.Driver {
			c := readVoice(ch)
			return elevenlabs.New(elevenlabs.Options{Client: vendorClient("elevenlabs", a, header("xi-api-key", "", a.Key)), Base: a.Base, Voice: c.name(), Model: c.ModelID,
				Stability: c.Stability, SimilarityBoost: c.SimilarityBoost, Levels: levels})
		}},
		"voice_openai": {supplier: "openai", open: func(a access, ch choice) synthesizer.Driver {
			return openVoice("openai", a, ch, levels, "", "")
		}},
		"voice_kokoro": {supplier: "kokoro", open: func(a access, ch choice) synthesizer.Driver {
			return openVoice("kokoro", a, ch, levels, "kokoro", "af_heart")
		}},
		"voice_deepgram": {supplier: "deepgram", languages: deepgram.Languages, open: func(a access, ch choice) synthesizer.Driver {
			c := readVoice(ch)
			return deepgram.New(deepgram.Options{Client: vendorClient("deepgram", a, header("Authorization", "Token ", a.Key)), Base: a.Base,
				Voice: cmp.Or(c.name(), c.ModelID, deepgram.VoiceFor(ch.Language)), Levels: levels})
		}},
		"voice_cartesia": {supplier: "cartesia", open: func(a access, ch choice) synthesizer.Driver {
			c := readVoice(ch)
			return cartesia.New(cartesia.Options{Client: vendorClient("cartesia", a, header("Authorization", "Bearer ", a.Key)), Base: a.Base, Voice: c.name(), Model: c.ModelID, Levels: levels})
		}},
		"voice_azure": {supplier: "azure_speech", open: func(a access, ch choice) synthesizer.Driver {
			c := readVoice(ch)
			return azure.New(azure.Options{Client: vendorClient("azure_speech", a, header("Ocp-Apim-Subscription-Key", "", a.Key)), Base: a.Base, Region: a.Settings["region"],
				Voice: c.name(), Pitch: c.Pitch, Rate: c.Rate, Levels: levels})
		}},
		"voice_rime": {supplier: "rime", languages: rime.Languages, open: func(a access, ch choice) synthesizer.Driver {
			c := readVoice(ch)
			return rime.New(rime.Options{Client: vendorClient("rime", a, header("Authorization", "Bearer ", a.Key)), Base: a.Base, Voice: c.name(), Model: c.ModelID, SpeedAlpha: c.SpeedAlpha, Levels: levels})
		}},
	}
}

// openVoice opens a voice with the interface of OpenAI.
func openVoice(vendor string, a access, ch choice, levels *stream.Levels, model, name string) synthesizer.Driver {
	c := readVoice(ch)
	o := openai.Options{Client: vendorClient(vendor, a, header("Authorization", "Bearer ", a.Key)), Base: a.Base, Voice: cmp.Or(c.name(), name), Model: cmp.Or(c.ModelID, model), Levels: levels}
	if c.Speed != nil {
		o.Speed = *c.Speed
	}
	return openai.New(o)
}

// voiceConfig are the members of all types of voices that drivers read; support.Taken
// leaves out what a type does not take.
type voiceConfig struct {
	Voice           string   `json:"voice"`
	VoiceID         string   `json:"voice_id"`
	VoiceName       string   `json:"voice_name"`
	Speaker         string   `json:"speaker"`
	ModelID         string   `json:"model_id"`
	Stability       *float64 `json:"stability"`
	SimilarityBoost *float64 `json:"similarity_boost"`
	SpeedAlpha      *float64 `json:"speed_alpha"`
	Speed           *float64 `json:"speed"`
	Pitch           int      `json:"pitch"`
	Rate            int      `json:"rate"`
}

func readVoice(ch choice) voiceConfig {
	var c voiceConfig
	_ = json.Unmarshal(ch.Config, &c) // a member of another type counts as none
	return c
}

// name is the vendor's name of the voice, which types call differently.
func (c voiceConfig) name() string { return cmp.Or(c.Voice, c.VoiceID, c.VoiceName, c.Speaker) }
