package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// with sends a request with an idempotency key.
func (b *bench) with(key, target, body string) answer {
	b.t.Helper()
	return b.send(target, body, http.Header{"Authorization": {"Bearer " + b.key}, "Idempotency-Key": {key}})
}

// Every POST route heeds the key, unless a repetition has no second effect; and
// the document says which do.
func TestRoutesWithIdempotencyKeys(t *testing.T) {
	t.Parallel()
	// Ends, removals and most updates come out the same when they are repeated;
	// updates of numbers and agents can make what these name.
	harmless := func(pattern string) bool {
		if pattern == "POST /v1/agents/update" || pattern == "POST /v1/numbers/update" {
			return false
		}
		for _, end := range []string{"/update", "/cancel", "/end", "/calls/recording", "/revoke", "_steering_pool", "/detach", "/decide", "/rotate_environment", "/rotate_master", "/account_connections/test", "/trunks/test", "/webhooks/test"} {
			if strings.HasSuffix(pattern, end) {
				return true
			}
		}
		return false
	}
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range (&server{}).routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if heeds := r.repeats != ignored; method == "POST" && heeds == harmless(r.pattern) || method != "POST" && heeds {
			t.Errorf("%s: idempotency keys are heeded: %v", r.pattern, heeds)
		}
		declared := false
		for _, p := range doc.Paths.Value(path).GetOperation(method).Parameters {
			declared = declared || p.Value.In == "header" && p.Value.Name == idempotencyHeader
		}
		// The published parameters of numbers/update are to the letter.
		if declared != (r.repeats != ignored) && path != "/v1/numbers/update" {
			t.Errorf("%s: the document declares %s: %v", r.pattern, idempotencyHeader, declared)
		}
	}
}

// A repeated request has one effect and one answer.
func TestRepeatedRequests(t *testing.T) {
	both(t, func(b *bench) {
		samples, db := b.samples(), look(b.t, b.database)
		for _, r := range (&server{}).routes() {
			if r.repeats == ignored {
				continue
			}
			s, target := samples[r.pattern], r.pattern+samples[r.pattern].query
			first := b.with("key-1", target, s.body)
			if first.status/100 != 2 || first.header.Get("Idempotency-Replayed") != "" {
				b.t.Fatalf("%s answers %d %v %s", r.pattern, first.status, first.header, first.raw)
			}
			before := db.state()
			again := b.with("key-1", target, s.body)
			if after := db.state(); after != before {
				b.t.Errorf("%s: a repetition changed the database\n%s", r.pattern, cmp.Diff(before, after))
			}
			if r.repeats == shownOnce {
				again.fails(409, "already created, and its secret was shown once")
			} else if again.status != first.status || string(again.raw) != string(first.raw) || again.header.Get("Idempotency-Replayed") != "true" {
				b.t.Errorf("%s answers %d %s, at first %s", r.pattern, again.status, again.raw, first.raw)
			}
			b.with("key-1", target, strings.Replace(s.body, "{", "{ \n", 1)+" ").want(again.status)
			other := strings.Replace(strings.Replace(s.body, "{", `{"unknown_member":1,`, 1), ",}", "}", 1)
			b.with("key-1", target, other).fails(422, "Idempotency-Key was used for another request")
			b.with("key-1", target+"?other=1", s.body).fails(422, "Idempotency-Key was used for another request")
			b.with(strings.Repeat("k", 256), target, s.body).fails(400, "Idempotency-Key must have at most 255 bytes")
		}
		// Another environment has its own keys.
		env, key := b.newEnvironment("rival")
		b.env, b.key = env, key
		if got := b.with("key-1", "POST /v1/agents/create", samples["POST /v1/agents/create"].body).want(201); got.header.Get("Idempotency-Replayed") != "" {
			b.t.Error("another environment sees the answer")
		}
	})
}

// A key that could be read in two ways is refused, also where no key is heeded: the
// client cannot know that its header says nothing.
func TestBadIdempotencyKeys(t *testing.T) {
	both(t, func(b *bench) {
		samples, db := b.samples(), look(b.t, b.database)
		before := db.state()
		for message, keys := range map[string][]string{
			"Idempotency-Key must be given once":  {"a", "b"},
			"Idempotency-Key must not be blank":   {""},
			"Idempotency-Key must not be blank\t": {" \t "},
			"Idempotency-Key must be given once ": {"", ""},
		} {
			header := http.Header{"Authorization": {"Bearer " + b.key}, "Idempotency-Key": keys}
			for pattern, s := range samples {
				b.send(pattern+s.query, s.body, header).fails(400, strings.TrimSpace(message))
			}
		}
		if after := db.state(); after != before {
			b.t.Errorf("something was made\n%s", cmp.Diff(before, after))
		}
	})
}

// Bodies are equal whatever their white space and the order of their members,
// and not equal when a value differs.
func TestEqualBodies(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"b":[1,{"c":null}],"a":"\u0061"}`, ` { "a" : "a" ,` + "\n\t" + `"b" : [ 1 , {"c":null} ] } `} {
		if got, want := string(canonical([]byte(body))), `{"a":"a","b":[1,{"c":null}]}`; got != want {
			t.Errorf("%s is %s, want %s", body, got, want)
		}
	}
	for _, pair := range [][2]string{{`{"a":1}`, `{"a":"1"}`}, {`{"a":12345678901234567890}`, `{"a":12345678901234567891}`}, {`{"a":[1,2]}`, `{"a":[2,1]}`}, {``, `{}`}} {
		if string(canonical([]byte(pair[0]))) == string(canonical([]byte(pair[1]))) {
			t.Errorf("%s equals %s", pair[0], pair[1])
		}
	}
}

// A refusal is not kept: the mended request goes through with the same key.
func TestRefusedRequestsMayBeRepeated(t *testing.T) {
	both(t, func(b *bench) {
		b.with("a", "POST /v1/agents/create", `{}`).fails(400, "prompt is required")
		b.with("a", "POST /v1/agents/create", `{"prompt":"nothing"}`).want(404)
		b.with("a", "POST /v1/agents/create", `{"prompt":{"content":"p"}}`).want(201)
		b.shop.breakDown(errors.New("line down"))
		b.with("b", "POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(503)
		b.shop.breakDown(nil)
		first := b.with("b", "POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(201)
		if again := b.with("b", "POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`).want(201); again.text("id") != first.text("id") {
			b.t.Errorf("got %s, at first %s", again.raw, first.raw)
		}
	})
}

