package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/support"
)

// A value that selects something and that nobody knows is refused, wherever it
// comes in.
func TestUnknownChoicesAreRefused(t *testing.T) {
	both(t, func(b *bench) {
		const (
			voice      = "type must be one of voice_flite, voice_tty, voice_azure, voice_rime, voice_eleven_labs, voice_openai, voice_deepgram, voice_cartesia, voice_kokoro, voice_play_ht, voice_vocode: no other is known"
			connection = "type must be one of account_connection_openai, "
			provider   = "provider must be one of scripted, echo, bench, openai, anthropic, google, azure, azure_llm, deepseek, togetherai, openrouter, ollama, harness: no other is known"
			fallback   = "llm_fallback.provider must be one of openai, anthropic, google, azure, azure_llm, deepseek, togetherai, openrouter, ollama, harness: no other is known"
			listens    = "transcriber.type must be one of pocketsphinx, tty, transcriber_azure, transcriber_google, transcriber_deepgram, transcriber_assembly_ai, transcriber_openai, transcriber_whisper: no other is known"
			sells      = "telephony_provider must be one of simulated, sip, twilio, telnyx, vonage, fluents: no other is known"
		)
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		number := b.number()
		for _, c := range []struct{ target, body, message string }{
			{"POST /v1/voices/create", `{"type":"voice_banana"}`, voice},
			{"POST /v1/voices/update?id=" + b.do("POST /v1/voices/create", `{"type":"voice_flite"}`).want(201).text("id"), `{"type":"voice_banana"}`, voice},
			{"POST /v1/account_connections/create", `{"type":"account_connection_banana","credentials":{}}`, connection},
			{"POST /v1/agents/create", `{"prompt":{"content":"p"},"provider":"opnai"}`, provider},
			{"POST /v1/agents/update?id=" + agent, `{"provider":"opnai"}`, provider},
			{"POST /v1/agents/update?id=" + agent, `{"llm_fallback":{"provider":"opnai"}}`, fallback},
			{"POST /v1/agents/create", `{"prompt":{"content":"p"},"transcriber":{"type":"transcriber_banana"}}`, listens},
			{"POST /v1/agents/update?id=" + agent, `{"transcriber":{"type":"transcriber_banana"}}`, listens},
			{"POST /v1/numbers/buy", `{"telephony_provider":"acme"}`, sells},
			{"POST /v1/agents/update?id=" + agent, `{"voice":{"type":"voice_banana"}}`, "voice." + voice},
			{"POST /v1/agents/update?id=" + agent, `{"openai_account_connection":{"type":"account_connection_banana","credentials":{}}}`,
				"openai_account_connection." + connection},
			{"POST /v1/numbers/update?phone_number=" + number[1:], `{"example_context":{},"inbound_agent":{"prompt":{"content":"p"},"provider":"opnai"}}`, "inbound_agent." + provider},
			{"POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"` + number + `","agent":{"id":"` + agent + `","provider":"opnai"}}`, "agent." + provider},
		} {
			got := b.do(c.target, c.body).want(400)
			if !strings.HasPrefix(got.text("message"), c.message) {
				b.t.Errorf("%s %s: got %q, want %q", c.target, c.body, got.text("message"), c.message)
			}
		}
	})
}

// What was stored before values were checked stays readable, and may be sent back
// as it was read.
func TestStoredChoicesStay(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"prompt":{"content":"p"},"voice":{"type":"voice_azure","voice_name":"n"}}`)
		voice := b.do("GET /v1/agents?id="+agent, "").want(200).text("voice.id")
		err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
			v, err := tx.Voice(voice)
			if err != nil {
				return err
			}
			v.Type = "voice_banana"
			a, err := tx.Agent(agent)
			if err != nil {
				return err
			}
			a.Provider, a.Extra = "opnai", []byte(`{"llm_fallback":{"provider":"opnai"},"transcriber":{"type":"transcriber_banana"}}`)
			return firstOf(tx.UpdateVoice(v), tx.UpdateAgent(a))
		})
		if err != nil {
			b.t.Fatal(err)
		}
		whole := string(b.do("GET /v1/agents?id="+agent, "").want(200).raw)
		after := b.do("POST /v1/agents/update?id="+agent, whole).want(201)
		if after.text("voice.type") != "voice_banana" || after.text("provider") != "opnai" || after.text("llm_fallback.provider") != "opnai" || after.text("transcriber.type") != "transcriber_banana" {
			b.t.Errorf("got %s", after.raw)
		}
		b.do("POST /v1/agents/update?id="+agent, `{"provider":"opnai2"}`).want(400)
	})
}

// warningsOf are the warnings of an answer without their sentences.
func warningsOf(a answer) []string {
	var out []string
	for _, text := range a.header.Values("Sidetone-Warning") {
		parts := strings.SplitN(text, "; ", 3)
		out = append(out, strings.Join(parts[:len(parts)-1], " "))
	}
	return out
}

// What is only stored says so, also when the answer is repeated; a refusal stores
// nothing and says nothing.
func TestWarnings(t *testing.T) {
	both(t, func(b *bench) {
		const kept = `{"prompt":{"content":"p"},"provider":"openai","language":"es","vector_database":{"type":"vector_database_pinecone","index":"i","api_key":"vector-key-0123456789","api_environment":"e"},"webhook":{"url":"https://hook.example/in","subscriptions":["event_human_detection"]},"colour":"red"}`
		want := []string{"body unknown", "vector_database not_built", "webhook.subscriptions not_built"}
		for range 2 {
			if got := warningsOf(b.with("w", "POST /v1/agents/create", kept).want(201)); !slices.Equal(got, want) {
				b.t.Errorf("got %q, want %q", got, want)
			}
		}
		if got := warningsOf(b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"llm_temperature":0,"webhook":null}`).want(201)); got != nil {
			b.t.Errorf("nothing is wrong: got %q", got)
		}
		if got := warningsOf(b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"provider":"openai","voice":"none"}`).want(404)); got != nil {
			b.t.Errorf("a refusal: got %q", got)
		}
		number := b.number()
		incoming := b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+number+`","agent":{"prompt":{"content":"p"}},"is_outgoing":false}`).want(201)
		if got := warningsOf(incoming); !slices.Equal(got, []string{"is_outgoing hint"}) {
			b.t.Errorf("a call that is not outgoing: got %q", got)
		}
		got := b.do("POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"`+number+`","agent":{"prompt":{"content":"p"},"voice":{"type":"voice_play_ht","voice_id":"SECRET"}},"telephony_params":{"SECRET":1}}`).want(201)
		if diff := warningsOf(got); !slices.Equal(diff, []string{"agent.voice.type no_driver", "telephony_params not_built"}) {
			b.t.Errorf("got %q", diff)
		}
		if strings.Contains(strings.Join(got.header.Values("Sidetone-Warning"), ""), "SECRET") {
			b.t.Error("a warning says what the request said")
		}
	})
}

