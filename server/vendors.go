package server

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/transcriber"
)

// vendors are the drivers of vendors, by the value that chooses them: voices by
// the type of a voice, models by an agent's provider, recognisers by the type of
// its transcriber.
type vendors struct {
	voices      map[string]vendor[synthesizer.Driver]
	models      map[string]vendor[llm.Driver]
	recognisers map[string]vendor[transcriber.Driver]
}

// newVendors is the list of all drivers of vendors.
func newVendors() vendors {
	return vendors{voices: voices(), models: models(), recognisers: recognisers()}
}

// withOwn adds what the server has itself for speech, which serves English.
func (v vendors) withOwn(voice synthesizer.Driver, recogniser transcriber.Driver) vendors {
	languages := func(string) []string { return []string{"en"} }
	voices := map[string]vendor[synthesizer.Driver]{voiceFlite: {languages: languages, open: func(access, choice) synthesizer.Driver { return voice }}}
	recognisers := map[string]vendor[transcriber.Driver]{recogniserSpeech: {languages: languages, finalWait: always(pocketsphinxFinal),
		open: func(access, choice) transcriber.Driver { return recogniser }}}
	maps.Copy(voices, v.voices)
	maps.Copy(recognisers, v.recognisers)
	return vendors{voices: voices, models: v.models, recognisers: recognisers}
}

// vendor makes a driver for one call.
type vendor[D any] struct {
	// supplier is the name of who is paid, see suppliers; "" for the server's own, which
	// cost nothing and serve every call.
	supplier string
	// languages are those that a model serves, two-letter codes, "" being the default
	// model; nil: any.
	languages func(model string) []string
	// finalWait is the P99 of a recogniser's model from silence to its final; nil: not
	// known.
	finalWait func(model string) time.Duration
	// open returns the driver, which outlives no call. Drivers that hold connections
	// are io.Closers.
	open func(access, choice) D
}

// access is what a driver reaches its vendor with.
type access struct {
	// HTTP makes the connections.
	HTTP *http.Client
	// Key is the credential; "" when a server of one's own asks for none.
	Key sidetone.Secret
	// Base is another address of the vendor's interface; "" is the vendor's own.
	Base string
	// Settings are the other texts of the account, such as region.
	Settings map[string]string
}

// mark tells this access from another one of the same account, such as one with a changed
// key, and does not lead back to it.
func (a access) mark() uint64 {
	sum := sha256.Sum256([]byte(a.Key.Reveal() + "\x00" + a.Base))
	return binary.BigEndian.Uint64(sum[:])
}

// choice is what an agent asks of a driver.
type choice struct {
	// Config is the JSON object of the voice's or the transcriber's own members;
	// models have none.
	Config json.RawMessage
	// Rate is the line's sample rate in Hz.
	Rate int
	// Language is the agent's, a two-letter code.
	Language string
	// KeyTerms are words the caller is likely to say.
	KeyTerms []string
	// LessNoise has the recogniser's vendor take noise out of the sound, where it can.
	LessNoise bool
	// Call is the call, for models; the zero value when an account is only tried.
	Call sidetone.Call
}

// supplier is a vendor as the one who is paid.
type supplier struct {
	// name is what configuration, records and failures call it.
	name string
	// account is the type of its account connections.
	account string
	// variable is the environment variable in which its tools look for a key.
	variable string
	// keyless says that a server of one's own may ask for no key.
	keyless bool
	// needs is the setting of an account without which the vendor has no address, and
	// is what it holds; "" for a vendor with an address for everybody.
	needs, is string
	// addressVariable is the environment variable in which its tools look for that.
	addressVariable string
	// version is the path that addresses of its interface end in, such as /v1; "" for
	// those that end in none, which drivers add.
	version string
}

