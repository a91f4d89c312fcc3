package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sidetone/sidetone/store/storetest"
)

// keptNouns are nouns whose answers may be kept: how one is made and changed.
func keptNouns() map[string][2]string {
	return map[string][2]string{
		"prompts":             {`{"content":"Be kind."}`, `{"content":"Be brief."}`},
		"actions":             {`{"type":"action_end_conversation"}`, `{"label":"changed"}`},
		"voices":              {`{"type":"voice_flite"}`, `{"label":"changed"}`},
		"webhooks":            {`{"url":"https://one.example","subscriptions":[]}`, `{"url":"https://two.example"}`},
		"account_connections": {`{"type":"account_connection_openai","credentials":{"openai_api_key":"sk-1"}}`, `{"label":"changed"}`},
		"vector_databases":    {`{"type":"vector_database_pinecone","index":"a","api_key":"k","api_environment":"e"}`, `{"index":"b"}`},
		"agents":              {`{"prompt":{"content":"Be kind."}}`, `{"prompt":{"content":"Be brief."}}`},
	}
}

// reads asks for each path three times, so that the last answer is one that was
// kept, and returns the answers.
func (b *bench) reads(paths ...string) map[string]string {
	b.t.Helper()
	out := map[string]string{}
	for _, path := range paths {
		first := b.do("GET "+path, "")
		b.do("GET "+path, "")
		again := b.do("GET "+path, "")
		if first.status != again.status || !bytes.Equal(first.raw, again.raw) {
			b.t.Errorf("GET %s answers %s and then %s", path, first.raw, again.raw)
		}
		out[path] = fmt.Sprintf("%d %s", again.status, again.raw)
	}
	return out
}

// TestKeptAnswersFollowEveryChange compares a server that answered before with
// one that never did, after each change, and sees that the change shows.
func TestKeptAnswersFollowEveryChange(t *testing.T) {
	both(t, func(b *bench) {
		for noun, body := range keptNouns() {
			path := "/v1/" + noun
			list := path + "/list"
			before := b.reads(list)
			id := b.do("POST "+path+"/create", body[0]).made().text("id")
			one := path + "?id=" + id
			made := b.reads(list, one)
			b.do("POST "+path+"/update?id="+id, body[1]).made()
			changed := b.reads(list, one)
			b.do("DELETE "+path+"/delete?id="+id, "").want(200)
			gone := b.reads(list, one)
			if made[list] == before[list] || changed[one] == made[one] || gone[list] == changed[list] || !strings.HasPrefix(gone[one], "404") {
				b.t.Errorf("%s: a change does not show: %q, %q, %q, %q", noun, before, made, changed, gone)
			}
			kept := b.url
			b.url = b.node()
			for path, answer := range b.reads(list, one) {
				if gone[path] != answer {
					b.t.Errorf("GET %s answers %s, and %s without memory", path, gone[path], answer)
				}
			}
			b.url = kept
		}
	})
}

// TestKeptNumbersFollowWhatTheyName changes the prompt of a number's agent, then
// the number, then gives it up.
func TestKeptNumbersFollowWhatTheyName(t *testing.T) {
	both(t, func(b *bench) {
		prompt := b.do("POST /v1/prompts/create", `{"content":"Be kind."}`).want(201).text("id")
		agent := b.agent(`{"prompt":"` + prompt + `"}`)
		number := b.number()
		one, list := "/v1/numbers?phone_number="+number[1:], "/v1/numbers/list?expand=inbound_agent"
		seen := map[string]bool{}
		for _, step := range []string{
			"POST /v1/numbers/update?phone_number=" + number[1:] + ` {"example_context":{},"inbound_agent":"` + agent + `"}`,
			"POST /v1/prompts/update?id=" + prompt + ` {"content":"Be brief."}`,
			"POST /v1/agents/update?id=" + agent + ` {"initial_message":"Hello."}`,
			"POST /v1/numbers/update?phone_number=" + number[1:] + ` {"example_context":{"a":"b"}}`,
			"POST /v1/numbers/cancel?phone_number=" + number[1:] + " ",
		} {
			method, rest, _ := strings.Cut(step, " ")
			path, body, _ := strings.Cut(rest, " ")
			b.do(method+" "+path, body).made()
			answers := b.reads(one, list)
			if seen[answers[one]] || seen[answers[list]] {
				b.t.Errorf("after %s the answers are as before: %s", step, answers)
			}
			seen[answers[one]], seen[answers[list]] = true, true
		}
	})
}