// The server's own recognisers act, vendors' are stored, and members that nothing reads
// are warned about.
func TestRecognisersOfAgents(t *testing.T) {
	both(t, func(b *bench) {
		for transcriber, want := range map[string]string{
			`{"type":"pocketsphinx"}`: "", `{"type":"tty"}`: "", `{}`: "", `null`: "",
			`{"type":"transcriber_azure"}`: "transcriber.type no_driver", `{"type":"transcriber_deepgram"}`: "", `{"type":"pocketsphinx","mdel":"m"}`: "transcriber unknown",
		} {
			got := warningsOf(b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},"transcriber":`+transcriber+`}`).want(201))
			if strings.Join(got, ", ") != want {
				b.t.Errorf("%s: got %q, want %q", transcriber, got, want)
			}
		}
	})
}

// What a type does not take is warned about, on whichever way it comes.
func TestWhatTypesDoNotTake(t *testing.T) {
	both(t, func(b *bench) {
		made := b.do("POST /v1/voices/create", `{"type":"voice_eleven_labs","voice_id":"v","speed":2,"stability":7}`).want(201)
		if got := warningsOf(made); !slices.Equal(got, []string{"speed not_taken", "stability not_taken"}) {
			b.t.Errorf("create: got %q", got)
		}
		for body, want := range map[string]string{`{"pitch":3}`: "pitch not_taken", `{"stability":0.5}`: "", `{"label":"l"}`: ""} {
			if got := strings.Join(warningsOf(b.do("POST /v1/voices/update?id="+made.text("id"), body).want(201)), ", "); got != want {
				b.t.Errorf("%s: got %q, want %q", body, got, want)
			}
		}
		for agent, want := range map[string]string{
			`"voice":{"type":"voice_openai","stability":0.5}`:                                  "voice.stability not_taken",
			`"transcriber":{"type":"transcriber_deepgram","eot_threshold":0.6}`:                "transcriber.eot_threshold not_taken",
			`"transcriber":{"type":"transcriber_deepgram","model":"flux","eot_threshold":0.6}`: "",
			`"transcriber":{"type":"pocketsphinx","fallback":{"type":"tty"}}`:                  "400",
			`"transfer_on_failure":"+12025550123"`:                                             "",
			`"hipaa_compliant":true`:                                                           "hipaa_compliant unknown",
			`"voice":{"type":"voice_openai","fallback":{"type":"voice_tty"}}`:                  "400",
			`"voice":{"type":"voice_openai","fallback":{"type":"voice_flite","voice":"slt"}}`:  "",
		} {
			got := b.do("POST /v1/agents/create", `{"prompt":{"content":"p"},`+agent+`}`)
			found := strings.Join(warningsOf(got), ", ")
			if got.status == 400 {
				found = "400"
			}
			if found != want {
				b.t.Errorf("%s: got %q, want %q: %s", agent, found, want, got.raw)
			}
		}
	})
}

// TestChoicesOfEnvironments: whom an environment may name.
func TestChoicesOfEnvironments(t *testing.T) {
	both(t, func(b *bench) {
		target := "POST /v1/environments/update?id=" + b.env.ID
		for body, want := range map[string]int{
			`{"default_model":"auto","fallback_model":"auto"}`: 201, `{"default_model":"scripted"}`: 201, `{"fallback_model":"scripted"}`: 400,
			`{"default_model":"echo"}`: 400, `{"fallback_model":"bench"}`: 400, `{"default_voice":"auto"}`: 400, `{"default_voice":"voice_tty"}`: 201,
			`{"fallback_voice":"voice_tty"}`: 400, `{"fallback_transcriber":"tty"}`: 400, `{"fallback_transcriber":"pocketsphinx","fallback_voice":"voice_flite/slt"}`: 201,
			`{"default_voice":"voice_play_ht/x"}`: 400, `{"default_transcriber":"transcriber_azure"}`: 400, `{"default_model":"/x"}`: 400, `{"default_model":"auto/x"}`: 400,
			`{"default_model":"openai/"}`: 400, `{"default_model":""}`: 201, `{"default_model":"openai/gpt-4.1"}`: 201,
		} {
			if got := b.do(target, body); got.status != want {
				b.t.Errorf("%s: got %d %s", body, got.status, got.raw)
			}
		}
		if got := warningsOf(b.do(target, `{"hipaa_compliant":true}`).want(201)); !slices.Equal(got, []string{"hipaa_compliant unknown"}) {
			b.t.Errorf("got %q", got)
		}
	})
}

// TestCarriersThatSellNothing: the contract's carriers are hints. The server's own shop
// serves, the answer names it, and a warning says so, also when the answer is repeated.
func TestCarriersThatSellNothing(t *testing.T) {
	both(t, func(b *bench) {
		want := []string{"telephony_provider no_driver"}
		b.shop.stock(5)
		for i, provider := range []string{`"twilio"`, `"telnyx"`, `"vonage"`, `"sip"`, `{"name":"twilio"}`} { // the bench has no shop called sip
			for range 2 {
				bought := b.with(fmt.Sprint("key", i), "POST /v1/numbers/buy", fmt.Sprintf(`{"phone_number":"+120255502%02d","telephony_provider":%s}`, i, provider)).want(201)
				if got := warningsOf(bought); !slices.Equal(got, want) || bought.text("telephony_provider") != "simulated" {
					b.t.Errorf("%s: got %q and %s", provider, got, bought.raw)
				}
			}
		}
		offers := b.do("GET /v1/numbers/available?telephony_provider=twilio", "").want(200)
		if got := warningsOf(offers); !slices.Equal(got, want) {
			b.t.Errorf("got %q", got)
		}
		for _, target := range []string{"GET /v1/numbers/available", "GET /v1/numbers/available?telephony_provider=simulated"} {
			if got := warningsOf(b.do(target, "").want(200)); got != nil {
				b.t.Errorf("%s: got %q", target, got)
			}
		}
		linked := b.do("POST /v1/numbers/link", `{"phone_number":"+12025550161","telephony_account_connection":"`+b.carrierAccount()+`"}`).want(201)
		sentBack := b.do("POST /v1/numbers/update?phone_number="+linked.text("number")[1:], string(linked.raw)).want(201)
		if got := warningsOf(sentBack); slices.Contains(got, want[0]) {
			b.t.Errorf("a number of twilio that is sent back: got %q", got)
		}
	})
}

// A client that was shown another type is not warned about that one.
func TestStandInsAreNotWarnedAbout(t *testing.T) {
	t.Parallel()
	got := withoutStandIns(map[string]any{"voice": map[string]any{"id": "v", "type": "voice_azure"}, "actions": []any{map[string]any{"id": "a"}, "b"},
		"webhook": map[string]any{"url": "u"}}).(map[string]any)
	if actions, _ := got["actions"].([]any); got["voice"] != "v" || actions[0] != "a" || actions[1] != "b" || got["webhook"].(map[string]any)["url"] != "u" {
		t.Errorf("got %v", got)
	}
}

func TestSupport(t *testing.T) {
	both(t, func(b *bench) {
		whole := b.do("GET /v1/support", "").want(200)
		if got, want := len(whole.at("entries").([]any)), len(support.NewTable().Entries()); got != want {
			b.t.Errorf("got %d entries, want %d", got, want)
		}
		good := b.agent(`{"prompt":{"content":"p"}}`)
		if got := b.do("GET /v1/support?agent="+good, "").want(200).at("entries").([]any); len(got) != 0 {
			b.t.Errorf("got %v", got)
		}
		bad := b.agent(`{"prompt":{"content":"p"},"provider":"openai","voice":{"type":"voice_play_ht","voice_id":"v"},"actions":[{"type":"action_set_hold"}]}`)
		var got []string
		for _, item := range b.do("GET /v1/support?agent="+bad, "").want(200).at("entries").([]any) {
			entry := item.(map[string]any)
			got = append(got, entry["property"].(string)+" "+entry["status"].(string))
		}
		if want := []string{"actions[].type kept", "voice.type kept"}; !slices.Equal(got, want) {
			b.t.Errorf("got %q, want %q", got, want)
		}
		b.do("GET /v1/support?agent=none", "").want(404)
	})
}

// Members of a configuration that the action's type does not have are dropped and
// warned about, wherever the action comes in.
func TestUnknownMembersOfConfigurations(t *testing.T) {
	both(t, func(b *bench) {
		const call = `{"type":"action_transfer_call","config":{"phone_number":"+12025550123","url":"https://x.example","SECRET":1}}`
		made := b.do("POST /v1/actions/create", call).want(201)
		if made.at("config.url") != nil {
			b.t.Errorf("got %s", made.raw)
		}
		id := made.text("id")
		agent := b.agent(`{"prompt":{"content":"p"},"actions":["` + id + `"]}`)
		number := b.number()
		for _, c := range []struct{ target, body, want string }{
			{"POST /v1/actions/create", call, "config unknown"},
			{"POST /v1/actions/update?id=" + id, `{"config":{"url":"https://x.example"}}`, "config unknown"}, // known to another type
			{"POST /v1/actions/update?id=" + id, `{"config":{"phone_number":"+12025550124"}}`, ""},
			{"POST /v1/actions/create", `{"type":"action_warm_transfer","config":{"anything":1}}`, ""},
			{"POST /v1/actions/create", `{"type":"action_end_conversation","config":{"phone_number":"x"}}`, "config unknown"},
			{"POST /v1/agents/create", `{"prompt":{"content":"p"},"actions":[` + call + `]}`, "actions[].config unknown"},
			{"POST /v1/agents/update?id=" + agent, `{"actions":[{"id":"` + id + `","config":{"name":"n"}}]}`, "actions[].config unknown"},
			{"POST /v1/numbers/update?phone_number=" + number[1:], `{"example_context":{},"inbound_agent":{"prompt":{"content":"p"},"actions":[` + call + `]}}`,
				"inbound_agent.actions[].config unknown"},
			{"POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"` + number + `","agent":{"prompt":{"content":"p"},"actions":[` + call + `]}}`,
				"agent.actions[].config unknown"},
		} {
			got := b.do(c.target, c.body).want(201)
			found := slices.DeleteFunc(warningsOf(got), func(w string) bool { return !strings.HasSuffix(w, " unknown") })
			if strings.Join(found, ", ") != c.want || strings.Contains(strings.Join(got.header.Values("Sidetone-Warning"), ""), "SECRET") {
				b.t.Errorf("%s %s: got %q, want %q", c.target, c.body, found, c.want)
			}
		}
	})
}

