package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/store/storetest"
)

// hostile are values that stand in for any property.
func hostile() []string {
	long := strings.Repeat("x", 100_000)
	return []string{
		`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e308`, `1e400`, `-1e999`, `99999999999999999999999999`, `2147483648`, `1e-400`, `-0`,
		strings.Repeat("9", 10_000), `""`, `" "`, `"x"`, `"default"`, `"` + long + `"`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\u202e\u0301\ufeff"`,
		`"👩‍👩‍👧‍👦"`, `"${name} {{x}} %s ' OR 1=1 --"`, `"0001-01-01T00:00:00Z"`, `"+12025550101"`, `"********"`, `"****x"`, `"../../etc/passwd"`,
		`{}`, `[]`, `[[]]`, `[null]`, `{"":""}`, `{"id":"x"}`, `{"id":null}`, `{"id":1}`, `{"id":{"id":[]}}`, `["x","x"]`, `[{}]`, `{"a":1,"A":2}`,
		strings.Repeat("[", 60) + strings.Repeat("]", 60), strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60),
		"[" + strings.Repeat(`"x",`, 20_000) + `"x"]`, `[1,2,3]`,
	}
}

// broken are whole bodies that hold no object, or too much.
func broken(valid string) []string {
	deep := func(n int) string { return `{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	return []string{
		``, ` `, `null`, `{}`, `[]`, `"x"`, `1`, `true`, `{`, `}`, `{"`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{'a':1}`, "\x00", "\xff\xfe", "\ufeff{}",
		`{"a":"` + "\xc3" + `"}`, `{"a":1}{"b":2}`, `{"a":1}]`, `{"a":1,"a":2}`, `{"x":{"b":1,"b":1}}`, `{"\u0061":1,"a":2}`, valid + valid, valid + "x",
		strings.ToUpper(valid), deep(62), deep(64), deep(10_000), `{"x":` + strings.Repeat("1", 1_000_000) + `}`,
		`{"x":"` + strings.Repeat("x", 10<<20) + `"}`, strings.Repeat(" ", 10<<20), `{"` + strings.Repeat("k", 500_000) + `":1}`, NaN,
	}
}

// NaN is no JSON, though many programs write it.
const NaN = `{"x":NaN,"y":Infinity}`

// bodies are what a route is sent: the broken ones, and the valid one with each
// property, at any depth, replaced by each hostile value, left out, given twice
// and written in another case.
func bodies(valid string) []string {
	out := broken(valid)
	if valid == "" {
		valid = "{}"
	}
	var tree any
	if json.Unmarshal([]byte(valid), &tree) != nil {
		return out
	}
	const hole = "\x01"
	around(tree, func(name string, set func(any)) {
		set(hole)
		text, err := json.Marshal(tree)
		if err != nil {
			return
		}
		before, after, _ := strings.Cut(string(text), `"\u0001"`)
		for _, v := range hostile() {
			out = append(out, before+v+after)
		}
		out = append(out, before+`1,"`+name+`":2`+after, before+`1,"`+strings.ToUpper(name)+`":2`+after, before+`1,"`+strings.Title(name)+`":{}`+after) //nolint:staticcheck // another case is all that is wanted
	})
	return out
}

// around calls do with each member of each object in tree and a function that
// replaces it; afterwards the tree is as it was.
func around(tree any, do func(name string, set func(any))) {
	switch v := tree.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			kept := v[name]
			do(name, func(x any) { v[name] = x })
			v[name] = kept
			around(kept, do)
		}
	case []any:
		for _, item := range v {
			around(item, do)
		}
	}
}

// some returns n of the texts, the same ones for a name every time.
func some(texts []string, name string, n int) []string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	source := rand.New(rand.NewPCG(h.Sum64(), 1))
	source.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	return texts[:min(n, len(texts))]
}

// prober sends bodies to routes and looks at what they leave behind.
type prober struct {
	*bench
	handler http.Handler
	db      *database
	last    string
}

func newProber(b *bench) *prober {
	p := &prober{bench: b, handler: b.handler(), db: look(b.t, b.database)}
	p.last = p.db.mark()
	return p
}

// mark changes whenever the database does. SQLite tells other connections that
// somebody committed a change.
func (d *database) mark() string {
	if d.sqlite {
		return d.rows("PRAGMA data_version")[0][0]
	}
	return d.state()
}

// probe sends one body: whatever it is, the answer is no 5xx and a refusal
// leaves no trace.
func (p *prober) probe(t testing.TB, pattern, query, body string) {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path+query, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+p.key)
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	now := p.db.mark()
	switch {
	case w.Code >= 500:
		t.Errorf("%s%s %s answers %d %s", pattern, query, excerpt(body), w.Code, w.Body)
	case w.Code >= 400 && now != p.last && !reserves(pattern, w.Code):
		t.Errorf("%s%s %s answers %d %s and writes", pattern, query, excerpt(body), w.Code, w.Body)
	case w.Code >= 400:
		p.refusal(t, pattern, body, w)
	}
	p.last = now
}