// A request that was cut off between two transactions is not carried out again.
func TestRequestCutOff(t *testing.T) {
	both(t, func(b *bench) {
		target, body := "POST /v1/numbers/buy", `{"phone_number":"+12025550101"}`
		b.shop.onBuy(func(context.Context) error { panic("the process dies here") })
		b.with("a", target, body).want(500)
		b.shop.onBuy(nil)
		b.with("a", target, body).fails(409, "a request with this Idempotency-Key is in progress")
		later := *b
		later.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
		later.url = later.node()
		later.with("a", target, body).fails(409, "the request with this Idempotency-Key was cut off; look for its effect before you repeat it with another key")
		later.with("a", target, `{}`).fails(422, "Idempotency-Key was used for another request")
	})
}

// A refusal of what needs two transactions is not kept either.
func TestEnvironmentsWithIdempotencyKeys(t *testing.T) {
	both(t, func(b *bench) {
		env, key := b.newEnvironment("rival")
		b.with("a", "POST /v1/environments/create", `{"name":""}`).want(400)
		first := b.with("a", "POST /v1/environments/create", `{"name":"staging"}`).want(201)
		again := b.with("a", "POST /v1/environments/create", `{"name":"staging"}`).want(201)
		if string(first.raw) != string(again.raw) || again.header.Get("Idempotency-Replayed") != "true" {
			b.t.Errorf("got %s, at first %s", again.raw, first.raw)
		}
		if total := b.do("GET /v1/environments/list", "").at("total"); total != 2.0 {
			b.t.Errorf("there are %v environments", total)
		}
		if far := b.do("GET /v1/environments/list?page=99999&size=100", "").want(200); len(far.at("items").([]any)) != 0 {
			b.t.Errorf("got %s", far.raw)
		}
		b.env, b.key = env, key
		if got := b.with("a", "POST /v1/environments/create", `{"name":"staging"}`).want(201); got.text("id") == first.text("id") {
			b.t.Error("another account sees the answer")
		}
	})
}

// While the first request is in progress a second one is told to wait.
func TestRequestInProgress(t *testing.T) {
	both(t, func(b *bench) {
		reached, proceed := make(chan struct{}), make(chan struct{})
		b.shop.onBuy(func(context.Context) error {
			close(reached)
			<-proceed
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { b.with("a", "POST /v1/numbers/buy", `{}`).want(201) })
		<-reached
		got := b.with("a", "POST /v1/numbers/buy", `{}`)
		got.fails(409, "a request with this Idempotency-Key is in progress")
		if got.header.Get("Retry-After") == "" {
			b.t.Error("Retry-After is missing")
		}
		close(proceed)
		wg.Wait()
		if got := b.with("a", "POST /v1/numbers/buy", `{}`).want(201); got.header.Get("Idempotency-Replayed") == "" {
			b.t.Errorf("got %s", got.raw)
		}
	})
}

// However many ask at the same time, at two nodes, one call is made.
func TestConcurrentRepetitions(t *testing.T) {
	both(t, func(b *bench) {
		from := b.number()
		body := `{"to_number":"+12025550199","from_number":"` + from + `","agent":{"prompt":{"content":"p"}}}`
		other := *b
		other.url = b.node()
		var mu sync.Mutex
		answers := map[string]int{}
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				at := []*bench{b, &other}[i%2]
				for {
					got := at.with("same", "POST /v1/calls/create", body)
					if got.status == 409 {
						continue
					}
					mu.Lock()
					answers[string(got.raw)]++
					mu.Unlock()
					return
				}
			})
		}
		wg.Wait()
		if len(answers) != 1 {
			b.t.Errorf("got %v", answers)
		}
		if n := b.do("GET /v1/calls/list", "").at("total"); n != float64(1) {
			b.t.Errorf("%v calls", n)
		}
		if n := b.do("GET /v1/agents/list", "").at("total"); n != float64(1) {
			b.t.Errorf("%v agents", n)
		}
	})
}

// Two requests that lose against another node's are answered with its answer.
func TestRepetitionAtAnotherNode(t *testing.T) {
	both(t, func(b *bench) {
		first := b.with("a", "POST /v1/prompts/create", `{"content":"p"}`).want(201)
		other := *b
		other.url = b.node()
		if got := other.with("a", "POST /v1/prompts/create", `{"content":"p"}`).want(201); string(got.raw) != string(first.raw) {
			b.t.Errorf("got %s, want %s", got.raw, first.raw)
		}
		var a store.StoredResponse
		err := b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error {
			a = store.StoredResponse{ID: "x", Operation: "o", RequestHash: [32]byte{1}, Status: 201, Body: sidetone.Secret("{}")}
			return errors.Join(tx.InsertStoredResponse(a), tx.InsertStoredResponse(a))
		})
		if !errors.Is(err, store.ErrRepeated) {
			b.t.Errorf("got %v", err)
		}
	})
}
