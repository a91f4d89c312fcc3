// Package openai recognises speech with OpenAI and with servers that speak its
// interfaces: over a realtime transcription session, see
// https://developers.openai.com/api/docs/guides/realtime-transcription, and by
// uploading each segment of speech, which is what local Whisper servers offer, see
// https://developers.openai.com/api/reference/resources/audio.
//
// Not verified with the vendor: that the address of a transcription session names
// no model (so the guide has it; older clients do otherwise), and how soon a
// commit is answered.
package openai

import (
	"strings"
)

// Base is the address of the vendor's interface.
const Base = "https://api.openai.com/v1"

// Languages returns which of the contract's languages a model understands, see
// https://developers.openai.com/api/docs/guides/speech-to-text (read 2026-11-28).
// Whisper models whose name ends in ".en" understand English only.
func Languages(model string) []string {
	if strings.HasSuffix(model, ".en") {
		return []string{"en"}
	}
	return []string{"en", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko"}
}

// tongue is the ISO 639-1 code of a BCP 47 tag.
func tongue(language string) string {
	main, _, _ := strings.Cut(strings.ToLower(language), "-")
	return main
}

// guidesByKeywords reports whether a model takes key terms and languages as lists;
// others take a prompt and one language.
func guidesByKeywords(model string) bool {
	return strings.HasPrefix(model, "gpt-transcribe") || strings.HasPrefix(model, "gpt-live-transcribe")
}