// reserves says that a refusal leaves a trace by design: a number is reserved
// here before the carrier is asked, and the reservation that came to nothing
// stays as history.
func reserves(pattern string, status int) bool {
	return pattern == "POST /v1/numbers/buy" && status == http.StatusNotFound
}

// refusal checks the form of an error.
func (p *prober) refusal(t testing.TB, pattern, body string, w *httptest.ResponseRecorder) {
	t.Helper()
	var got struct {
		Message, Error string
		StatusCode     int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Message == "" || got.Error == "" || got.StatusCode != w.Code || w.Body.Len() > 16<<10 {
		t.Errorf("%s %s answers %d %s", pattern, excerpt(body), w.Code, excerpt(w.Body.String()))
	}
}

func excerpt(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%q... (%d bytes)", s[:300], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// Whatever the body, no POST route answers 5xx or stores half of it.
func TestHostileBodies(t *testing.T) {
	both(t, func(b *bench) {
		samples := b.samples()
		p := newProber(b)
		n := 8
		if p.db.sqlite {
			n = 40
		}
		for _, pattern := range posts() {
			s := samples[pattern]
			for _, body := range some(bodies(s.body), pattern, n) {
				p.probe(b.t, pattern, s.query, body)
			}
		}
	})
}

// Whatever stands in a header, as far as HTTP lets it through, nothing answers
// 5xx, and nothing of it comes back but an id that can be repeated safely.
func TestHostileHeaders(t *testing.T) {
	both(t, func(b *bench) {
		handler := b.handler()
		_, key := b.keyOf(`{"account_wide":true}`)
		values := []string{"\xff", "\xc3(", "\xed\xa0\x80", strings.Repeat("x", 9000), strings.Repeat(",", 9000), "\u202etxt", "bytes=5-1,-0,99999999999999999999-", "*/*;q=NaN",
			"audio/wav;q=1e999", "-1", "99999999999999999999", `"`, "gzip;q=-1", "a\tb", "' OR 1=1 --", "%00", "null"}
		names := []string{"Accept", "Accept-Encoding", "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "If-Range", "Last-Event-ID", "Origin", "Range",
			environmentHeader, "X-Fern-Language", "X-Fern-Sdk-Name", "X-Forwarded-For", "X-Request-Id"}
		for i, name := range names {
			for j, value := range values {
				for _, pattern := range []string{"GET /v1/agents/list", "GET /v1/calls/x/events", "POST /v1/prompts/create", "GET /v1/whoami", "GET /nothing"} {
					method, path, _ := strings.Cut(pattern, " ")
					body := ""
					if method == http.MethodPost {
						body = fmt.Sprintf(`{"content":"%d %d"}`, i, j)
					}
					r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
					r.Header.Set("Authorization", "Bearer "+key)
					r.Header.Set(name, value)
					if name == "Authorization" {
						r.Header.Set(name, "Bearer "+value)
					}
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code >= 500 || name == "Authorization" && w.Code != http.StatusUnauthorized && path != "/nothing" {
						b.t.Errorf("%s with %s: %s answers %d %s", pattern, name, excerpt(value), w.Code, excerpt(w.Body.String()))
					}
					for back, told := range w.Header() {
						if text := strings.Join(told, ","); strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
							b.t.Errorf("%s with %s: %s answers %s: %s", pattern, name, excerpt(value), back, excerpt(text))
						}
					}
				}
			}
		}
	})
}

// FuzzBodies sends any body to any POST route. Each input has a store of its own
// with a number and an agent in it.
func FuzzBodies(f *testing.F) {
	patterns := posts()
	for i, pattern := range patterns {
		if i%4 == 0 { // each input costs a store; the corpus above has the rest
			f.Add(i, some(broken(`{"label":"L","prompt":{"content":"p"}}`), pattern, 1)[0])
		}
	}
	f.Fuzz(func(t *testing.T, i int, body string) {
		url := storetest.SQLite(t)
		b := newBench(t, storetest.Open(t, url, nil))
		b.database = url
		pattern, agent := patterns[(i%len(patterns)+len(patterns))%len(patterns)], b.agent(`{"prompt":{"content":"p"}}`)
		var query string
		switch number := b.number(); {
		case strings.HasPrefix(pattern, "POST /v1/numbers/"):
			query = "?phone_number=" + number[1:]
		case strings.HasPrefix(pattern, "POST /v1/agents/update"):
			query = "?id=" + agent
		default:
			query = "?id=x"
		}
		newProber(b).probe(t, pattern, query, body)
	})
}
