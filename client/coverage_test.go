package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
)

// exercise calls an operation and returns the decoded answer.
type exercise func(t *testing.T, c *client.Client) (any, error)

// notCovered are operations that have no method, and why.
func notCovered() map[string]string {
	return map[string]string{
		"ServerController_getDocs":      "a page for browsers",
		"ServerController_getDocsAsset": "a part of that page",
	}
}

// plain are the operations of a Resource.
func plain[T any](all map[string]exercise, noun string, of func(*client.Client) client.Resource[T], full T) {
	name := noun + "Controller_%s" + noun
	editing(all, noun, noun+"s", func(c *client.Client) client.Editor[T] { return of(c).Editor })
	all[fmt.Sprintf(name, "create")] = func(t *testing.T, c *client.Client) (any, error) {
		return of(c).Create(t.Context(), full, client.IdempotencyKey("k"))
	}
	all[fmt.Sprintf(name, "delete")] = func(t *testing.T, c *client.Client) (any, error) { return of(c).Delete(t.Context(), "i") }
}

// editing are the operations of an Editor.
func editing[T any](all map[string]exercise, noun, many string, of func(*client.Client) client.Editor[T]) {
	reading(all, noun+"Controller_get"+noun, noun+"Controller_list"+many, func(c *client.Client) client.Reader[T] { return of(c).Reader })
	all[noun+"Controller_update"+noun] = func(t *testing.T, c *client.Client) (any, error) {
		return of(c).Update(t.Context(), "i", client.Change{}, client.IdempotencyKey("k"))
	}
}

// reading are the operations of a Reader.
func reading[T any](all map[string]exercise, get, list string, of func(*client.Client) client.Reader[T]) {
	all[get] = func(t *testing.T, c *client.Client) (any, error) { return of(c).Get(t.Context(), "i") }
	all[list] = func(t *testing.T, c *client.Client) (any, error) { return of(c).List(t.Context(), client.Query{}) }
}

// exercises has one for each operation that is covered.
func exercises() map[string]exercise {
	all := map[string]exercise{}
	plain(all, "Agent", (*client.Client).Agents, client.Agent{Prompt: &client.Prompt{Content: "p"}, LLMTemperature: new(0.0),
		Actions: []client.Action{{ID: "a"}}, EnableRecording: new(false), DeepgramKeywords: []string{"w"}})
	plain(all, "Prompt", (*client.Client).Prompts, client.Prompt{Content: "p", CollectFields: []any{"email"}, Tags: []string{"t"},
		PromptTemplate: &client.PromptTemplate{RequiredContextKeys: []string{"name"}}})
	plain(all, "Voice", (*client.Client).Voices, client.Voice{Type: "voice_flite", Pitch: new(0), Rate: new(3)})
	plain(all, "Action", (*client.Client).Actions, client.Action{Type: "action_dtmf", Config: map[string]any{}})
	plain(all, "Webhook", func(c *client.Client) client.Resource[client.Webhook] { return c.Webhooks().Resource }, client.Webhook{URL: "https://example.com", Subscriptions: []string{"event_error"}})
	all["WebhookController_rotateSecret"] = func(t *testing.T, c *client.Client) (any, error) {
		return c.Webhooks().RotateSecret(t.Context(), "i", 48, client.IdempotencyKey("k"))
	}
	all["WebhookController_testWebhook"] = func(t *testing.T, c *client.Client) (any, error) { return c.Webhooks().Test(t.Context(), "i") }
	reading(all, "WebhookDeliveryController_getDelivery", "WebhookDeliveryController_listDeliveries",
		func(c *client.Client) client.Reader[client.WebhookDelivery] { return c.WebhookDeliveries().Reader })
	all["WebhookDeliveryController_replayDeliveries"] = func(t *testing.T, c *client.Client) (any, error) {
		return c.WebhookDeliveries().Replay(t.Context(), client.Replay{ID: "d", Webhook: "w", CallID: "c", State: "dead", Type: "event_error", Since: time.Now(), Until: time.Now()}, client.IdempotencyKey("k"))
	}
	plain(all, "VectorDatabase", (*client.Client).VectorDatabases, client.VectorDatabase{Index: "i", APIKey: "k", APIEnvironment: "e"})
	plain(all, "AccountConnection", func(c *client.Client) client.Resource[client.AccountConnection] {
		return c.AccountConnections().Resource
	},
		client.AccountConnection{Type: "account_connection_openai", Credentials: map[string]client.Credential{"openai_api_key": "k"}})
	all["AccountConnectionController_testAccountConnection"] = func(t *testing.T, c *client.Client) (any, error) {
		return c.AccountConnections().Test(t.Context(), "i")
	}
	plain(all, "Trunk", func(c *client.Client) client.Resource[client.Trunk] { return c.Trunks().Resource },
		client.Trunk{Name: "n", Media: &client.TrunkMedia{Sources: "strict"}})
	all["TrunkController_testTrunk"] = func(t *testing.T, c *client.Client) (any, error) { return c.Trunks().Test(t.Context(), "n", "600") }
	editing(all, "Environment", "Environments", func(c *client.Client) client.Editor[client.Environment] { return c.Environments().Editor })
	editing(all, "APIKey", "APIKeys", func(c *client.Client) client.Editor[client.APIKey] { return c.APIKeys().Editor })
	editing(all, "Member", "Members", func(c *client.Client) client.Editor[client.Member] { return c.Members().Editor })
	all["RefusalController_listRefusals"] = func(t *testing.T, c *client.Client) (any, error) { return c.Refusals(t.Context(), client.Query{}) }
	reading(all, "AuditController_getEntry", "AuditController_listEntries", (*client.Client).AuditLog)
	reading(all, "CallController_getCall", "CallController_listCalls", func(c *client.Client) client.Reader[client.Call] { return c.Calls().Reader })
	maps.Copy(all, lineExercises())
	maps.Copy(all, accessExercises())
	return all
}