// What is read and sent back has no properties that do not exist.
func TestWhatIsSentBackIsKnown(t *testing.T) {
	both(t, func(b *bench) {
		linked := b.do("POST /v1/numbers/link", `{"phone_number":"+12025550161","telephony_account_connection":"`+b.carrierAccount()+`"}`).want(201)
		number := b.do("GET /v1/numbers?phone_number="+linked.text("number")[1:], "").want(200)
		agent := b.do("GET /v1/agents?id="+b.agent(`{"prompt":{"content":"p","prompt_template":{"required_context_keys":["n"]}},
			"actions":[{"type":"action_external","config":{"name":"n","description":"d","url":"https://a.example","input_schema":{"type":"object"}}}]}`), "").want(200)
		for target, body := range map[string]answer{
			"POST /v1/numbers/update?phone_number=" + linked.text("number")[1:]: number,
			"POST /v1/agents/update?id=" + agent.text("id"):                     agent,
		} {
			for _, w := range warningsOf(b.do(target, string(body.raw)).want(201)) {
				if strings.HasSuffix(w, " unknown") {
					b.t.Errorf("%s: %s", target, w)
				}
			}
		}
	})
}

// What an operation does not set is named, unless the resource says so anyway.
func TestWhatAnOperationDoesNotSet(t *testing.T) {
	both(t, func(b *bench) {
		key := b.do("POST /v1/api_keys/create", `{"label":"L","scopes":["read"]}`).want(201).text("id")
		member := b.do("POST /v1/members/create", `{"subject":"someone"}`).want(201).text("id")
		account := b.carrierAccount()
		b.shop.stock(5)
		for _, c := range []struct {
			target, body string
			want         []string
		}{
			{"POST /v1/numbers/buy", `{"area_code":"202","example_context":{"a":1},"config":{"x":1},"label":"L"}`,
				[]string{"config ignored", "example_context ignored", "label ignored"}},
			{"POST /v1/api_keys/update?id=" + key, `{"scopes":["write"],"member":"` + member + `","account_wide":true,"key":"sk_other"}`,
				[]string{"account_wide ignored", "key ignored", "member ignored"}},
			{"POST /v1/api_keys/update?id=" + key, `{"id":"` + key + `","account_wide":false}`, nil},
			{"POST /v1/members/update?id=" + member, `{"subject":"other"}`, []string{"subject ignored"}},
			{"POST /v1/members/update?id=" + member, `{"subject":"someone","banana":1}`, []string{"body unknown"}},
			{"POST /v1/numbers/update?phone_number=" + b.number()[1:],
				`{"example_context":{},"area_code":"212","telephony_provider":"banana","phone_number":"+12125550100","telephony_account_connection":"x","active":false}`,
				[]string{"active ignored", "area_code ignored", "phone_number ignored", "telephony_account_connection ignored", "telephony_provider ignored"}},
			{"POST /v1/numbers/link", `{"phone_number":"+12025550161","telephony_account_connection":"` + account + `","telephony_provider":"banana","area_code":"212"}`,
				[]string{"area_code ignored", "telephony_account_connection no_driver", "telephony_provider ignored"}},
			{"POST /v1/dnc_numbers/create", `{"phoneNumber":"+12025550170","phoneNumbers":[{"phoneNumber":"+12025550171"}]}`, []string{"phoneNumbers ignored"}},
			{"POST /v1/voices/create", `{"id":"mine","type":"voice_flite"}`, []string{"id ignored"}},
		} {
			for range 2 { // the second one is a replay where the operation heeds the key
				got := warningsOf(b.with(c.target+c.body, c.target, c.body).made())
				if !slices.Equal(got, c.want) {
					b.t.Errorf("%s %s: got %q, want %q", c.target, c.body, got, c.want)
				}
			}
		}
	})
}

