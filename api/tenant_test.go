package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// idPlace is a place of a request where an id, or what stands for one, can be.
type idPlace struct {
	// where names it in failures: "query id", "body prompt.id", "filter agent".
	where string
	// kind is the kind of resource that belongs there: a noun of fresh.
	kind string
	// with builds query and body around the value.
	with func(value string) (query, body string)
	// ignored positions are read-only or hints: every value is accepted and has
	// no effect.
	ignored bool
	// finds says that a value that names nothing is no error but an empty list.
	finds bool
	// own is the status when the resource is ours, if it is no success.
	own int
	// telephone positions take any phone number: what is none is a 400.
	telephone bool
	// claims says that the value is taken from all: another's is refused as our
	// own is.
	claims bool
}

func inQuery(name, kind, body string) idPlace {
	return idPlace{where: "query " + name, kind: kind, with: func(v string) (string, string) {
		return "?" + name + "=" + url.QueryEscape(v), body
	}}
}

// inPath puts the value into the path.
func inPath(kind string) idPlace {
	return idPlace{where: "path", kind: kind, with: func(v string) (string, string) { return "PATH " + url.PathEscape(v), "" }}
}

// inBody puts the value as JSON text where the template says "$".
func inBody(where, kind, query, template string) idPlace {
	return idPlace{where: "body " + where, kind: kind, with: func(v string) (string, string) {
		quoted, _ := json.Marshal(v)
		return query, strings.ReplaceAll(template, "$", string(quoted))
	}}
}

func ignoring(p idPlace) idPlace {
	p.ignored = true
	return p
}

// notSelling is for carriers' accounts that numbers cannot be bought with.
func notSelling(p idPlace) idPlace {
	p.own = 400
	return p
}

// inList are the positions of a list: ids in filters, and the cursor.
func inList(columns map[string]string) []idPlace {
	out := []idPlace{{where: "cursor", kind: "cursor", with: func(v string) (string, string) { return "?size=1&cursor=" + url.QueryEscape(v), "" }}}
	for column, kind := range columns {
		for _, form := range []string{`{"%s":%s}`, `{"%s":{"in":[%s]}}`} {
			out = append(out, idPlace{where: "filter " + column, kind: kind, finds: true, with: func(v string) (string, string) {
				quoted, _ := json.Marshal(v)
				return "?filters=" + url.QueryEscape(fmt.Sprintf(form, column, quoted)), ""
			}})
		}
	}
	return out
}

// inTemplate are the positions inside a prompt of a request. A template is no
// other prompt's: our own ones are refused as well.
func inTemplate(at, query, around string) []idPlace {
	var out []idPlace
	for form, template := range map[string]string{"prompt_template": `"prompt_template":$`, "prompt_template.id": `"prompt_template":{"id":$}`} {
		p := inBody(at+form, "template", query, strings.Replace(around, "$$", template, 1))
		p.own = 404
		out = append(out, p)
	}
	return out
}

// inAgent are the positions inside an agent of a request; at is its path, around
// the body with the agent's members for "$$".
func inAgent(at, query, around string) []idPlace {
	var out []idPlace
	for property, kind := range map[string]string{
		"prompt": "prompt", "voice": "voice", "webhook": "webhook", "vector_database": "vectors", "openai_account_connection": "model connection",
	} {
		// Every agent needs a prompt; the last of two equal names would be refused.
		base := `"prompt":{"content":"p"},`
		if property == "prompt" {
			base = ""
		}
		for form, template := range map[string]string{
			property: `"` + property + `":$`, property + ".id": `"` + property + `":{"id":$}`,
		} {
			out = append(out, inBody(at+form, kind, query, strings.Replace(around, "$$", base+template, 1)))
		}
	}
	base := `"prompt":{"content":"p"},`
	out = append(out, inTemplate(at+"prompt.", query, strings.Replace(around, "$$", `"prompt":{"content":"p",$$}`, 1))...)
	return append(out,
		inBody(at+"actions[0]", "action", query, strings.Replace(around, "$$", base+`"actions":[$]`, 1)),
		inBody(at+"actions[0].id", "action", query, strings.Replace(around, "$$", base+`"actions":[{"id":$}]`, 1)),
		inBody(at+"webhook.account_connection_id", "key connection", query, strings.Replace(around, "$$",
			base+`"webhook":{"url":"https://hook.example/in","subscriptions":["event_message"],"account_connection_id":$}`, 1)),
	)
}