// lineExercises are about numbers and calls.
func lineExercises() map[string]exercise {
	const number = "+12125550123"
	return map[string]exercise{
		"NumberController_getNumber": func(t *testing.T, c *client.Client) (any, error) { return c.Numbers().Get(t.Context(), number) },
		"NumberController_listNumbers": func(t *testing.T, c *client.Client) (any, error) {
			return c.Numbers().List(t.Context(), client.Query{})
		},
		"NumberController_listAvailableNumbers": func(t *testing.T, c *client.Client) (any, error) {
			return c.Numbers().Available(t.Context(), client.OfferQuery{Limit: 2, TelephonyProvider: "p", TelephonyAccountConnection: "a", AreaCode: "212"})
		},
		"NumberController_buyNumber": func(t *testing.T, c *client.Client) (any, error) {
			return c.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: number, AreaCode: "212", TelephonyProvider: "p", TelephonyAccountConnection: "a", InboundAgent: "a"}, client.IdempotencyKey("k"))
		},
		"NumberController_updateNumber": func(t *testing.T, c *client.Client) (any, error) {
			return c.Numbers().Update(t.Context(), number, client.Change{"example_context": map[string]any{}})
		},
		"NumberController_cancelNumber": func(t *testing.T, c *client.Client) (any, error) { return c.Numbers().Cancel(t.Context(), number) },
		"NumberController_detachNumber": func(t *testing.T, c *client.Client) (any, error) { return c.Numbers().Detach(t.Context(), number) },
		"NumberController_linkNumber": func(t *testing.T, c *client.Client) (any, error) {
			return c.Numbers().Link(t.Context(), client.Link{PhoneNumber: number, TelephonyAccountConnection: "a", OutboundOnly: true, InboundAgent: client.Agent{ID: "a"}}, client.IdempotencyKey("k"))
		},
		"CallController_createCall": func(t *testing.T, c *client.Client) (any, error) {
			return c.Calls().Create(t.Context(), client.CallRequest{FromNumber: number, ToNumber: number, Agent: "default", AgentPhoneNumber: number,
				Context: map[string]any{"k": "v"}, TelephonyProvider: "p", TelephonyAccountConnection: "a", TelephonyParams: map[string]any{"k": "v"},
				HeadersOut: map[string]string{"X-A": "b"}, OnNoHumanAnswer: "hangup", RunDoNotCallDetection: new(true), HIPAACompliant: true}, client.IdempotencyKey("k"))
		},
		"CallController_endCall": func(t *testing.T, c *client.Client) (any, error) {
			return c.Calls().EndWith(t.Context(), "i", client.Ending{HeadersOut: map[string]string{"X-A": "b"}})
		},
		"CallController_pauseRecording": func(t *testing.T, c *client.Client) (any, error) {
			return c.Calls().PauseRecording(t.Context(), "i", true)
		},
		"CallController_getRecording": func(t *testing.T, c *client.Client) (any, error) {
			_, err := c.Calls().Recording(t.Context(), "i", client.MP3, io.Discard)
			return nil, err
		},
		"CallController_getLadder": func(t *testing.T, c *client.Client) (any, error) { return c.Calls().Ladder(t.Context(), "i") },
		"CallController_getTurns":  func(t *testing.T, c *client.Client) (any, error) { return c.Calls().Turns(t.Context(), "i") },
		"CallController_exportCalls": func(t *testing.T, c *client.Client) (any, error) {
			return nil, c.Calls().Export(t.Context(), client.CSV, client.Query{}, io.Discard)
		},
		"CallController_getJournal": func(t *testing.T, c *client.Client) (any, error) {
			return nil, c.Calls().Journal(t.Context(), "i", io.Discard)
		},
		"CallController_getPcap": func(t *testing.T, c *client.Client) (any, error) {
			return nil, c.Calls().PCAP(t.Context(), "i", io.Discard)
		},
		"CallController_streamEvents": func(t *testing.T, c *client.Client) (any, error) {
			var last client.Event
			for e, err := range c.Calls().Events(t.Context(), "i", 3) {
				if last = e; err != nil {
					return nil, err
				}
			}
			return last, nil
		},
		"DncController_addDncNumber": func(t *testing.T, c *client.Client) (any, error) {
			return c.DNC().Create(t.Context(), client.DNCEntry{PhoneNumber: number, Reason: "r"}, client.IdempotencyKey("k"))
		},
		"DncController_bulkAddDncNumbers": func(t *testing.T, c *client.Client) (any, error) {
			return c.DNC().Bulk(t.Context(), []client.DNCEntry{{PhoneNumber: number, Reason: "r"}}, client.IdempotencyKey("k"))
		},
		"DncController_getDncNumbers": func(t *testing.T, c *client.Client) (any, error) { return c.DNC().List(t.Context(), client.Query{}) },
		"DncController_decideDncNumber": func(t *testing.T, c *client.Client) (any, error) {
			return c.DNC().Decide(t.Context(), "i", number)
		},
		"DncController_deleteDncNumber": func(t *testing.T, c *client.Client) (any, error) { return c.DNC().Delete(t.Context(), "i") },
	}
}

