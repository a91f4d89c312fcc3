package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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
}

func inQuery(name, kind, body string) idPlace {
	return idPlace{where: "query " + name, kind: kind, with: func(v string) (string, string) {
		return "?" + name + "=" + url.QueryEscape(v), body
	}}
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

// inAgent are the positions inside an agent of a request; at is its path, around
// the body with the agent's members for "$$".
func inAgent(at, query, around string) []idPlace {
	var out []idPlace
	for property, kind := range map[string]string{
		"prompt": "prompt", "voice": "voice", "webhook": "webhook", "vector_database": "vectors", "openai_account_connection": "connection",
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
	return append(out,
		inBody(at+"actions[0]", "action", query, strings.Replace(around, "$$", base+`"actions":[$]`, 1)),
		inBody(at+"actions[0].id", "action", query, strings.Replace(around, "$$", base+`"actions":[{"id":$}]`, 1)),
		inBody(at+"webhook.account_connection_id", "connection", query, strings.Replace(around, "$$",
			base+`"webhook":{"url":"https://hook.example/in","subscriptions":["event_message"],"account_connection_id":$}`, 1)),
	)
}

// tenantRows is the matrix: for each route the positions of ids. A route that
// has none says why.
func (f *tenants) tenantRows() map[string][]idPlace {
	agent := `{"prompt":{"content":"p"}}`
	rows := map[string][]idPlace{
		"GET /v1/numbers":           {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"GET /v1/numbers/list":      inList(map[string]string{"id": "number id", "number": "number", "inbound_agent": "placed agent"}),
		"GET /v1/numbers/available": {notSelling(inQuery("telephony_account_connection", "connection", ""))},
		"POST /v1/numbers/cancel":   {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"POST /v1/numbers/detach":   {inQuery("phone_number", "number", ""), inQuery("id", "number id", "")},
		"POST /v1/numbers/buy": append(inAgent("inbound_agent.", "", `{"inbound_agent":{$$}}`),
			inBody("inbound_agent", "agent", "", `{"inbound_agent":$}`), inBody("inbound_agent.id", "agent", "", `{"inbound_agent":{"id":$}}`),
			notSelling(inBody("telephony_account_connection", "connection", "", `{"telephony_account_connection":$}`))),
		"POST /v1/numbers/link": append(inAgent("inbound_agent.", "", `{"phone_number":"PHONE","telephony_account_connection":"`+f.mine.connection+`","inbound_agent":{$$}}`),
			inBody("inbound_agent", "agent", "", `{"phone_number":"PHONE","telephony_account_connection":"`+f.mine.connection+`","inbound_agent":$}`),
			inBody("telephony_account_connection", "connection", "", `{"phone_number":"PHONE","telephony_account_connection":$}`)),
		"POST /v1/numbers/update": append(inAgent("inbound_agent.", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":{$$}}`),
			inQuery("phone_number", "number", `{"example_context":{}}`), inQuery("id", "number id", `{"example_context":{}}`),
			inBody("inbound_agent", "agent", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":$}`),
			inBody("inbound_agent.id", "agent", "?phone_number="+f.line[1:], `{"example_context":{},"inbound_agent":{"id":$}}`)),

		"POST /v1/agents/create": append(inAgent("", "", `{$$}`), ignoring(inBody("id", "agent", "", `{"id":$,"prompt":{"content":"p"}}`))),
		"POST /v1/agents/update": append(inAgent("", "?id="+f.mine.agent, `{$$}`), inQuery("id", "agent", `{}`),
			ignoring(inBody("id", "agent", "?id="+f.mine.agent, `{"id":$}`))),
		"GET /v1/agents/list": inList(map[string]string{"id": "agent", "prompt": "prompt of agent", "voice": "voice of agent"}),

		"GET /v1/webhooks/list": inList(map[string]string{"id": "webhook", "account_connection_id": "connection of webhook"}),
		"POST /v1/webhooks/create": {inBody("account_connection_id", "connection", "", `{"url":"https://hook.example/in","subscriptions":[],"account_connection_id":$}`),
			ignoring(inBody("id", "webhook", "", `{"id":$,"url":"https://hook.example/in","subscriptions":[]}`))},
		"POST /v1/webhooks/update": {inQuery("id", "webhook", `{}`), inBody("account_connection_id", "connection", "?id="+f.mine.webhook, `{"account_connection_id":$}`),
			ignoring(inBody("id", "webhook", "?id="+f.mine.webhook, `{"id":$}`))},

		"GET /v1/calls/list": inList(map[string]string{"id": "call", "agent": "agent of call", "from_number": "number of call", "agent_phone_number": "number of call"}),
		"POST /v1/calls/create": append(inAgent("agent.", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":{$$}}`),
			inBody("agent", "agent", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":$}`),
			inBody("agent.id", "agent", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":{"id":$}}`),
			inBody("from_number", "number", "", `{"to_number":"+12025550199","from_number":$,"agent":`+agent+`}`),
			ignoring(inBody("telephony_account_connection", "connection", "", `{"to_number":"+12025550199","from_number":"`+f.line+`","agent":`+agent+`,"telephony_account_connection":$}`))),
		"GET /v1/calls":           {inQuery("id", "call", "")},
		"POST /v1/calls/end":      {inQuery("id", "call", "")},
		"GET /v1/calls/recording": {inQuery("id", "recorded call", "")},
		"GET /v1/calls/{id}/events": {{where: "path", kind: "ended call", with: func(v string) (string, string) {
			return "PATH " + url.PathEscape(v), ""
		}}},

		"POST /v1/account_connections/add_to_steering_pool":      {inQuery("id", "connection", `{"phone_number":"+12025550144"}`)},
		"POST /v1/account_connections/remove_from_steering_pool": {inQuery("id", "pooled connection", `{"phone_number":"+12025550144"}`)},

		"POST /v1/dnc_numbers/create":   nil, // takes numbers, not ids
		"POST /v1/dnc_numbers/bulk":     nil, // likewise
		"GET /v1/dnc_numbers/list":      inList(map[string]string{"id": "dnc", "phoneNumber": "dnc number"}),
		"DELETE /v1/dnc_numbers/delete": {inQuery("id", "dnc", "")},

		"GET /v1/environments":         {inQuery("id", "environment", "")},
		"POST /v1/environments/update": {inQuery("id", "environment", `{}`)},
		"GET /v1/environments/list":    nil, // no filters
		"POST /v1/environments/create": nil, // takes a name

		"GET /v1/api_keys/list":               inList(map[string]string{"id": "key"}),
		"GET /v1/api_keys":                    {inQuery("id", "key", "")},
		"POST /v1/api_keys/create":            nil, // takes no ids
		"POST /v1/api_keys/import":            nil, // takes no ids
		"POST /v1/api_keys/update":            {inQuery("id", "key", `{}`)},
		"POST /v1/api_keys/revoke":            {inQuery("id", "key", "")},
		"GET /v1/audit_log":                   {inQuery("id", "audit", "")},
		"GET /v1/audit_log/list":              inList(map[string]string{"id": "audit", "resource_id": "agent", "actor_id": "actor"}),
		"GET /v1/usage":                       nil, // the key's own environment only
		"GET /v1/whoami":                      nil, // likewise
		"POST /v1/secrets/rotate_environment": nil, // likewise
		"POST /v1/secrets/rotate_master":      nil, // names nothing
		"GET /metrics":                        nil, // counts of the whole server, behind a scope of its own
	}
	for noun, kind := range map[string]string{
		"agents": "agent", "prompts": "prompt", "actions": "action", "voices": "voice", "webhooks": "webhook",
		"account_connections": "connection", "vector_databases": "vectors", "members": "member",
	} {
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
			rows["POST "+path+"/create"] = nil // takes no ids
		}
	}
	return rows
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
	case "prompt of agent":
		return post("/v1/agents/create", `{"prompt":{"content":"p"}}`, "prompt.id")
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
	case "member":
		return post("/v1/members/create", `{"subject":"`+f.unique()+`"}`, "id")
	case "key":
		return post("/v1/api_keys/create", `{"label":"L","scopes":["read"]}`, "id")
	case "dnc":
		return post("/v1/dnc_numbers/create", `{"phoneNumber":"`+f.phone()+`"}`, "id")
	case "dnc number":
		return post("/v1/dnc_numbers/create", `{"phoneNumber":"`+f.phone()+`"}`, "phoneNumber")
	}
	return f.freshOther(who, kind, post)
}

// freshOther makes the kinds that need more than one request.
func (f *tenants) freshOther(who tenant, kind string, post func(path, body, property string) string) string {
	f.t.Helper()
	connection := `{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"AC0123456789","twilio_auth_token":"token-0123456789"}}`
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
	case "pooled connection":
		id := post("/v1/account_connections/create", connection, "id")
		f.as(who, "POST /v1/account_connections/add_to_steering_pool?id="+id, `{"phone_number":"+12025550144"}`).want(200)
		return id
	case "connection of webhook":
		id := post("/v1/account_connections/create", connection, "id")
		post("/v1/webhooks/create", `{"url":"https://hook.example/in","subscriptions":[],"account_connection_id":"`+id+`"}`, "id")
		return id
	case "number", "number id":
		property := map[string]string{"number": "number", "number id": "id"}[kind]
		return post("/v1/numbers/link", `{"phone_number":"`+f.phone()+`","telephony_account_connection":"`+f.fresh(who, "connection")+`"}`, property)
	case "call", "ended call", "recorded call", "agent of call", "number of call":
		return f.freshCall(who, kind, post)
	case "environment":
		return f.as(who, "GET /v1/whoami", "").want(200).text("environment.id")
	case "audit":
		f.fresh(who, "prompt")
		return first("/v1/audit_log/list", "id")
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
		"webhooks": "webhook", "account_connections": "connection", "vector_databases": "vectors", "members": "member",
		"calls": "call", "dnc_numbers": "dnc", "api_keys": "key", "audit_log": "prompt"}[strings.Split(pattern, "/")[2]]
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
	body = strings.ReplaceAll(body, "PHONE", f.phone())
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
	for _, noun := range []string{"numbers", "agents", "prompts", "actions", "webhooks", "account_connections", "calls", "members", "api_keys"} {
		out[noun] = string(f.as(who, "GET /v1/"+noun+"/list?size=100", "").want(200).raw)
	}
	return out
}