// suppliers lists whom drivers work with.
func suppliers() []supplier {
	return []supplier{
		{name: "openai", account: "account_connection_openai", variable: "OPENAI_API_KEY", keyless: true, version: "/v1"},
		{name: "anthropic", account: "account_connection_anthropic", variable: "ANTHROPIC_API_KEY", version: "/v1"},
		{name: "google", account: "account_connection_google", variable: "GEMINI_API_KEY", version: "/v1beta"},
		{name: "azure_llm", account: "account_connection_azure_llm", variable: "AZURE_OPENAI_API_KEY",
			needs: "base_url", is: "the address of your resource, such as https://NAME.openai.azure.com", addressVariable: "AZURE_OPENAI_ENDPOINT"},
		{name: "deepseek", account: "account_connection_deepseek", variable: "DEEPSEEK_API_KEY", version: "/v1"},
		{name: "togetherai", account: "account_connection_togetherai", variable: "TOGETHER_API_KEY", version: "/v1"},
		{name: "ollama", account: "account_connection_ollama", keyless: true, version: "/v1"},
		{name: "whisper", account: "account_connection_whisper", keyless: true, needs: "base_url", is: "the address of your server, such as http://127.0.0.1:8000/v1", version: "/v1"},
		{name: "kokoro", account: "account_connection_kokoro", keyless: true, needs: "base_url", is: "the address of your server, such as http://127.0.0.1:8880/v1", version: "/v1"},
		{name: "harness", account: "account_connection_harness", keyless: true, needs: "base_url", is: "the WebSocket of your program, such as wss://NAME/agent"},
		{name: "openrouter", account: "account_connection_openrouter", variable: "OPENROUTER_API_KEY", version: "/api/v1"},
		{name: "deepgram", account: "account_connection_deepgram", variable: "DEEPGRAM_API_KEY"},
		{name: "assemblyai", account: "account_connection_assemblyai", variable: "ASSEMBLYAI_API_KEY"},
		{name: "elevenlabs", account: "account_connection_elevenlabs", variable: "ELEVENLABS_API_KEY"},
		{name: "cartesia", account: "account_connection_cartesia", variable: "CARTESIA_API_KEY"},
		{name: "azure_speech", account: "account_connection_azure_speech", variable: "AZURE_SPEECH_KEY",
			needs: "region", is: "that of your resource, such as westeurope", addressVariable: "AZURE_SPEECH_REGION"},
		{name: "rime", account: "account_connection_rime", variable: "RIME_API_KEY"},
	}
}

// supplierOf returns the supplier of that name.
func supplierOf(name string) supplier {
	for _, s := range suppliers() {
		if s.name == name {
			return s
		}
	}
	return supplier{name: name}
}

// recogniser is the type of the transcriber that an agent names; "" for none.
func recogniser(a sidetone.Agent) string { return a.ExtraText("transcriber", "type") }

// testsTheLine reports whether agents of a provider test the line or measure the
// server instead of holding a conversation.
func testsTheLine(provider string) bool { return provider == "echo" || provider == "bench" }

// Vendors names those whose accounts can be connected.
func Vendors() []string {
	var out []string
	for _, s := range suppliers() {
		out = append(out, s.name)
	}
	return out
}

// vendorClient sends a driver's requests; without a key there is nothing to show.
func vendorClient(supplier string, a access, authorise func(http.Header)) *provider.Client {
	c := &provider.Client{Vendor: supplier, HTTP: a.HTTP, Secrets: tokens(a.Base)}
	if key := bare(a.Key); key != "" {
		c.Authorise, c.Secrets = authorise, append(c.Secrets, key)
	}
	return c
}

// leastToken is how long a value in the query of an address is at least that may be a
// secret.
const leastToken = 6

// tokens are the values in the query of an address, which may be secrets.
func tokens(address string) (out []sidetone.Secret) {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	for _, values := range u.Query() {
		for _, value := range values {
			if len(value) >= leastToken {
				out = append(out, sidetone.Secret(value))
			}
		}
	}
	return out
}

// header shows a key in a header, behind its scheme.
func header(name, scheme string, key sidetone.Secret) func(http.Header) {
	return func(h http.Header) { h.Set(name, scheme+bare(key).Reveal()) }
}

// bare is a key without the white space that comes along when it is copied.
func bare(key sidetone.Secret) sidetone.Secret {
	return sidetone.Secret(strings.TrimSpace(key.Reveal()))
}
