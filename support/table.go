package support

import "slices"

// Sentences that several entries share.
const (
	notGET       = "Webhooks are told with POST: a GET has no body that could be signed."
	noHumanCheck = "Nothing detects whether a human or a machine answered, so that no webhook is told of it."
	noHookLogin  = "Requests to webhooks are signed, and no account authenticates them yet."
	noVectors    = "Vector databases are not asked yet."
	noCarrier    = "No driver uses accounts of this type yet."
	noPlayHT     = "PlayHT closed in 2025."
	whoServes    = "server.TestWhoServes"
	noAction     = "Actions of this type do not run yet: the agent cannot do it, and a playbook that asks for it fails."
	noConfig     = "It belongs to actions that do not run yet."
	noVoice      = "The server has no driver for this voice: its own one speaks where it can, else calls are refused."
	vendorSpeaks = "server.TestVoicesOfVendors"
	noAfterCall  = "No actions run after a call yet: a webhook that subscribes to event_insights is told what was found out."
	noVoicemail  = "Calls do not detect voicemail yet."
	someOptOut   = "An agent without a language model notices the wish only in set phrases of English, German, Spanish and French. Calls with hipaa_compliant are not looked at."
	needsModel   = "It takes a language model: without one, or in calls with hipaa_compliant, nothing is found out."
	untilCarrier = "It is stored with the call and has no effect on it."
)

// NotSold is the sentence about carriers whose numbers are not sold here.
const NotSold = "No numbers of this carrier are sold here: the server's own are offered instead."

// rows collects the entries of one resource.
type rows struct {
	resource string
	entries  []Entry
}

// acts adds a property, and values of it, that a test shows.
func (r *rows) acts(test, property string, values ...string) {
	for _, value := range append([]string{""}, values...) {
		r.entries = append(r.entries, Entry{Resource: r.resource, Property: property, Value: value, Status: Acts, Test: test})
	}
}

// values adds values, of a property that is there already, that a test shows.
func (r *rows) values(test, property string, values ...string) {
	for _, value := range values {
		r.entries = append(r.entries, Entry{Resource: r.resource, Property: property, Value: value, Status: Acts, Test: test})
	}
}

// partly adds a property that a test shows, and a sentence about what it leaves out.
func (r *rows) partly(test, property, sentence string) {
	r.entries = append(r.entries, Entry{Resource: r.resource, Property: property, Status: Acts, Test: test, Sentence: sentence})
}

// kept adds properties without effect.
func (r *rows) kept(reason Reason, sentence string, properties ...string) {
	for _, property := range properties {
		r.keptValues(reason, sentence, property, "")
	}
}

// keptValues adds values without effect.
func (r *rows) keptValues(reason Reason, sentence, property string, values ...string) {
	for _, value := range values {
		r.entries = append(r.entries, Entry{Resource: r.resource, Property: property, Value: value, Status: Kept, Reason: reason, Sentence: sentence})
	}
}

// entries is the whole table.
func entries() []Entry {
	return slices.Concat(agent(), prompt(), action(), voice(), webhook(), webhookDelivery(), accountConnection(), vectorDatabase(), trunk(), number(), call(),
		dncNumber(), environment(), apiKey(), member(), query())
}

func agent() []Entry {
	r := rows{resource: "agent"}
	r.acts("api.TestWholeAgentCanBeSentBack", "id")
	r.acts("api.TestResourceKeys", "key")
	for _, property := range []string{"label", "description", "name"} {
		r.acts("api.TestAgentFieldsChangeAlone", property)
	}
	r.acts("api.TestAgentRelations", "prompt")
	r.acts("api.TestAgentRelations", "voice")
	r.acts("api.TestAgentActions", "actions")
	r.acts("store.TestACallTellsItsWebhook", "webhook")
	r.kept(NotBuilt, noVectors, "vector_database")
	r.acts(whoServes, "openai_account_connection")
	r.conversation()
	r.thinking()
	r.acts("server.TestContextEndpoint", "context_endpoint")
	const discloses = "call.TestDisclosure"
	r.acts(discloses, "ai_disclosure")
	r.acts(discloses, "ai_disclosure.mode", "auto", "always", "never")
	r.acts(discloses, "ai_disclosure.text")
	r.acts(discloses, "ai_disclosure.texts")
	r.partly("server.TestCallsAreAnalysed", "run_do_not_call_detection", someOptOut)
	r.partly("server.TestCallsAreAnalysed", "post_call_insights", needsModel)
	for _, member := range []string{"name", "type", "prompt", "schema"} {
		r.acts("aftercall.TestAnswers", "post_call_insights[]."+member)
	}
	r.kept(NotBuilt, noAfterCall, "post_call_actions")
	r.acts("call.TestCallerIsHandedOverWhenNobodyServes", "transfer_on_failure")
	r.acts("call.TestWayOfATransfer", "transfer", "auto", "refer", "bridge")
	return r.entries
}