// TestKeptAnswersAreOfOneKindOfClient asks for the same with keys that are to
// see it differently, turn about.
func TestKeptAnswersAreOfOneKindOfClient(t *testing.T) {
	both(t, func(b *bench) {
		id := b.do("POST /v1/account_connections/create", `{"type":"account_connection_openai","credentials":{"openai_api_key":"sk-whole-secret"}}`).want(201).text("id")
		vocode := http.Header{"Authorization": {"Bearer " + b.key}, "X-Fern-Sdk-Name": {"vocode-api"}}
		_, reveals := b.keyOf(`{"label":"s","scopes":["read","secrets:read"]}`)
		_, writes := b.keyOf(`{"label":"w","scopes":["write"]}`)
		for range 3 {
			for _, path := range []string{"/v1/account_connections?id=" + id, "/v1/account_connections/list"} {
				masked, whole := b.do("GET "+path, "").want(200), b.as(reveals, "GET "+path, "").want(200)
				if bytes.Contains(masked.raw, []byte("whole-secret")) || !bytes.Contains(whole.raw, []byte("whole-secret")) {
					b.t.Errorf("GET %s: %s without the scope, %s with it", path, masked.raw, whole.raw)
				}
				b.as(writes, "GET "+path, "").want(403)
				b.as("nonsense", "GET "+path, "").want(401)
			}
			if got := b.do("GET /v1/prompts?id=unassigned", "").want(200); bytes.Contains(got.raw, []byte("null")) {
				b.t.Errorf("%s for a client of ours", got.raw)
			}
			if got := b.send("GET /v1/prompts?id=unassigned", "", vocode).want(200); !bytes.Contains(got.raw, []byte("null")) {
				b.t.Errorf("%s for the ancestor's client", got.raw)
			}
			b.do("GET /v1/prompts/list?size=%zz", "").want(400)
			b.do("GET /v1/prompts/list?size=many", "").want(400)
		}
	})
}

// TestKeptAnswersUnderChange has each writer find what it wrote while others
// change and read the same configuration.
func TestKeptAnswersUnderChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
	var wg sync.WaitGroup
	for range 4 {
		id := b.do("POST /v1/prompts/create", `{"content":"first"}`).want(201).text("id")
		wg.Go(func() {
			for i := range 15 {
				content := fmt.Sprintf("content %s %d", id, i)
				b.do("POST /v1/prompts/update?id="+id, `{"content":"`+content+`"}`)
				for _, path := range []string{"/v1/prompts?id=" + id, "/v1/prompts/list"} {
					if got := b.do("GET "+path, ""); got.status != http.StatusOK || !bytes.Contains(got.raw, []byte(content+`"`)) {
						t.Errorf("GET %s answers %d %s after a change to %q", path, got.status, got.raw, content)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestMemoryOfAnswers(t *testing.T) {
	t.Parallel()
	at := func(env string, version int64, query string) keep {
		return keep{env, version, question{operation: "o", query: query}}
	}
	m := newMemory()
	put := func(at keep, answer []byte) { // twice, which is what keeps it
		m.put(at, answer)
		m.put(at, answer)
	}
	m.put(at("a", 2, "once"), []byte("once"))
	if m.get(at("a", 2, "once")) != nil {
		t.Error("what was asked once is kept")
	}
	put(at("a", 2, "q"), []byte("two"))
	put(at("a", 1, "q"), []byte("one")) // an older one that took longer
	put(at("b", 7, "q"), []byte("other"))
	for _, tt := range []struct {
		at   keep
		want string
	}{{at("a", 2, "q"), "two"}, {at("a", 1, "q"), ""}, {at("a", 3, "q"), ""}, {at("a", 2, "p"), ""}, {at("b", 7, "q"), "other"}, {at("c", 0, "q"), ""}} {
		if got := string(m.get(tt.at)); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.at, got, tt.want)
		}
	}
	put(at("a", 3, "q"), []byte("three"))
	if string(m.get(at("a", 3, "q"))) != "three" || m.get(at("a", 2, "q")) != nil {
		t.Error("the older version is still there")
	}
	put(at("a", 3, "large"), make([]byte, maxKeptAnswer))
	if m.get(at("a", 3, "large")) != nil {
		t.Error("a large answer was kept")
	}
	for i := range 1000 {
		put(at("a", 3, fmt.Sprint(i)), make([]byte, maxKeptAnswer/2))
		held := 0
		for _, e := range m.environments {
			held += e.bytes
		}
		if m.bytes > maxKept || held != m.bytes {
			t.Fatalf("%d bytes are counted, %d held", m.bytes, held)
		}
	}
	if m.get(at("a", 3, "999")) == nil {
		t.Error("the last answer was not kept")
	}
}
