package support

func number() []Entry {
	r := rows{resource: "number"}
	r.acts("api.TestNumberShop", "area_code")
	r.acts("api.TestNumberShop", "phone_number")
	r.acts("api.TestNumberShop", "telephony_provider", "simulated")
	r.values("server.TestTrunkNumbersAreForSaleOnce", "telephony_provider", "sip")
	r.keptValues(NoDriver, NotSold, "telephony_provider", "twilio", "telnyx", "vonage", "fluents")
	r.kept(NoDriver, noCarrier, "telephony_account_connection")
	r.acts("api.TestNumberFieldsChangeAlone", "inbound_agent")
	r.acts("call.TestRefusals", "outbound_only")
	r.acts("call.TestRefusals", "max_concurrent_calls")
	for _, property := range []string{"label", "description", "tags"} {
		r.acts("api.TestNumberFieldsChangeAlone", property)
	}
	r.kept(SampleData, "These are examples for trials, which no call uses.", "example_context")
	r.kept(NotBuilt, "No part of the server reads it.", "config")
	return r.entries
}

func call() []Entry {
	r := rows{resource: "call"}
	r.acts("call.TestOutboundCallIsDialledAndConverses", "to_number")
	r.acts("call.TestOutboundCallIsDialledAndConverses", "from_number")
	r.acts("api.TestCreateCallWithAgents", "agent")
	const fromNumber = "The carrier is that of from_number."
	r.kept(Hint, fromNumber, "telephony_provider", "telephony_account_connection")
	r.keptValues(Hint, fromNumber, "telephony_provider", "simulated", "sip", "twilio", "telnyx", "vonage", "fluents")
	r.acts("api.TestCreateCall", "agent_phone_number")
	r.acts("call.TestFillPlaceholders", "context")
	r.acts("call.TestHIPAACallLeavesNoTranscript", "hipaa_compliant")
	r.acts("server.TestCallsOfATrunkThatWritesOtherwise", "headers_out")
	r.acts("call.TestPauseRecording", "paused")
	r.kept(NotBuilt, "Carriers are not given them.", "telephony_params")
	r.kept(NotBuilt, noVoicemail, "on_no_human_answer")
	r.keptValues(NotBuilt, noVoicemail, "on_no_human_answer", "continue", "hangup")
	r.partly("server.TestCallsAreAnalysed", "run_do_not_call_detection", someOptOut)
	r.kept(Hint, "A call that is created is outgoing.", "is_outgoing")
	r.kept(Hint, untilCarrier, "telephony_id", "telephony_metadata", "telephony_metadata.type", "telephony_metadata.call_sid",
		"telephony_metadata.call_status", "telephony_metadata.transfer_call_sid", "telephony_metadata.transfer_call_status",
		"telephony_metadata.conference_sid", "human_detection_result", "do_not_call_result")
	r.keptValues(Hint, untilCarrier, "human_detection_result", "human", "no_human")
	return r.entries
}

func dncNumber() []Entry {
	r := rows{resource: "dnc_number"}
	r.acts("api.TestNumbersThatAreNotCalled", "phoneNumber")
	r.acts("api.TestNumbersThatAreNotCalled", "reason")
	r.acts("api.TestManyNumbersThatAreNotCalled", "phoneNumbers")
	r.acts("api.TestManyNumbersThatAreNotCalled", "phoneNumbers[].phoneNumber")
	r.acts("api.TestManyNumbersThatAreNotCalled", "phoneNumbers[].reason")
	r.kept(Hint, "The key decides whose list it is.", "userId")
	return r.entries
}