// conversation adds how an agent converses.
func (r *rows) conversation() {
	const golden = "conversation.TestGoldenCalls"
	r.acts("call.TestAgentGreetsListensAnswersAndIsHungUpOn", "language", "en")
	r.values(whoServes, "language", "es", "de", "hi", "pt", "fr", "nl", "id", "it", "ja", "ko")
	r.acts("call.TestAgentGreetsListensAnswersAndIsHungUpOn", "initial_message")
	r.acts(golden, "initial_message_delay")
	r.acts(golden, "interrupt_sensitivity", "low", "high")
	r.acts(golden, "endpointing_sensitivity", "auto", "relaxed", "sensitive")
	r.acts("call.TestIdleTimeOfQueues", "ivr_navigation_mode", "default", "off")
	r.acts("conversation.TestDecide", "conversation_speed")
	r.acts("conversation.TestDecide", "enable_dynamic_turns")
	r.acts(golden, "wait_for_greeting")
	r.partly("call.TestEdgesPointAtTheSpeechWithAndWithoutNoiseSuppression", "noise_suppression",
		"For the detector of speech, and at the vendor of transcriber_openai: other recognisers hear the line as it is (the offline one's word errors at 10 dB of white noise: 97 % and 96 % with it at 8 kHz, 96 % and 100 % at 16 kHz).")
	r.acts(golden, "ask_if_human_present_on_idle")
	r.acts("call.TestIdleTimeOfQueues", "idle_time_seconds")
	r.acts("call.TestNoIdleChecks", "max_idle_check_count")
	r.acts("call.TestCallEndsAtItsLongestDuration", "call_duration_sec")
	r.acts("call.TestRecorderGetsBothSides", "enable_recording")
	r.acts("server.TestKeyTerms", "deepgram_keywords")
	r.partly("server.TestKeyTerms", "transcriber.key_terms", onlyBy("key_terms"))
	r.acts(whoServes, "transcriber.fallback")
	for _, property := range []string{"model", "endpointing", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "force_end_turn", "min_turn_silence", "max_turn_silence"} {
		r.partly("server.TestMembersOfTranscribers", "transcriber."+property, onlyBy(property))
	}
	r.acts("server.TestOwnRecognisersListen", "transcriber")
	r.acts("server.TestOwnRecognisersListen", "transcriber.type", "pocketsphinx", "tty")
	r.keptValues(NoDriver, "The server has no driver for this recogniser: its own one listens where it can, else calls are refused.", "transcriber.type",
		"transcriber_azure", "transcriber_google")
	r.values(whoServes, "transcriber.type", "transcriber_deepgram", "transcriber_assembly_ai", "transcriber_openai", "transcriber_whisper")
}

// thinking adds what an agent thinks with.
func (r *rows) thinking() {
	r.acts("server.TestPlanChoosesDrivers", "provider", "scripted")
	r.values("server.TestTestAgentsTakeCallsOnLoopbackOnly", "provider", "echo", "bench")
	models := []string{"openai", "anthropic", "google", "azure", "azure_llm", "deepseek", "togetherai", "openrouter", "ollama", "harness"}
	r.values(whoServes, "provider", models...)
	r.acts(whoServes, "model")
	r.acts(whoServes, "openai_model_name_override")
	r.acts("call.TestTemperatureReachesTheModel", "llm_temperature")
	r.acts(whoServes, "llm_fallback")
	r.acts(whoServes, "llm_fallback.provider", models...)
	r.acts(whoServes, "llm_fallback.model_name")
}

