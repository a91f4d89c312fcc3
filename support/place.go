package support

import "strings"

// root is the resource of a request's body: what the path of its operation names.
func root(path string) string {
	for prefix, resource := range map[string]string{
		"/v1/agents/": "agent", "/v1/prompts/": "prompt", "/v1/voices/": "voice", "/v1/actions/": "action", "/v1/webhooks/": "webhook", "/v1/webhook_deliveries/": "webhook_delivery",
		"/v1/account_connections/": "account_connection", "/v1/vector_databases/": "vector_database", "/v1/trunks/": "trunk", "/v1/numbers/": "number",
		"/v1/calls/": "call", "/v1/dnc_numbers/": "dnc_number", "/v1/environments/": "environment", "/v1/api_keys/": "api_key",
		"/v1/members/": "member",
	} {
		if strings.HasPrefix(path, prefix) {
			return resource
		}
	}
	return ""
}

// Root is the resource that the body of an operation holds; "" for none.
// Operations are written as "POST /v1/agents/create".
func Root(operation string) string {
	_, path, _ := strings.Cut(operation, " ")
	return root(path)
}

// Inner is the resource that a property of a resource holds as an object, or as
// the items of a list; "" for none.
func Inner(resource, property string) string {
	return map[string]string{
		"agent prompt": "prompt", "agent voice": "voice", "agent actions": "action", "agent webhook": "webhook",
		"agent vector_database": "vector_database", "agent openai_account_connection": "account_connection",
		"number inbound_agent": "agent", "call agent": "agent",
	}[resource+" "+property]
}