// accessExercises are about who may do what, and about the server.
func accessExercises() map[string]exercise {
	key := client.KeyRequest{Label: "l", Scopes: []string{"read"}, Profile: "fluents", Member: "m", AccountWide: true}
	return map[string]exercise{
		"AccountConnectionController_addToSteeringPool": func(t *testing.T, c *client.Client) (any, error) {
			return c.AccountConnections().AddToSteeringPool(t.Context(), "i", "+12125550123")
		},
		"AccountConnectionController_removeFromSteeringPool": func(t *testing.T, c *client.Client) (any, error) {
			return c.AccountConnections().RemoveFromSteeringPool(t.Context(), "i", "+12125550123")
		},
		"EnvironmentController_createEnvironment": func(t *testing.T, c *client.Client) (any, error) {
			return c.Environments().Create(t.Context(), "n", client.IdempotencyKey("k"))
		},
		"APIKeyController_createAPIKey": func(t *testing.T, c *client.Client) (any, error) {
			return c.APIKeys().Create(t.Context(), key, client.IdempotencyKey("k"))
		},
		"APIKeyController_importAPIKey": func(t *testing.T, c *client.Client) (any, error) {
			return c.APIKeys().Import(t.Context(), sidetone.Secret("a bearer of twenty characters"), key, client.IdempotencyKey("k"))
		},
		"APIKeyController_revokeAPIKey": func(t *testing.T, c *client.Client) (any, error) { return c.APIKeys().Revoke(t.Context(), "i") },
		"MemberController_createMember": func(t *testing.T, c *client.Client) (any, error) {
			return c.Members().Create(t.Context(), client.Member{Subject: "s", Name: "n", Role: "admin"}, client.IdempotencyKey("k"))
		},
		"MemberController_deleteMember":      func(t *testing.T, c *client.Client) (any, error) { return c.Members().Delete(t.Context(), "i") },
		"SecretController_rotateEnvironment": func(t *testing.T, c *client.Client) (any, error) { return c.RotateEnvironment(t.Context()) },
		"SecretController_rotateMaster":      func(t *testing.T, c *client.Client) (any, error) { return c.RotateMaster(t.Context()) },
		"AccessController_whoAmI":            func(t *testing.T, c *client.Client) (any, error) { return c.WhoAmI(t.Context()) },
		"SupportController_getSupport":       func(t *testing.T, c *client.Client) (any, error) { return c.Support(t.Context(), "i") },
		"UsageController_getUsage":           func(t *testing.T, c *client.Client) (any, error) { return c.Usage(t.Context()) },
		"ServerController_getHealth":         func(t *testing.T, c *client.Client) (any, error) { return c.Alive(t.Context()) },
		"ServerController_getReadiness":      func(t *testing.T, c *client.Client) (any, error) { return nil, c.Ready(t.Context()) },
		"ServerController_getMetrics":        func(t *testing.T, c *client.Client) (any, error) { _, err := c.Metrics(t.Context()); return nil, err },
		"ServerController_getDocument":       func(t *testing.T, c *client.Client) (any, error) { _, err := c.Document(t.Context()); return nil, err },
	}
}