func prompt() []Entry {
	r := rows{resource: "prompt"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.acts("api.TestResourceKeys", "key")
	for _, property := range []string{"label", "description", "tags"} {
		r.acts("api.TestPlainNouns", property)
	}
	r.acts("llm/scripted.TestClinicCall", "content")
	r.acts("api.TestPromptTemplates", "prompt_template")
	r.acts("api.TestPromptTemplates", "prompt_template.id")
	r.acts("api.TestPromptTemplates", "prompt_template.label")
	r.acts("api.TestRequiredContext", "prompt_template.required_context_keys")
	r.acts("call.TestContextIsAskedWhileItRings", "context_endpoint")
	r.acts("call.TestFieldsAreStored", "collect_fields")
	return r.entries
}

func action() []Entry {
	r := rows{resource: "action"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.acts("api.TestResourceKeys", "key")
	r.acts("api.TestPlainNouns", "label")
	r.acts("api.TestPlainNouns", "description")
	r.acts("call.TestModelEndsTheCallAfterItsWordsWereHeard", "type", "action_end_conversation")
	r.values("server.TestExternalAction", "type", "action_external")
	r.values("call.TestTransferByABridge", "type", "action_transfer_call")
	r.values("call.TestWarmTransfer", "type", "action_warm_transfer")
	r.acts("call.TestTransferByABridge", "config.phone_number")
	r.acts("call.TestTransferShowsTheCaller", "config.caller_id", "agent", "caller")
	r.acts("call.TestTransferByABridge", "config.headers_out")
	r.keptValues(NotBuilt, noAction, "type", "action_dtmf", "action_add_to_conference", "action_set_hold")
	r.kept(NotBuilt, noConfig, "config.place_primary_on_hold")
	r.external()
	r.acts("call.TestModelEndsTheCallAfterItsWordsWereHeard", "action_trigger", "action_trigger_function_call")
	r.values("server.TestActionsOfAPlan", "action_trigger", "action_trigger_phrase_based")
	r.acts("call.TestModelEndsTheCallAfterItsWordsWereHeard", "action_trigger.type")
	for _, property := range []string{"", ".phrase_triggers", ".phrase_triggers[].phrase", ".phrase_triggers[].conditions"} {
		r.acts("conversation.TestGoldenCalls", "action_trigger.config"+property)
	}
	return r.entries
}

// external adds the configuration of external actions.
func (r *rows) external() {
	const (
		call = "server.TestExternalAction"
		rule = "server.TestExternalRules"
	)
	for _, property := range []string{"config", "config.name", "config.description", "config.url"} {
		r.acts(call, property)
	}
	r.acts("external.TestSchema", "config.input_schema")
	r.acts("external.TestSignature", "config.signature_secret")
	for _, property := range []string{"speak_on_send", "speak_on_receive", "processing_mode", "speak_on_wait", "wait_seconds", "speak_on_failure", "after_speech", "claims", "otherwise"} {
		r.acts(rule, "config."+property)
	}
	r.acts("store.TestActionRuns", "config.repeatable")
	r.acts("external.TestFailures", "config.timeout_seconds")
	for _, property := range []string{"wire", "method", "headers", "secret_header"} {
		r.acts("external.TestWires", "config."+property)
	}
}

func voice() []Entry {
	r := rows{resource: "voice"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.acts("server.TestPlanChoosesDrivers", "type", "voice_flite", "voice_tty")
	r.values(vendorSpeaks, "type", "voice_azure", "voice_rime", "voice_eleven_labs", "voice_openai", "voice_deepgram", "voice_cartesia", "voice_kokoro")
	r.keptValues(NoDriver, noPlayHT+" The server's own voice speaks where it can, else calls are refused.", "type", "voice_play_ht")
	r.keptValues(NoDriver, noVoice, "type", "voice_vocode")
	r.acts("api.TestPlainNouns", "label")
	r.acts("api.TestPlainNouns", "description")
	r.acts("server.TestNamesOfOwnVoices", "voice", "rms", "slt", "kal16", "awb")
	r.acts("server.TestPlanPassesTheVoicesName", "voice_id")
	r.acts(whoServes, "fallback")
	r.acts(whoServes, "api_key")
	for _, property := range []string{"pitch", "rate", "speed_alpha", "model_id", "stability", "similarity_boost", "speed"} {
		r.partly(vendorSpeaks, property, onlyBy(property))
	}
	r.acts(vendorSpeaks, "voice_name")
	r.acts(vendorSpeaks, "speaker")
	r.kept(NoDriver, "ElevenLabs streams as fast as it can without it.", "optimize_streaming_latency", "experimental_input_streaming")
	r.kept(NoDriver, "It belongs to voices of PlayHT. "+noPlayHT, "api_user_id", "version", "quality",
		"temperature", "top_p", "text_guidance", "voice_guidance", "experimental_remove_silence")
	return r.entries
}

func webhook() []Entry {
	r := rows{resource: "webhook"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.acts("api.TestPlainNouns", "label")
	r.acts("api.TestPlainNouns", "description")
	r.acts("webhook/delivery.TestDeliversInOrder", "url")
	r.acts("webhook/delivery.TestDeliversInOrder", "method", "POST")
	r.keptValues(NotBuilt, notGET, "method", "GET")
	r.acts("store.TestACallTellsItsWebhook", "subscriptions", "event_message", "event_action", "event_phone_call_connected",
		"event_phone_call_ended", "event_transcript", "event_recording", "event_error", "event_phone_call_started")
	r.values("store.TestAnAnalysisTellsTheWebhook", "subscriptions", "event_insights")
	r.values("store.TestWhatWasNotAnswered", "subscriptions", "event_phone_call_did_not_connect")
	r.keptValues(NotBuilt, noHumanCheck, "subscriptions", "event_human_detection")
	r.kept(NotBuilt, noHookLogin, "account_connection_id")
	r.acts("store.TestAnEndpointThatIsBack", "active")
	r.acts("webhook.TestShapes", "shape", "contract", "vapi", "retell")
	r.acts("webhook/delivery.TestSignatures", "signature_secret")
	return r.entries
}

func webhookDelivery() []Entry {
	r := rows{resource: "webhook_delivery"}
	for _, property := range []string{"id", "webhook", "call_id", "type", "since", "until"} {
		r.acts("api.TestReplay", property)
	}
	r.acts("api.TestReplay", "state", "waiting", "delivered", "dead")
	return r.entries
}

func accountConnection() []Entry {
	r := rows{resource: "account_connection"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.acts("api.TestPlainNouns", "label")
	r.acts("api.TestPlainNouns", "description")
	r.acts(whoServes, "type")
	r.acts(whoServes, "credentials")
	r.acts(whoServes, "credentials.openai_api_key")
	r.acts("server.TestConnectionsReachVendors", "config")
	r.kept(NoDriver, noCarrier, "credentials.twilio_account_sid", "credentials.twilio_auth_token",
		"config.voicemail_detection", "steering_pool", "account_supports_any_caller_id", "phone_number")
	r.acts("api.TestDefaultConnection", "default")
	for _, vendor := range []string{"openai", "anthropic", "google", "azure_llm", "deepseek", "togetherai", "openrouter", "ollama", "harness", "whisper", "kokoro",
		"elevenlabs", "deepgram", "cartesia", "rime", "azure_speech", "assemblyai"} {
		r.values(whoServes, "type", "account_connection_"+vendor)
	}
	for _, vendor := range []string{"twilio", "telnyx", "un_pw_oauth", "login_key_oauth", "external_api_key"} {
		r.keptValues(NoDriver, noCarrier, "type", "account_connection_"+vendor)
	}
	r.keptValues(NoDriver, noPlayHT, "type", "account_connection_playht")
	return r.entries
}

// trunk has what the document lists; what else sip.trunks takes acts just as well.
func trunk() []Entry {
	const (
		live  = "server.TestTrunksOfEnvironments"
		rules = "server.TestReadTrunk"
	)
	r := rows{resource: "trunk"}
	r.acts("api.TestTrunks", "name")
	for _, property := range []string{"host", "addresses", "numbers", "username", "password"} {
		r.acts(live, property)
	}
	for _, property := range []string{"transport", "target_timeout", "redirects", "tls", "tls.server_name", "tls.insecure", "outbound_proxy", "keepalive", "register", "register_expires",
		"contact_user", "country", "called", "calling", "asserted_identity", "any_caller_id", "transfer", "headers_in", "headers_out", "realm", "media", "media.sources", "media.srtp", "media.srtp_over_clear"} {
		r.acts(rules, property)
	}
	for _, direction := range []string{"called.in", "called.out", "calling.in", "calling.out"} {
		r.acts(rules, direction)
		for _, member := range []string{"strip", "prepend", "plus"} {
			r.acts(rules, direction+"."+member)
		}
	}
	r.acts("server.TestTryTrunk", "preset")
	return r.entries
}

func vectorDatabase() []Entry {
	r := rows{resource: "vector_database"}
	r.acts("api.TestWhatIsSentBackChangesNothing", "id")
	r.kept(NotBuilt, noVectors, "type", "index", "api_key", "api_environment")
	r.keptValues(NotBuilt, noVectors, "type", "vector_database_pinecone")
	return r.entries
}
