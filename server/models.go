package server

import (
	"cmp"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/anthropic"
	"github.com/sidetone/sidetone/llm/google"
	"github.com/sidetone/sidetone/llm/harness"
	"github.com/sidetone/sidetone/llm/openai"
)

// models are the language models of vendors, by the provider that an agent names.
func models() map[string]vendor[llm.Driver] {
	azure := vendor[llm.Driver]{supplier: "azure_llm", open: openAzure}
	return map[string]vendor[llm.Driver]{
		"openai":     compatible("openai", "", ""),
		"deepseek":   compatible("deepseek", "https://api.deepseek.com/v1", "deepseek-chat"),
		"togetherai": compatible("togetherai", "https://api.together.xyz/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
		"openrouter": compatible("openrouter", "https://openrouter.ai/api/v1", "openai/gpt-4.1-mini"),
		"ollama":     compatible("ollama", "http://127.0.0.1:11434/v1", ""),
		"azure_llm":  azure, "azure": azure,
		"harness": {supplier: "harness", open: openHarness},
		"anthropic": {supplier: "anthropic", open: func(a access, _ choice) llm.Driver {
			version := cmp.Or(a.Settings["anthropic_version"], anthropic.Version2026)
			return anthropic.New(anthropic.Options{Client: vendorClient("anthropic", a, anthropic.Authorise(version, a.Key)),
				Base: a.Base, Model: a.Settings["model"], Version: version})
		}},
		"google": {supplier: "google", open: func(a access, _ choice) llm.Driver {
			return google.New(google.Options{Client: vendorClient("google", a, header("X-Goog-Api-Key", "", a.Key)), Base: a.Base, Model: a.Settings["model"]})
		}},
	}
}

// compatible is a vendor that speaks OpenAI's protocol. A server of one's own may
// be in its place; the setting stream_usage "off" is for one that refuses
// stream_options.
func compatible(supplier, base, model string) vendor[llm.Driver] {
	return vendor[llm.Driver]{supplier: supplier, open: func(a access, _ choice) llm.Driver {
		return openai.New(openai.Options{Client: vendorClient(supplier, a, header("Authorization", "Bearer ", a.Key)),
			Base: cmp.Or(a.Base, base), Model: cmp.Or(a.Settings["model"], model), NoUsage: a.Settings["stream_usage"] == "off"})
	}}
}

// locale is a language with its usual country, as programs for ConversationRelay expect
// it; one that names a country stays.
func locale(language string) string {
	usual := map[string]string{"": "en-US", "en": "en-US", "es": "es-ES", "de": "de-DE", "hi": "hi-IN", "pt": "pt-BR", "fr": "fr-FR",
		"nl": "nl-NL", "id": "id-ID", "it": "it-IT", "ja": "ja-JP", "ko": "ko-KR"}
	return cmp.Or(usual[language], language)
}

// openHarness takes an account whose base_url is the WebSocket of a program of the
// customer's own, and whose setting protocol says which frames it speaks. The key is
// the token by which programs for ConversationRelay check a signature.
func openHarness(a access, ch choice) llm.Driver {
	ch.Language = locale(ch.Language)

	if rest, ok := strings.CutPrefix(a.Base, "http"); ok { // the configuration has addresses of that scheme
		a.Base = "ws" + rest
	}
	c := ch.Call
	o := harness.Options{URL: a.Base, Protocol: harness.Protocol(a.Settings["protocol"]), Language: ch.Language,
		Call: harness.Call{ID: c.ID, Account: c.EnvironmentID, Agent: c.AgentID, From: c.FromNumber, To: c.ToNumber, Outgoing: c.Outgoing, Values: call.Values(c.Context)}}
	signature := sidetone.Secret(harness.Sign(a.Base, a.Key))
	authorise := header("X-Twilio-Signature", "", signature)
	if o.Protocol == harness.Retell {
		authorise = header("Authorization", "Bearer ", a.Key)
	}
	o.Client = vendorClient("harness", a, authorise)
	o.Client.Secrets = append(o.Client.Secrets, signature)
	return harness.New(o)
}

// azureVersion is the version of Azure's interface when an account names none.
const azureVersion = "2024-10-21"

// openAzure takes an account whose base_url (or endpoint) is that of the resource,
// or that of its interface without versions, which ends in /openai/v1.
func openAzure(a access, _ choice) llm.Driver {
	o := openai.Options{Client: vendorClient("azure_llm", a, header("Api-Key", "", a.Key)),
		Base: cmp.Or(a.Base, a.Settings["endpoint"]), Model: a.Settings["model"], Deployment: a.Settings["deployment"]}
	if !strings.HasSuffix(strings.TrimRight(o.Base, "/"), "/openai/v1") {
		o.AzureVersion = cmp.Or(a.Settings["api_version"], azureVersion)
	}
	return openai.New(o)
}