// A parameter of the address, or a reference to expand, that does not exist is
// ignored, and the answer says so.
func TestUnknownParameters(t *testing.T) {
	both(t, func(b *bench) {
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		b.shop.stock(5)
		for target, want := range map[string][]string{
			"GET /v1/agents/list?page=1&size=5&banana=1&expand=inbound_agent":                           {"query unknown"},
			"GET /v1/numbers/list?expand=inbound_agent,banana":                                          {"query.expand unknown"},
			"GET /v1/numbers/list?expand=inbound_agent,%20agent":                                        nil,
			"GET /v1/agents?id=" + agent + "&banana=SECRET&apple=":                                      {"query unknown"},
			"GET /v1/calls/list?size=1&sort_column=created&sort_desc=true":                              nil,
			"POST /v1/agents/update?id=" + agent + "&label=L {}":                                        {"query unknown"},
			`POST /v1/numbers/buy {"phone_number":"+12025550204","area_code":"202"}`:                    {"area_code ignored"},
			"GET /v1/numbers?id=" + b.do("GET /v1/numbers?phone_number="+b.number()[1:], "").text("id"): nil,
		} {
			address, body, _ := strings.Cut(target, " {")
			if body != "" {
				body = "{" + body
			}
			got := b.do(address, body)
			if found := warningsOf(got); got.status >= 300 || !slices.Equal(found, want) || strings.Contains(fmt.Sprint(got.header), "SECRET") {
				t.Errorf("%s: %d %q, want %q", target, got.status, found, want)
			}
		}
	})
}