// documented is an operation of the document.
type documented struct {
	method, path string
	item         *openapi3.PathItem
	*openapi3.Operation
}

func document(t *testing.T) []documented {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../api/contract/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			all = append(all, documented{method, path, item, o})
		}
	}
	return all
}

// answer is the status, media type and schema of the success that holds the
// most.
func (d documented) answer(t *testing.T) (int, string, *openapi3.Schema) {
	t.Helper()
	for _, status := range []int{200, 201} {
		r := d.Responses.Status(status)
		if r == nil {
			continue
		}
		for media, content := range r.Value.Content {
			return status, media, content.Schema.Value
		}
	}
	t.Fatalf("%s has no success", d.OperationID)
	return 0, "", nil
}

// sample is a value of a schema with every property; of alternatives, it is
// the nth, or the last.
func sample(s *openapi3.Schema, name string, nth int) any {
	if choices := slices.Concat(s.AnyOf, s.OneOf); len(choices) > 0 {
		return sample(choices[min(nth, len(choices)-1)].Value, name, nth)
	}
	switch {
	case name == "page" || name == "size" || name == "total" || name == "http_status_code" || s.Type.Is("integer"):
		return 2.0
	case s.Type.Is("number"):
		return 1.5
	case s.Type.Is("boolean"):
		return true
	case s.Type.Is("array"):
		return []any{sample(s.Items.Value, "", nth)}
	case s.Type.Is("string"):
		return sampleText(s, name)
	}
	object := map[string]any{}
	for _, part := range s.AllOf {
		maps.Copy(object, sample(part.Value, name, nth).(map[string]any))
	}
	for property, schema := range s.Properties {
		object[property] = sample(schema.Value, property, nth)
	}
	if len(object) == 0 {
		object["k"] = "v"
	}
	return object
}

func sampleText(s *openapi3.Schema, name string) string {
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0].(string)
	case s.Format == "date-time":
		return "2026-11-01T10:00:00.5Z"
	case name == "key":
		return "********" // as a secret is marshalled
	}
	return "text of " + name
}

// stand answers one operation by its document, and checks each request.
type stand struct {
	t *testing.T
	d documented
	// body is the answer.
	body []byte
	mu   sync.Mutex
	seen int
}

// ServeHTTP implements http.Handler.
func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if want := strings.ReplaceAll(s.d.path, "{id}", "i"); r.Method != s.d.method || r.URL.Path != want {
		s.t.Errorf("%s: got %s %s", s.d.OperationID, r.Method, r.URL)
	}
	s.parameters(r)
	s.request(r)
	status, media, _ := s.d.answer(s.t)
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	if media == "text/event-stream" {
		fmt.Fprintf(w, "data: %s\n\n", s.body)
		return
	}
	w.Write(s.body)
}

