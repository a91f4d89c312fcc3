package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
)

// VendorDriver is what users should know of one of the drivers of vendors.
type VendorDriver struct {
	// Part is model, recogniser or voice.
	Part string
	// Kind is the value that chooses it: a provider, or a type.
	Kind string
	// Supplier is what the configuration calls who is paid, Connection the type of its
	// account connections, and Variable the environment variable of its key; "" for
	// none.
	Supplier, Connection, Variable string
	// Languages are the agents' languages that its default model serves; nil: those of
	// the vendor, which are not checked.
	Languages []string
	// Can says what it does besides the least.
	Can string
	// Checked says how its stand-in, and so the driver, is held against the vendor.
	Checked string
}

// noClient says that no official client speaks a protocol.
const noClient = "not validated by a client: "

// facts are what is written down of a driver by hand: what it can, and how it is checked.
func facts() map[string][2]string {
	chat := "streams text, calls tools, counts cached tokens"
	return map[string][2]string{
		"openai":     {chat, "openai 6.49.0; the vendor's OpenAPI file"},
		"anthropic":  {chat + ", marks what may be cached; API of 2023-06-01 or 2026-10-21 (without temperature)", "@anthropic-ai/sdk 1.14.0; recorded streams"},
		"google":     {chat, "@google/genai 2.32.0; recorded streams"},
		"azure_llm":  {chat + ", by deployment and API version", "as openai"},
		"azure":      {"another name of azure_llm", "as openai"},
		"deepseek":   {chat, "as openai"},
		"togetherai": {chat, "as openai"},
		"openrouter": {chat, "as openai"},
		"ollama":     {chat + "; without an address the server on this machine is found", noClient + "the protocol is openai's"},
		"harness": {"a program of your own behind a WebSocket, text only: the frames of Twilio's ConversationRelay, or with protocol retell of Retell's custom LLM; speaks first or unasked, " +
			"gets and presses keys, ends the call; playing files, other languages and transfers are refused by name",
			noClient + "exchanges re-created from the published frames (2026-08-19, 2026-11-28); twilio 6.2.0 checks the signature in a whole call over ws 8.23.0. Looked at on 2026-11-29: " +
				"twilio and retell-sdk 5.66.1 do not speak the frames; twilio-agent-connect, whose sources do, was not found on npm"},

		"transcriber_deepgram":    {"nova: partial texts, times of words, key terms; Flux (model flux-...): ends of turns as well", "@deepgram/sdk 5.13.0, both interfaces; the vendor's AsyncAPI file"},
		"transcriber_assembly_ai": {"partial texts, times of words, key terms, ends of turns", "assemblyai 4.41.5; the vendor's definitions"},
		"transcriber_openai":      {"partial texts; no times of words; noise_suppression sets the vendor's noise_reduction (near_field), which no other recogniser here has", "openai 6.49.0 (realtime); the vendor's OpenAPI file"},
		"transcriber_whisper":     {"a text for each piece of speech, from a server of your own; no partial texts", noClient + "the vendor's OpenAPI file"},

		"voice_eleven_labs": {"text as it comes, times of words", noClient + "the types of elevenlabs-js 2.73.0, whose code covers the HTTP stream only"},
		"voice_openai":      {"sound as it comes; no times of words; 24 kHz, brought to the line's rate", "openai 6.49.0 (audio.speech)"},
		"voice_kokoro":      {"as voice_openai, from a server of your own", noClient + "the protocol is openai's"},
		"voice_deepgram":    {"sound as it comes; no times of words", "@deepgram/sdk 5.13.0 (speak)"},
		"voice_cartesia":    {"text as it comes, times of words", "@cartesia/cartesia-js 4.2.0"},
		"voice_azure":       {"sound as it comes, pitch and rate; no times of words", noClient + "the vendor's documents (REST)"},
		"voice_rime":        {"text as it comes, times of words", noClient + "the vendor's documents"},
	}
}

// VendorDrivers lists the drivers of vendors: models, recognisers and voices, each in the
// order in which they are taken when several keys are there.
func VendorDrivers() []VendorDriver {
	v := newVendors()
	out := rows("model", v.models, modelOrder())
	out = append(out, rows("recogniser", v.recognisers, recogniserOrder())...)
	return append(out, rows("voice", v.voices, voiceOrder())...)
}

func rows[D any](part string, list map[string]vendor[D], order []string) (out []VendorDriver) {
	kinds := slices.Concat(order, slices.Sorted(maps.Keys(list)))
	for i, kind := range kinds {
		v, ok := list[kind]
		if !ok || slices.Contains(kinds[:i], kind) {
			continue
		}
		s, f := supplierOf(v.supplier), facts()[kind]
		row := VendorDriver{Part: part, Kind: kind, Supplier: s.name, Connection: s.account, Variable: s.variable, Can: f[0], Checked: f[1]}
		if v.languages != nil {
			row.Languages = slices.DeleteFunc(sidetone.Languages(), func(l string) bool { return !slices.Contains(v.languages(""), l) })
		}
		out = append(out, row)
	}
	return out
}

// VendorTable is the list as a table in Markdown.
func VendorTable() string {
	var b strings.Builder
	for _, part := range []string{"model", "recogniser", "voice"} {
		b.WriteString("## " + map[string]string{"model": "Language models", "recogniser": "Recognisers", "voice": "Voices"}[part] + "\n\n")
		b.WriteString("| " + map[string]string{"model": "`provider`", "recogniser": "`transcriber.type`", "voice": "`voice.type`"}[part] +
			" | account | key | languages | what it does | checked with |\n|---|---|---|---|---|---|\n")
		for _, d := range VendorDrivers() {
			if d.Part != part {
				continue
			}
			key, languages := "`"+d.Variable+"`", strings.Join(d.Languages, " ")
			if d.Variable == "" {
				key = "none"
			}
			if languages == "" {
				languages = "the vendor's"
			}
			b.WriteString("| `" + strings.Join([]string{d.Kind + "`", "`" + d.Connection + "`", key, languages, d.Can, d.Checked}, " | ") + " |\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}