// TestTemperatureThatIsNotTaken: 0 is every agent's, so only who sends it is told.
func TestTemperatureThatIsNotTaken(t *testing.T) {
	both(t, func(b *bench) {
		b.lacking = func(context.Context, sidetone.Call) ([]support.Warning, error) {
			return []support.Warning{{Property: "llm_temperature", Reason: support.NotTaken, Sentence: "It is not sent."}}, nil
		}
		b.url = b.node()
		for body, want := range map[string]int{`{"prompt":{"content":"p"}}`: 0, `{"prompt":{"content":"p"},"llm_temperature":0}`: 1, `{"prompt":{"content":"p"},"llm_temperature":0.5}`: 1} {
			made := b.do("POST /v1/agents/create", body).want(201)
			if got := warningsOf(made); len(got) != want {
				b.t.Errorf("%s: %q", body, got)
			}
			kept := b.do("GET /v1/support?agent="+made.text("id"), "").want(200).at("entries").([]any)
			if (len(kept) == 1) != strings.Contains(body, "0.5") {
				b.t.Errorf("%s: %v", body, kept)
			}
		}
	})
}

// An agent that nothing can think for says so wherever it is made, changed or named,
// and parts that are named by their ids count as well.
func TestAgentsThatCannotWork(t *testing.T) {
	both(t, func(b *bench) {
		b.lacking = func(_ context.Context, c sidetone.Call) ([]support.Warning, error) {
			if _, _, playbook := scripted.Find(c.Snapshot.Prompt.Content); playbook {
				return nil, nil
			}
			return []support.Warning{{Property: "prompt", Reason: support.NoModel, Sentence: "Calls are refused."}}, nil
		}
		b.url = b.node()
		voice := b.do("POST /v1/voices/create", `{"type":"voice_play_ht","voice_id":"v"}`).want(201).text("id")
		action := b.do("POST /v1/actions/create", `{"type":"action_set_hold"}`).want(201).text("id")
		number := b.number()
		const playbook = `{"prompt":{"content":"Playbook: p\n\nat the start:\n  say: Hello."}}`
		good := b.agent(playbook)
		bad := b.agent(`{"prompt":{"content":"Be nice"},"voice":"` + voice + `","actions":["` + action + `"]}`)
		all := []string{"actions[].type not_built", "prompt no_model", "voice.type no_driver"}
		for _, c := range []struct {
			target, body, prefix string
			want                 []string
		}{
			{"POST /v1/agents/create", `{"name":"x","prompt":{"content":"Be nice"}}`, "", []string{"prompt no_model"}},
			{"POST /v1/agents/create", playbook, "", nil},
			{"POST /v1/agents/create", `{"prompt":{"content":"Be nice"},"voice":"` + voice + `","actions":["` + action + `"]}`, "", all},
			{"POST /v1/agents/update?id=" + bad, `{"label":"L"}`, "", []string{"prompt no_model"}},
			{"POST /v1/agents/update?id=" + good, `{"label":"L"}`, "", nil},
			{"POST /v1/numbers/update?phone_number=" + number[1:], `{"example_context":{},"inbound_agent":"` + bad + `"}`, "inbound_agent.", all},
			{"POST /v1/numbers/update?phone_number=" + number[1:], `{"example_context":{},"label":"L"}`, "", nil},
			{"POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"` + number + `","agent":"` + bad + `"}`, "agent.", all},
			{"POST /v1/calls/create", `{"to_number":"+12025550199","from_number":"` + number + `","agent":"` + good + `"}`, "agent.", nil},
		} {
			for range 2 {
				got := warningsOf(b.with(c.target+c.body, c.target, c.body).made())
				var want []string
				for _, w := range c.want {
					want = append(want, c.prefix+w)
				}
				if !slices.Equal(got, want) {
					b.t.Errorf("%s %s: got %q, want %q", c.target, c.body, got, want)
				}
			}
		}
		var got []string
		for _, item := range b.do("GET /v1/support?agent="+bad, "").want(200).at("entries").([]any) {
			entry := item.(map[string]any)
			got = append(got, entry["property"].(string)+" "+entry["reason"].(string))
		}
		if slices.Sort(got); !slices.Equal(got, all) {
			b.t.Errorf("got %q, want %q", got, all)
		}
	})
}