// parameters checks that what is needed is there, and that nothing else is.
func (s *stand) parameters(r *http.Request) {
	known := []string{}
	for _, p := range slices.Concat(s.d.Parameters, s.d.item.Parameters) {
		name := p.Value.Name
		switch p.Value.In {
		case "query":
			known = append(known, name)
			if p.Value.Required && !r.URL.Query().Has(name) {
				s.t.Errorf("%s: %s is missing", s.d.OperationID, name)
			}
		case "header":
			if name == "Idempotency-Key" && r.Header.Get(name) != "k" {
				s.t.Errorf("%s: %s is not sent", s.d.OperationID, name)
			}
		}
	}
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			s.t.Errorf("%s: the parameter %s is not in the document", s.d.OperationID, name)
		}
	}
}

// request checks the body.
func (s *stand) request(r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	declared := s.d.RequestBody != nil
	if declared != (len(raw) > 0) {
		s.t.Errorf("%s: the body is %q", s.d.OperationID, raw)
	}
	if !declared || len(raw) == 0 {
		return
	}
	var body any
	if err := json.Unmarshal(raw, &body); err != nil {
		s.t.Errorf("%s: %v", s.d.OperationID, err)
	}
	if err := s.d.RequestBody.Value.Content["application/json"].Schema.Value.VisitJSON(body); err != nil {
		s.t.Errorf("%s: the body is not as documented: %v", s.d.OperationID, err)
	}
}

// TestEveryOperation calls every operation of the document. The answer holds
// every property that the document has; what the client decodes must, written
// again, be the same.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	all := exercises()
	for _, d := range document(t) {
		do, covered := all[d.OperationID]
		if _, excepted := notCovered()[d.OperationID]; covered == excepted {
			t.Errorf("%s: covered %t, excepted %t", d.OperationID, covered, excepted)
		}
		delete(all, d.OperationID)
		for nth := 0; covered && nth < 2; nth++ {
			_, media, schema := d.answer(t)
			want := sample(schema, "", nth)
			body, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			s := &stand{t: t, d: d, body: body}
			server := httptest.NewServer(s)
			got, err := do(t, client.New(server.URL, "secret"))
			server.Close()
			if err != nil || s.seen == 0 {
				t.Errorf("%s: %d requests, %v", d.OperationID, s.seen, err)
				continue
			}
			if got == nil || !strings.Contains(media, "json") && media != "text/event-stream" {
				continue
			}
			if diff := cmp.Diff(want, again(t, got)); diff != "" {
				t.Errorf("%s: what the client keeps of an answer (-document +client)\n%s", d.OperationID, diff)
			}
		}
	}
	for id := range all {
		t.Errorf("%s is not in the document", id)
	}
}

// TestEveryPropertyOfRequests: what can be sent can be said with the structs.
func TestEveryPropertyOfRequests(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile("../api/contract/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const answered = "for calls as they were read; not looked at"
	for name, test := range map[string]struct {
		v      any
		except map[string]string
	}{
		"AgentInput": {client.Agent{}, nil}, "PromptInput": {client.Prompt{}, nil}, "VoiceInput": {client.Voice{}, nil},
		"ActionInput": {client.Action{}, nil}, "WebhookInput": {client.Webhook{}, nil}, "VectorDatabaseInput": {client.VectorDatabase{}, nil}, "TrunkInput": {client.Trunk{}, nil},
		"AccountConnectionInput": {client.AccountConnection{}, nil}, "BuyNumberDto": {client.Purchase{}, nil}, "LinkNumberDto": {client.Link{}, nil},
		"CreateAPIKeyDto": {client.KeyRequest{}, nil}, "CreateMemberDto": {client.Member{}, nil},
		"AddDncNumberDto": {client.DNCEntry{}, map[string]string{"userId": "always the key's account"}},
		"EndCallDto":      {client.Ending{}, nil},

		"PauseRecordingDto": {client.PauseRecording{}, nil},
		"CreateCallDto": {client.CallRequest{}, map[string]string{"is_outgoing": answered, "telephony_id": answered, "telephony_metadata": answered,
			"human_detection_result": answered, "do_not_call_result": answered}},
	} {
		members := map[string]bool{}
		for field := range reflect.TypeOf(test.v).Fields() {
			tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			members[tag] = true
		}
		for property := range doc.Components.Schemas[name].Value.Properties {
			if _, excepted := test.except[property]; excepted == members[property] {
				t.Errorf("%s.%s: in %T %t, excepted %t", name, property, test.v, members[property], excepted)
			}
		}
	}
}

// again is a value as JSON has it.
func again(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
