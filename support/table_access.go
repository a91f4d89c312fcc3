package support

func environment() []Entry {
	r := rows{resource: "environment"}
	r.acts("api.TestEnvironmentsOfAnAccount", "name")
	r.acts("api.TestDefaultAgentOfNewNumbers", "default_agent")
	r.acts("api.TestDefaultCountry", "default_country")
	for _, property := range []string{"default_model", "default_voice", "default_transcriber", "fallback_model", "fallback_voice", "fallback_transcriber"} {
		r.acts("server.TestWhoServes", property)
	}
	r.acts("api.TestCountriesThatAreCalled", "dial_countries")
	r.acts("call.TestTransferOfARecordedCall", "record_transfers")
	return r.entries
}

func apiKey() []Entry {
	r := rows{resource: "api_key"}
	r.acts("api.TestImportedKeys", "key")
	r.acts("api.TestAPIKeys", "label")
	r.acts("api.TestScopes", "scopes", "read", "write", "calls", "secrets:read", "metrics", "admin")
	r.acts("api.TestAPIKeys", "profile", "fluents", "vocode", "vocode-python", "vocode-javascript")
	r.acts("api.TestMembersAndTheirKeys", "member")
	r.acts("api.TestEnvironmentsOfAnAccount", "account_wide")
	return r.entries
}

func member() []Entry {
	r := rows{resource: "member"}
	r.acts("api.TestMembersAndTheirKeys", "subject")
	r.acts("api.TestMembersAndTheirKeys", "name")
	r.acts("api.TestMembersAndTheirKeys", "role", "admin", "member")
	return r.entries
}

// query has the parameters of addresses, which mean the same in all operations.
func query() []Entry {
	r := rows{resource: "query"}
	r.acts("api.TestTenantMatrix", "id")
	r.acts("api.TestTrunks", "name")
	r.acts("api.TestTestTrunk", "echo")
	r.acts("api.TestRotateWebhookSecret", "overlap_hours")
	r.acts("api.TestNumberByIDAndPhone", "phone_number")
	r.acts("api.TestSupport", "agent")
	for _, name := range []string{"page", "size", "cursor"} {
		r.acts("api.TestListsContinueByCursor", name)
	}
	for _, name := range []string{"sort_column", "sort_desc", "filters"} {
		r.acts("api.TestDocumentedColumnsWork", name)
	}
	r.acts("api.TestNumberByIDAndPhone", "expand")
	r.acts("api.TestNumberShop", "limit")
	r.acts("api.TestNumberShop", "telephony_provider", "simulated")
	r.values("server.TestTrunkNumbersAreForSaleOnce", "telephony_provider", "sip")
	r.keptValues(NoDriver, NotSold, "telephony_provider", "twilio", "telnyx", "vonage", "fluents")
	r.entries = append(r.entries, Entry{Resource: "query", Property: "telephony_account_connection", Status: Refused, Reason: NoDriver,
		Sentence: "No account connection sells numbers here."})
	r.acts("api.TestNumbersThatAreNotCalled", "type")
	r.acts("api.TestStream", "after")
	r.acts("api.TestDocsServesNoOtherFiles", "asset")
	r.acts("api.TestExportCalls", "format")
	return r.entries
}