// tenantRows is the matrix: for each route the positions of ids. A route that
// has none says why.
func (f *tenants) tenantRows() map[string][]idPlace {
	agent := `{"prompt":{"content":"p"}}`
	rows := map[string][]idPlace{
		"GET /v1/numbers": {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"GET /v1/numbers/list": inList(map[string]string{"id": "number id", "number": "number", "inbound_agent": "placed agent",
			"telephony_account_connection": "connection of number"}),
		"GET /v1/numbers/available": {notSelling(inQuery("telephony_account_connection", "connection", ""))},
		"POST /v1/numbers/cancel":   {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"POST /v1/numbers/detach":   {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"POST /v1/numbers/buy": append(inAgent("inbound_agent.", "", `{"inbound_agent":{$$}}`),
			idPlace{where: "body phone_number", kind: "number", own: 404, telephone: true, with: inBody("", "", "", `{"phone_number":$}`).with},
			inBody("inbound_agent", "agent", "", `{"inbound_agent":$}`), inBody("inbound_agent.id", "agent", "", `{"inbound_agent":{"id":$}}`),
			notSelling(inBody("telephony_account_connection", "connection", "", `{"telephony_account_connection":$}`))),
		"POST /v1/numbers/link": append(inAgent("inbound_agent.", "", `{"phone_number":"PHONE","telephony_account_connection":"`+f.mine.connection+`","inbound_agent":{$$}}`),
			inBody("inbound_agent", "agent", "", `{"phone_number":"PHONE","telephony_account_connection":"`+f.mine.connection+`","inbound_agent":$}`),
			inBody("inbound_agent.id", "agent", "", `{"phone_number":"PHONE","telephony_account_connection":"`+f.mine.connection+`","inbound_agent":{"id":$}}`),
			idPlace{where: "body phone_number", kind: "number", claims: true, with: inBody("", "", "", `{"phone_number":$,"telephony_account_connection":"`+f.mine.connection+`"}`).with},
			inBody("telephony_account_connection", "connection", "", `{"phone_number":"PHONE","telephony_account_connection":$}`)),
		"POST /v1/numbers/update": append(inAgent("inbound_agent.", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":{$$}}`),
			inQuery("phone_number", "number", `{"example_context":{}}`), inQuery("id", "number id", `{"example_context":{}}`),
			inBody("inbound_agent", "agent", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":$}`),
			inBody("inbound_agent.id", "agent", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":{"id":$}}`)),

		"POST /v1/agents/create": append(inAgent("", "", `{$$}`), ignoring(inBody("id", "agent", "", `{"id":$,"prompt":{"content":"p"}}`))),
		"POST /v1/agents/update": append(inAgent("", "?id="+f.mine.agent, `{$$}`), inQuery("id", "agent", `{}`),
			ignoring(inBody("id", "agent", "?id="+f.mine.agent, `{"id":$}`))),
		"GET /v1/agents/list": inList(map[string]string{"id": "agent", "prompt": "prompt of agent", "voice": "voice of agent",
			"webhook": "webhook of agent", "vector_database": "vectors of agent", "openai_account_connection": "connection of agent"}),

		"GET /v1/webhooks/list": inList(map[string]string{"id": "webhook", "account_connection_id": "connection of webhook"}),
		"POST /v1/webhooks/create": {inBody("account_connection_id", "key connection", "", `{"url":"https://hook.example/in","subscriptions":[],"account_connection_id":$}`),
			ignoring(inBody("id", "webhook", "", `{"id":$,"url":"https://hook.example/in","subscriptions":[]}`))},
		"POST /v1/webhooks/rotate_secret": {inQuery("id", "webhook", "")},
		"POST /v1/webhooks/test":          {inQuery("id", "webhook", "")},
		"GET /v1/webhook_deliveries":      {inQuery("id", "delivery", "")},
		"GET /v1/webhook_deliveries/list": inList(map[string]string{"id": "delivery", "webhook": "webhook of delivery", "call_id": "call of delivery"}),
		"POST /v1/webhook_deliveries/replay": {inBody("id", "delivery", "", `{"id":$}`), inBody("webhook", "webhook of delivery", "", `{"webhook":$}`),
			inBody("call_id", "call of delivery", "", `{"call_id":$}`)},
		"POST /v1/webhooks/update": {inQuery("id", "webhook", `{}`), inBody("account_connection_id", "key connection", "?id="+f.mine.webhook, `{"account_connection_id":$}`),
			ignoring(inBody("id", "webhook", "?id="+f.mine.webhook, `{"id":$}`))},

		"GET /v1/calls/list": inList(map[string]string{"id": "call", "agent": "agent of call", "from_number": "number of call", "agent_phone_number": "number of call"}),
		"POST /v1/calls/create": append(inAgent("agent.", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":{$$}}`),
			inBody("agent", "agent", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":$}`),
			inBody("agent.id", "agent", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":{"id":$}}`),
			inBody("from_number", "number", "", `{"to_number":"+12025550199","from_number":$,"agent":`+agent+`}`),
			inBody("agent_phone_number", "number", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent_phone_number":$,"agent":`+agent+`}`),
			ignoring(inBody("telephony_account_connection", "connection", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":`+agent+`,"telephony_account_connection":$}`))),
		"GET /v1/calls/export":      inList(map[string]string{"id": "call", "agent": "agent of call", "from_number": "number of call", "agent_phone_number": "number of call"})[1:],
		"GET /v1/calls":             {inQuery("id", "call", "")},
		"POST /v1/calls/end":        {inQuery("id", "call", "")},
		"POST /v1/calls/recording":  {inQuery("id", "live call", `{"paused":true}`)},
		"GET /v1/calls/recording":   {inQuery("id", "recorded call", "")},
		"GET /v1/calls/{id}/ladder": {inPath("signalled call")},
		"GET /v1/calls/{id}/turns":  {inPath("ended call")},
		"GET /v1/calls/{id}/pcap":   {inPath("signalled call")},

		"GET /v1/calls/{id}/journal": {inPath("signalled call")},
		"GET /v1/calls/{id}/events":  {inPath("ended call")},

		"POST /v1/account_connections/test":                      {inQuery("id", "connection", "")},
		"POST /v1/account_connections/add_to_steering_pool":      {inQuery("id", "connection", `{"phone_number":"+12025550144"}`)},
		"POST /v1/account_connections/remove_from_steering_pool": {inQuery("id", "pooled connection", `{"phone_number":"+12025550144"}`)},

		"GET /v1/trunks":           {inQuery("id", "trunk", ""), inQuery("name", "trunk name", "")},
		"POST /v1/trunks/update":   {inQuery("id", "trunk", `{}`), inQuery("name", "trunk name", `{}`)},
		"GET /v1/trunks/list":      inList(map[string]string{"id": "trunk", "name": "trunk name"}),
		"POST /v1/trunks/create":   nil, // takes a name, which is the environment's own
		"DELETE /v1/trunks/delete": {inQuery("id", "trunk", ""), inQuery("name", "trunk name", "")},
		"POST /v1/trunks/test":     {inQuery("id", "trunk", ""), inQuery("name", "trunk name", "")},

		"POST /v1/dnc_numbers/create":   nil, // takes numbers, not ids
		"POST /v1/dnc_numbers/bulk":     nil, // likewise
		"GET /v1/dnc_numbers/list":      inList(map[string]string{"id": "dnc", "phoneNumber": "dnc number"}),
		"POST /v1/dnc_numbers/decide":   {inQuery("id", "dnc to decide", `{"phoneNumber":"+12025550100"}`)},
		"DELETE /v1/dnc_numbers/delete": {inQuery("id", "dnc", "")},

		"GET /v1/environments":         {inQuery("id", "environment", "")},
		"POST /v1/environments/update": {inQuery("id", "environment", `{}`), inBody("default_agent", "agent", "?id="+f.mine.env, `{"default_agent":$}`)},
		"GET /v1/environments/list":    inList(map[string]string{"id": "environment"}),
		"POST /v1/environments/create": nil, // takes a name

		"GET /v1/api_keys/list":               inList(map[string]string{"id": "key", "member": "member of key"}),
		"GET /v1/api_keys":                    {inQuery("id", "key", "")},
		"POST /v1/api_keys/create":            {inBody("member", "member", "", `{"label":"L","member":$}`)},
		"POST /v1/api_keys/import":            {inBody("member", "member", "", `{"key":"bearer-of-a-member-UNIQUE","member":$}`)},
		"POST /v1/api_keys/update":            {inQuery("id", "key", `{}`)},
		"POST /v1/api_keys/revoke":            {inQuery("id", "key", "")},
		"GET /v1/audit_log":                   {inQuery("id", "audit", "")},
		"GET /v1/audit_log/list":              inList(map[string]string{"id": "audit", "resource_id": "agent", "actor_id": "actor"}),
		"GET /v1/support":                     {inQuery("agent", "agent", "")},
		"GET /v1/refusals":                    inList(map[string]string{"id": "refusal"}),
		"GET /v1/usage":                       nil, // the key's own environment only
		"GET /v1/whoami":                      nil, // likewise
		"POST /v1/secrets/rotate_environment": nil, // likewise
		"POST /v1/secrets/rotate_master":      nil, // names nothing
		"GET /metrics":                        nil, // counts of the whole server, behind a scope of its own
	}
	for noun, kind := range resembling() {
		path := "/v1/" + noun
		rows["GET "+path] = []idPlace{inQuery("id", kind, "")}
		rows["DELETE "+path+"/delete"] = []idPlace{inQuery("id", "unused "+kind, "")}
		if rows["POST "+path+"/update"] == nil {
			rows["POST "+path+"/update"] = []idPlace{inQuery("id", kind, `{}`)}
		}
		if rows["GET "+path+"/list"] == nil {
			rows["GET "+path+"/list"] = inList(map[string]string{"id": kind})
		}
		if _, ok := rows["POST "+path+"/create"]; !ok {
			rows["POST "+path+"/create"] = nil // takes no ids but the one that is ignored
		}
	}
	// An id in the body of what is made or changed says nothing new.
	for noun, body := range map[string]string{
		"prompts": `"content":"p"`, "actions": `"type":"action_end_conversation"`, "voices": `"type":"voice_rime","speaker":"s"`,
		"account_connections": `"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"}`,
		"vector_databases":    `"type":"vector_database_pinecone","index":"i","api_key":"k","api_environment":"e"`,
	} {
		create, update := "POST /v1/"+noun+"/create", "POST /v1/"+noun+"/update"
		rows[create] = append(rows[create], ignoring(inBody("id", resembling()[noun], "", `{"id":$,`+body+`}`)))
		rows[update] = append(rows[update], ignoring(inBody("id", resembling()[noun], "?id="+f.mine.plain[noun], `{"id":$}`)))
	}
	rows["POST /v1/prompts/create"] = append(rows["POST /v1/prompts/create"], inTemplate("", "", `{"content":"p",$$}`)...)
	rows["POST /v1/prompts/update"] = append(rows["POST /v1/prompts/update"], inTemplate("", "?id="+f.mine.plain["prompts"], `{$$}`)...)
	return rows
}

// resembling are the nouns that are alike in their routes, with the kind of fresh.
func resembling() map[string]string {
	return map[string]string{
		"agents": "agent", "prompts": "prompt", "actions": "action", "voices": "voice", "webhooks": "webhook",
		"account_connections": "connection", "vector_databases": "vectors", "members": "member",
	}
}

// tenants are two environments with one of everything each.
type tenants struct {
	*bench
	mine, theirs tenant
	// line is a number of mine that stays.
	line string
	made int
}

// unique is a text that was not used before; phone a number.
func (f *tenants) unique() string {
	f.made++
	return fmt.Sprintf("unique-%d", f.made)
}

func (f *tenants) phone() string {
	f.made++
	return fmt.Sprintf("+1646555%04d", f.made) // no shop sells these
}

type tenant struct {
	key, env                   string
	agent, webhook, connection string
	// plain is one of each noun of resembling.
	plain map[string]string
}

func newTenants(b *bench) *tenants {
	f := &tenants{bench: b}
	for i := range 300 {
		b.shop.free = append(b.shop.free, telephony.AvailableNumber{Number: fmt.Sprintf("+1303555%04d", i)})
	}
	f.mine.key, f.mine.env = b.key, b.env.ID
	other, key := b.newEnvironment("other clinic")
	f.theirs.key, f.theirs.env = key, other.ID
	for _, who := range []*tenant{&f.mine, &f.theirs} {
		who.agent = f.fresh(*who, "agent")
		who.webhook = f.fresh(*who, "webhook")
		who.connection = f.fresh(*who, "connection")
		who.plain = map[string]string{}
		for noun, kind := range resembling() {
			who.plain[noun] = f.fresh(*who, kind)
		}
	}
	f.line = f.fresh(f.mine, "number")
	return f
}

// as sends a request with a tenant's key.
func (f *tenants) as(who tenant, target, body string) answer {
	f.t.Helper()
	return f.send(target, body, http.Header{"Authorization": {"Bearer " + who.key}, "Content-Type": {"application/json"}})
}

// fresh makes a resource of the kind for a tenant and returns what names it.
func (f *tenants) fresh(who tenant, kind string) string {
	f.t.Helper()
	post := func(path, body, property string) string {
		f.t.Helper()
		got := f.as(who, "POST "+path, body)
		if got.status/100 != 2 {
			f.t.Fatalf("make %s: %d %s", kind, got.status, got.raw)
		}
		return got.text(property)
	}
	switch strings.TrimPrefix(kind, "unused ") {
	case "agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"}}`, "id")
	case "placed agent":
		return post("/v1/numbers/buy", `{"inbound_agent":{"prompt":{"content":"p"}}}`, "inbound_agent.id")
	case "prompt":
		return post("/v1/prompts/create", `{"content":"p"}`, "id")
	case "template":
		return post("/v1/prompts/create", `{"content":"p","prompt_template":{}}`, "prompt_template.id")
	case "new environment":
		return post("/v1/environments/create", `{"name":"`+f.unique()+`"}`, "id")
	case "prompt of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"}}`, "prompt.id")
	case "webhook of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"},"webhook":{"url":"https://hook.example/in","subscriptions":["event_message"]}}`, "webhook.id")
	case "vectors of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"},"vector_database":{"type":"vector_database_pinecone","index":"i","api_key":"k","api_environment":"e"}}`, "vector_database.id")
	case "connection of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"},"openai_account_connection":{"type":"account_connection_openai","credentials":{"openai_api_key":"k-0123456789"}}}`, "openai_account_connection.id")
	case "voice of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"},"voice":{"type":"voice_rime","speaker":"s"}}`, "voice.id")
	case "voice":
		return post("/v1/voices/create", `{"type":"voice_rime","speaker":"s"}`, "id")
	case "action":
		return post("/v1/actions/create", `{"type":"action_end_conversation"}`, "id")
	case "webhook":
		return post("/v1/webhooks/create", `{"url":"https://hook.example/in","subscriptions":["event_message"]}`, "id")
	case "vectors":
		return post("/v1/vector_databases/create", `{"type":"vector_database_pinecone","index":"i","api_key":"k","api_environment":"e"}`, "id")
	case "trunk":
		return post("/v1/trunks/create", `{"name":"`+f.unique()+`"}`, "id")
	case "trunk name":
		return post("/v1/trunks/create", `{"name":"`+f.unique()+`"}`, "name")
	case "member":
		return post("/v1/members/create", `{"subject":"`+f.unique()+`"}`, "id")
	case "key":
		return post("/v1/api_keys/create", `{"label":"L","scopes":["read"]}`, "id")
	case "dnc":
		return post("/v1/dnc_numbers/create", `{"phoneNumber":"`+f.phone()+`"}`, "id")
	case "dnc to decide":
		return post("/v1/dnc_numbers/create", `{"phoneNumber":"+12025550100"}`, "id")
	case "dnc number":
		return post("/v1/dnc_numbers/create", `{"phoneNumber":"`+f.phone()+`"}`, "phoneNumber")
	}
	return f.freshOther(who, kind, post)
}

// freshOther makes the kinds that need more than one request.
func (f *tenants) freshOther(who tenant, kind string, post func(path, body, property string) string) string {
	f.t.Helper()
	connection := `{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"}}`
	keyConnection := `{"type":"account_connection_external_api_key","credentials":{"key":"k-0123456789"}}`
	first := func(path, property string) string {
		page := f.as(who, "GET "+path, "").want(200)
		items, _ := page.at("items").([]any)
		if len(items) == 0 {
			f.t.Fatalf("%s has no items", path)
		}
		item, _ := items[0].(map[string]any)
		text, _ := item[property].(string)
		return text
	}
	switch strings.TrimPrefix(kind, "unused ") {
	case "connection":
		return post("/v1/account_connections/create", connection, "id")
	case "key connection":
		return post("/v1/account_connections/create", keyConnection, "id")
	case "model connection":
		return post("/v1/account_connections/create", `{"type":"account_connection_openai","credentials":{"openai_api_key":"k-0123456789"}}`, "id")
	case "pooled connection":
		id := post("/v1/account_connections/create", connection, "id")
		f.as(who, "POST /v1/account_connections/add_to_steering_pool?id="+id, `{"phone_number":"+12025550144"}`).want(200)
		return id
	case "connection of number":
		id := post("/v1/account_connections/create", connection, "id")
		post("/v1/numbers/link", `{"phone_number":"`+f.phone()+`","telephony_account_connection":"`+id+`"}`, "id")
		return id
	case "member of key":
		id := f.fresh(who, "member")
		post("/v1/api_keys/create", `{"label":"L","member":"`+id+`"}`, "id")
		return id
	case "connection of webhook":
		id := post("/v1/account_connections/create", keyConnection, "id")
		post("/v1/webhooks/create", `{"url":"https://hook.example/in","subscriptions":[],"account_connection_id":"`+id+`"}`, "id")
		return id
	case "number", "number id":
		property := map[string]string{"number": "number", "number id": "id"}[kind]
		return post("/v1/numbers/link", `{"phone_number":"`+f.phone()+`","telephony_account_connection":"`+f.fresh(who, "connection")+`"}`, property)
	case "live call":
		id := f.freshCall(who, "call", post)
		f.calls.run(id)
		return id
	case "call", "ended call", "recorded call", "signalled call", "agent of call", "number of call":
		return f.freshCall(who, kind, post)
	case "environment":
		return f.as(who, "GET /v1/whoami", "").want(200).text("environment.id")
	case "audit":
		f.fresh(who, "prompt")
		return first("/v1/audit_log/list", "id")
	case "refusal":
		return f.refusal(who.env)
	case "delivery":
		return f.delivery(who.env).ID
	case "webhook of delivery":
		return f.delivery(who.env).WebhookID
	case "call of delivery":
		return f.delivery(who.env).CallID
	case "actor":
		f.fresh(who, "prompt")
		return f.as(who, "GET /v1/whoami", "").want(200).text("id")
	}
	f.t.Fatalf("nothing makes %q", kind)
	return ""
}

func (f *tenants) freshCall(who tenant, kind string, post func(path, body, property string) string) string {
	f.t.Helper()
	from, agent := f.fresh(who, "number"), f.fresh(who, "agent")
	id := post("/v1/calls/create", `{"to_number":"+12025550199","from_number":"`+from+`","agent":"`+agent+`"}`, "id")
	switch kind {
	case "agent of call":
		return agent
	case "number of call":
		return from
	case "call":
		return id
	}
	at := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	f.ladders[id], f.journals[id] = sampleLadder(), "sidetone journal 1"
	f.tapes["/rec/"+id] = []byte("RIFF....WAVEsound")
	err := f.store.FinishCall(f.t.Context(), who.env, id, sidetone.CallResult{
		Status: sidetone.CallEnded, Outcome: sidetone.OutcomeHumanDisconnected, EndReason: "hangup", RecordingPath: "/rec/" + id, Ended: at,
	}, []sidetone.Event{{CallID: id, EnvironmentID: who.env, Sequence: 1, Kind: sidetone.EventEnded, At: at, Data: []byte("{}")}})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// TestEveryRouteHasATenantRow fails the build when a route is added without
// thinking of other environments' ids.
func TestEveryRouteHasATenantRow(t *testing.T) {
	t.Parallel()
	rows := (&tenants{line: "+1"}).tenantRows()
	for _, r := range (&server{}).routes() {
		_, ok := rows[r.pattern]
		if r.open == ok {
			t.Errorf("%s: open is %v, has a row is %v", r.pattern, r.open, ok)
		}
		delete(rows, r.pattern)
	}
	for pattern := range rows {
		t.Errorf("there is no %s", pattern)
	}
}

// words are the texts of requests that name no resource of an environment, by
// the last part of their path: plain texts, times, what carriers and vendors call
// things, and people's telephone numbers.
func words() []string {
	return strings.Fields(`format cursor page size sort_column sort_desc expand limit after filters
		type label description name key url method language reason subject role
		content transfer_on_failure context_endpoint collect_fields[0] tags[0] key_terms[0] subscriptions[0] scopes[0] text
		initial_message model provider openai_model_name_override
		api_environment api_key api_user_id index model_id quality speaker version voice_id voice_name
		model_name required_context_keys[0] created updated createdAt updatedAt revoked start_time end_time status stage_outcome is_outgoing outbound_only
		actor_type action resource request_id telephony_id telephony_provider area_code trunk cause
		to_number phoneNumber steering_pool[0] userId default_country dial_countries[0] certain
		default_model default_voice default_transcriber fallback_model fallback_voice fallback_transcriber
		created_at updated_at revoked_at active tags carrier_state twilio_account_sid twilio_auth_token openai_api_key signature_secret
		speak_on_send speak_on_receive speak_on_wait speak_on_failure wire secret_header processing_mode phrase conditions[0]
		call_sid call_status transfer_call_sid transfer_call_status conference_sid`)
}

// word says that a position of a route takes no id.
func word(pattern, where string) bool {
	last := where[strings.LastIndexAny(where, " .")+1:]
	switch {
	case slices.Contains(words(), last), strings.HasSuffix(where, "voice.voice"), strings.HasSuffix(where, "config.phone_number"), strings.Contains(where, "post_call_insights[0]."):
		return true
	case strings.HasPrefix(pattern, "POST /v1/voices/"):
		return last == "voice"
	case strings.Contains(pattern, "/v1/webhook_deliveries/"), pattern == "POST /v1/webhooks/rotate_secret":
		return slices.Contains([]string{"state", "since", "until", "overlap_hours"}, last)
	case strings.HasSuffix(pattern, "_steering_pool"):
		return last == "phone_number"
	case strings.HasPrefix(pattern, "POST /v1/trunks/"):
		return where == "query echo" || strings.HasPrefix(where, "body ") // settings of a trunk name nothing of ours
	}
	return false
}

// positions are all places of a route, by its part of the document, where an id
// could be: parameters, filters, and every text in the body.
func positions(op *openapi3.Operation) []string {
	var out []string
	for _, p := range op.Parameters {
		switch p.Value.In {
		case openapi3.ParameterInPath:
			out = append(out, "path")
		case openapi3.ParameterInQuery:
			out = append(out, "query "+p.Value.Name)
		}
	}
	others, _ := op.Extensions["x-also-accepts-parameters"].(map[string]any)
	for other := range others {
		out = append(out, "query "+other)
	}
	for _, column := range columnsOf(op, "x-filter-columns") {
		out = append(out, "filter "+column)
	}
	if op.RequestBody == nil {
		return out
	}
	for _, l := range leaves(op.RequestBody.Value.Content.Get("application/json").Schema.Value, nil, 0) {
		if takes := jsonTypes(l.schema); (len(takes) == 0 || slices.Contains(takes, "string")) && len(l.schema.Enum) == 0 {
			out = append(out, "body "+l.name())
		}
		if l.schema.Items != nil && slices.Contains(jsonTypes(l.schema.Items.Value), "string") {
			out = append(out, "body "+l.name()+"[0]")
		}
	}
	return out
}

func columnsOf(op *openapi3.Operation, extension string) []string {
	var out []string
	names, _ := op.Extensions[extension].([]any)
	for _, name := range names {
		out = append(out, fmt.Sprint(name))
	}
	return out
}

// TestEveryPositionOfAnIDIsInTheMatrix fails the build when the document gets a
// parameter, a filter or a text in a body that is neither in the route's row nor
// known to be no id, and when a row speaks of a position that the document does
// not have.
func TestEveryPositionOfAnIDIsInTheMatrix(t *testing.T) {
	t.Parallel()
	doc, rows := strictDocument(t), (&tenants{line: "+1"}).tenantRows()
	for pattern, places := range rows {
		method, path, _ := strings.Cut(pattern, " ")
		has, seen := map[string]bool{}, map[string]bool{}
		for _, p := range places {
			has[p.where] = true
		}
		for _, where := range positions(doc.Paths.Value(path).GetOperation(method)) {
			if seen[where] = true; !has[where] && !word(pattern, where) {
				t.Errorf("%s: no row for %s", pattern, where)
			}
		}
		for where := range has {
			if !seen[where] && where != "cursor" {
				t.Errorf("%s: the document has no %s", pattern, where)
			}
		}
	}
}

// TestTenantMatrix sends, to every route and at every position of an id, what
// the environment has, what another one has, what nobody has and what is no id
// at all. Another's must look as what nobody has, to the byte, and stay as it is.
func TestTenantMatrix(t *testing.T) {
	both(t, func(b *bench) {
		f := newTenants(b)
		for pattern, places := range f.tenantRows() {
			theirs := make([]string, len(places))
			for i, p := range places {
				theirs[i] = f.theirsAt(pattern, p)
			}
			before := f.everything(f.theirs)
			for i, p := range places {
				f.hold(pattern, p, theirs[i])
			}
			if diff := cmp.Diff(before, f.everything(f.theirs)); diff != "" {
				f.t.Errorf("%s changed another environment: %s", pattern, diff)
			}
		}
	})
}

func (f *tenants) hold(pattern string, p idPlace, theirs string) {
	f.t.Helper()
	name := pattern + ", " + p.where
	if p.claims {
		own := f.try(pattern, p, f.fresh(f.mine, p.kind))
		if diff := cmp.Diff(own, f.try(pattern, p, theirs), cmp.AllowUnexported(tried{})); diff != "" || own.status != 409 {
			f.t.Errorf("%s: another's differs from our own (-own +another's)\n%s", name, diff)
		}
		return
	}
	absent := "00000000-0000-7000-8000-000000000000"
	if strings.Contains(p.kind, "number") && !strings.Contains(p.kind, "id") {
		absent = "+14155559999"
	}
	nobody := f.try(pattern, p, absent)
	if got := nobody.status; p.ignored && got/100 != 2 || p.finds && got != 200 || !p.ignored && !p.finds && got != 404 {
		f.t.Errorf("%s: absent is answered with %d %s", name, nobody.status, nobody.body)
	}
	for what, value := range map[string]string{
		"another's": theirs, "malformed": "' OR '1'='1", "long": strings.Repeat("x", 300), "not text": "\u2028\u202e%_",
	} {
		got := f.try(pattern, p, value)
		if p.telephone && what != "another's" {
			if got.status != 400 {
				f.t.Errorf("%s: %s is answered with %d %s", name, what, got.status, got.body)
			}
			continue
		}
		if p.ignored && got.status == nobody.status {
			continue // what was made has an id of its own
		}
		if diff := cmp.Diff(nobody, got, cmp.AllowUnexported(tried{})); diff != "" {
			f.t.Errorf("%s: %s differs from absent (-absent +got)\n%s", name, what, diff)
		}
	}
	if p.kind == "cursor" || p.ignored {
		return
	}
	own := f.try(pattern, p, f.fresh(f.mine, p.kind))
	if own.status != p.own && (p.own != 0 || own.status/100 != 2) || p.finds && strings.Contains(own.body, `"items":[]`) {
		f.t.Errorf("%s: own is answered with %d %s", name, own.status, own.body)
	}
}

// theirsAt returns what the other environment would write there.
func (f *tenants) theirsAt(pattern string, p idPlace) string {
	f.t.Helper()
	if p.kind != "cursor" {
		return f.fresh(f.theirs, p.kind)
	}
	kind := map[string]string{"numbers": "number", "agents": "agent", "prompts": "prompt", "actions": "action", "voices": "voice",
		"webhooks": "webhook", "account_connections": "connection", "vector_databases": "vectors", "trunks": "trunk", "members": "member",
		"calls": "call", "dnc_numbers": "dnc", "api_keys": "key", "audit_log": "prompt", "refusals": "refusal", "webhook_deliveries": "delivery", "environments": "new environment"}[strings.Split(pattern, "/")[2]]
	f.fresh(f.theirs, kind)
	f.fresh(f.theirs, kind)
	cursor := f.as(f.theirs, pattern+"?size=1", "").want(200).text("next_cursor")
	if cursor == "" {
		f.t.Fatalf("%s gives no cursor", pattern)
	}
	return cursor
}

// tried is what can be told from an answer.
type tried struct {
	status int
	body   string
}

func (f *tenants) try(pattern string, p idPlace, value string) tried {
	f.t.Helper()
	query, body := p.with(value)
	body = strings.NewReplacer("PHONE", f.phone(), "UNIQUE", f.unique()).Replace(body)
	target := pattern + query
	if path, ok := strings.CutPrefix(query, "PATH "); ok {
		target = strings.Replace(pattern, "{id}", path, 1)
	}
	got := f.as(f.mine, target, body)
	return tried{got.status, strings.ReplaceAll(string(got.raw), value, "VALUE")}
}

// everything is what an environment shows of itself, save its audit log, which
// grows when we look for its ids.
func (f *tenants) everything(who tenant) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for _, noun := range []string{"numbers", "agents", "prompts", "actions", "voices", "webhooks", "account_connections", "vector_databases", "trunks", "dnc_numbers",
		"calls", "members", "api_keys", "environments"} {
		out[noun] = string(f.as(who, "GET /v1/"+noun+"/list?size=100", "").want(200).raw)
	}
	return out
}
