package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/aftercall"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/llm/scripted"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/support"
	"github.com/sidetone/sidetone/telephony"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// bench is a server with everything around it replaced by fakes, except the
// store. Each answer it sees is held strictly against the document.
type bench struct {
	t   *testing.T
	url string
	key string
	// database is the store's address.
	database string
	// log is where requests are logged; nil for nowhere.
	log   *slog.Logger
	env   sidetone.Environment
	store *store.Store
	shop  *fakeShop
	calls *fakeCalls
	feed  *fakeFeed
	tapes fakeTapes
	// ladders are those of calls, by id.
	ladders fakeLadders
	// journals are those of calls, by id.
	journals fakeJournals
	// tokens checks JSON Web Tokens; nil for none.
	tokens TokenVerifier
	// operator is the bearer of the command line; "" for none.
	operator sidetone.Secret
	// copies cannot be made unless a test says so.
	copies *fakeCopies
	jobs   *fakeJobs
	doc    *openapi3.T
	drain  chan struct{}
	// callerIDs are the servers' CallerIDs.
	callerIDs CallerIDs
	// now is the clock of the servers; nil for the true one.
	now func() time.Time
	// try is the servers' TryConnection.
	try func(context.Context, sidetone.Connection) ([]Trial, error)
	// checkAddress is the servers' CheckAddress; nil checks nothing.
	checkAddress func(string) error
	// checkAccount and checkThinks are the servers', nil checks nothing.
	checkAccount func(sidetone.Connection) error
	checkThinks  func(string, sidetone.Connection) error
	// lacking is the servers' Lacking; nil asks nothing.
	lacking func(context.Context, sidetone.Call) ([]support.Warning, error)
	// speaks is the servers' Speaks; nil: the built-in voice.
	speaks func(context.Context, string) (sidetone.Voice, error)
}

// both runs test on SQLite and on Postgres, with the race detector on Postgres only.
func both(t *testing.T, test func(b *bench)) {
	t.Helper()
	t.Parallel()
	run := storetest.RunURL
	if raceDetector {
		run = storetest.RunPostgresURL
	}
	run(t, func(t *testing.T, url string) {
		b := newBench(t, storetest.Open(t, url, nil))
		b.database = url
		test(b)
	})
}

func newBench(t *testing.T, s *store.Store) *bench {
	t.Helper()
	b := &bench{try: triedWell,
		t: t, store: s, shop: newShop(), calls: &fakeCalls{}, feed: &fakeFeed{}, tapes: fakeTapes{}, ladders: fakeLadders{}, journals: fakeJournals{}, copies: &fakeCopies{fail: errors.ErrUnsupported},
		jobs: &fakeJobs{}, doc: strictDocument(t), drain: make(chan struct{}),
	}
	s.SetEnqueuer(b.jobs)
	b.env, b.key = b.newEnvironment("clinic")
	b.url = b.node()
	return b
}

// node starts another server of the same store and returns its address.
func (b *bench) node() string {
	b.t.Helper()
	server := httptest.NewServer(b.handler())
	b.t.Cleanup(server.Close)
	return server.URL
}

// handler is the interface itself, without a network.
func (b *bench) handler() http.Handler {
	doc, err := document()
	if err != nil {
		b.t.Fatal(err)
	}
	return New(Config{
		Document: doc, Store: b.store, Calls: b.calls, Feed: b.feed, Recordings: b.tapes, Ladders: b.ladders, Journals: b.journals, MP3: b.copies, Drain: b.drain, Log: b.log, Tokens: b.tokens,
		Operator: b.operator, CheckPrompt: scripted.Check, CheckInsights: aftercall.Check, CheckAddress: b.checkAddress, CheckAccount: b.checkAccount, CheckThinks: b.checkThinks, Unreadable: scripted.Unreadable, Lacking: b.lacking, Speaks: b.speaks, TryConnection: b.try, TryWebhook: noEndpoint, CallerIDs: b.callerIDs, Trunks: knownTrunks{},
		Shops: map[string]telephony.NumberShop{"simulated": b.shop},
		Poll:  20 * time.Millisecond, Heartbeat: 50 * time.Millisecond, Now: b.now,
	})
}

func (b *bench) newEnvironment(name string) (sidetone.Environment, string) {
	b.t.Helper()
	return environmentWithKey(b.t, b.store, name)
}

// environmentWithKey makes an account with an operator's key.
// triedWell is a vendor that answers at once.
func triedWell(context.Context, sidetone.Connection) ([]Trial, error) {
	return []Trial{{Part: "model", Latency: time.Millisecond}}, nil
}

func environmentWithKey(t testing.TB, s *store.Store, name string) (sidetone.Environment, string) {
	t.Helper()
	env, err := s.CreateAccount(t.Context(), name, "production")
	if err != nil {
		t.Fatal(err)
	}
	secret := sidetone.NewKey()
	err = s.InsertAPIKey(t.Context(), sidetone.APIKey{
		ID: sidetone.NewIDs(time.Now).New(), EnvironmentID: env.ID, Label: "test", Hint: secret.Hint(), Hash: secret.Hash(),
		Scopes: sidetone.OperatorScopes(), AccountWide: true, Created: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return env, secret.Reveal()
}

// answer is a received answer.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    []byte
	// value is the body, json the same if it is an object.
	value any
	json  map[string]any
}

// at returns the value at a dotted path, nil when there is none.
func (a answer) at(path string) any {
	var v any = a.json
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

func (a answer) text(path string) string {
	s, _ := a.at(path).(string)
	return s
}

// want fails the test unless the status is as given.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("got status %d, want %d: %s", a.status, status, a.raw)
	}
	return a
}

// made wants that something was made or changed: 201, and 200 where only the
// ancestor had the operation. Which of them is the document's to say.
func (a answer) made() answer {
	a.t.Helper()
	if a.status == http.StatusOK {
		return a
	}
	return a.want(http.StatusCreated)
}

// fails checks a whole error answer.
func (a answer) fails(status int, message string) {
	a.t.Helper()
	a.want(status)
	if got := a.text("message"); got != message {
		a.t.Errorf("got message %q, want %q", got, message)
	}
	if got := a.at("statusCode"); got != float64(status) {
		a.t.Errorf("got statusCode %v, want %d", got, status)
	}
}

// do sends a request with the bench's key, "METHOD /path", and checks the
// answer against the document.
func (b *bench) do(target, body string) answer {
	b.t.Helper()
	return b.send(target, body, http.Header{"Authorization": {"Bearer " + b.key}})
}

func (b *bench) send(target, body string, header http.Header) answer {
	b.t.Helper()
	method, path, _ := strings.Cut(target, " ")
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	a := answer{t: b.t, status: res.StatusCode, header: res.Header, raw: raw}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && len(raw) > 0 && res.Header.Get("Content-Encoding") == "" {
		if err := json.Unmarshal(raw, &a.value); err != nil {
			b.t.Fatalf("%s answers no JSON: %s", target, raw)
		}
		a.json, _ = a.value.(map[string]any)
		b.check(method, req.URL.Path, dialect.Of(req.Header, ""), a)
		return a
	}
	b.checkForm(method, req.URL.Path, a)
	return a
}

// checkForm holds the status and the content type of an answer that is not
// looked into against the document.
func (b *bench) checkForm(method, path string, a answer) {
	b.t.Helper()
	item := b.doc.Paths.Find(path)
	if item == nil || item.GetOperation(strings.ToUpper(method)) == nil {
		return // unknown routes have no document
	}
	declared := item.GetOperation(strings.ToUpper(method)).Responses.Status(a.status)
	form, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if declared == nil || len(a.raw) > 0 && declared.Value.Content[form] == nil {
		b.t.Errorf("%s %s answers %d with %q, which the document does not declare", method, path, a.status, form)
	}
}

// check holds an answer in the form of a profile against the strict document.
func (b *bench) check(method, path string, p dialect.Profile, a answer) {
	b.t.Helper()
	item := b.doc.Paths.Find(path)
	if item == nil || item.GetOperation(strings.ToUpper(method)) == nil {
		return // unknown routes have no document
	}
	responses := item.GetOperation(strings.ToUpper(method)).Responses
	declared := responses.Status(a.status)
	if declared == nil {
		if a.status < 400 {
			b.t.Errorf("%s %s answers the undeclared status %d", method, path, a.status)
		}
		declared = responses.Default()
	}
	schema := schemaFor(b.doc, declared.Value.Content.Get("application/json"), p)
	if err := schema.VisitJSON(a.value, openapi3.MultiErrors()); err != nil {
		b.t.Errorf("%s %s answers %s, which the document refuses: %v", method, path, a.raw, err)
	}
}

// schemaFor is the schema of an answer in the form of a profile: the one that
// x-profile names for it, else for its family, else the answer's own.
func schemaFor(doc *openapi3.T, media *openapi3.MediaType, p dialect.Profile) *openapi3.Schema {
	family, _, _ := strings.Cut(p.Name, "-")
	names, _ := media.Extensions["x-profile"].(map[string]any)
	for _, name := range []string{p.Name, family} {
		if entry, ok := names[name].(map[string]any); ok {
			ref, _ := entry["$ref"].(string)
			return doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")].Value
		}
	}
	return media.Schema.Value
}

// loadDocument parses the document that the server serves.
func loadDocument() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData([]byte(contract.Text()))
}

// document and strict are parsed once for all tests, which only read them: with the
// race detector parsing takes a second.
var (
	document = sync.OnceValues(contract.Load)
	strict   = sync.OnceValues(makeStrict)
)

// strictDocument is the document without undeclared properties. It is shared.
func strictDocument(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := strict()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func makeStrict() (*openapi3.T, error) {
	doc, err := loadDocument()
	if err != nil {
		return nil, err
	}
	for name, ref := range doc.Components.Schemas {
		if strings.HasPrefix(name, "Vocode") {
			flatten(ref.Value)
		}
	}
	no := false
	for _, ref := range doc.Components.Schemas {
		s := ref.Value
		if len(s.Properties) > 0 && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
			s.AdditionalProperties.Has = &no
		}
	}
	return doc, nil
}

// flatten turns a schema composed of parts into one with the properties of all,
// so that it can be held strictly: no part knows the properties of the others.
func flatten(s *openapi3.Schema) {
	if len(s.AllOf) == 0 {
		return
	}
	properties, required := maps.Clone(s.Properties), slices.Clone(s.Required)
	if properties == nil {
		properties = openapi3.Schemas{}
	}
	for _, part := range s.AllOf {
		flatten(part.Value)
		maps.Copy(properties, part.Value.Properties)
		required = append(required, part.Value.Required...)
	}
	s.Type, s.AllOf, s.Properties, s.Required = &openapi3.Types{"object"}, nil, properties, required
}

// fakeShop sells a few fictional numbers.
type fakeShop struct {
	mu       sync.Mutex
	free     []telephony.AvailableNumber
	released []string
	fail     error
	buying   func(context.Context) error
}

func newShop() *fakeShop {
	return &fakeShop{free: []telephony.AvailableNumber{
		{Number: "+12025550101", Locality: "Washington", Country: "US"},
		{Number: "+12025550102", Locality: "Washington", Country: "US"},
		{Number: "+14155550103", Locality: "San Francisco", Country: "US"},
	}}
}

func (f *fakeShop) Search(_ context.Context, q telephony.NumberQuery) ([]telephony.AvailableNumber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []telephony.AvailableNumber
	for _, n := range f.free {
		if strings.HasPrefix(n.Number, "+1"+q.AreaCode) && (q.Locality == "" || strings.EqualFold(q.Locality, n.Locality)) {
			out = append(out, n)
		}
	}
	return out, f.fail
}

func (f *fakeShop) Buy(ctx context.Context, number string) error {
	f.mu.Lock()
	buying := f.buying
	f.mu.Unlock()
	if buying != nil {
		return buying(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	for _, n := range f.free {
		if n.Number == number {
			f.free = slices.DeleteFunc(f.free, func(n telephony.AvailableNumber) bool { return n.Number == number })
			return nil
		}
	}
	return telephony.ErrTaken
}

func (f *fakeShop) Release(_ context.Context, number string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.released = append(f.released, number)
	f.free = append(f.free, telephony.AvailableNumber{Number: number})
	return nil
}

// stock adds numbers for sale.
func (f *fakeShop) stock(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		f.free = append(f.free, telephony.AvailableNumber{Number: fmt.Sprintf("+120255502%02d", i), Country: "US"})
	}
}

// onBuy replaces what buying does; nil restores it.
func (f *fakeShop) onBuy(buying func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buying = buying
}

// breakDown makes every further request to the shop fail; nil repairs it.
func (f *fakeShop) breakDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

// fakeCalls knows the calls it was told of.
type fakeCalls struct {
	mu    sync.Mutex
	live  map[string]bool
	ended []string
	said  map[string]string // headers of the last one
	// paused are the orders about recordings.
	paused []bool
}

func (f *fakeCalls) run(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = map[string]bool{id: true}
}

func (f *fakeCalls) End(_ context.Context, _ string, e sidetone.Ending) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.live[e.CallID] {
		return sidetone.Errorf(sidetone.NotFound, "call not found")
	}
	f.ended, f.said = append(f.ended, e.CallID), e.HeadersOut
	return nil
}

func (f *fakeCalls) PauseRecording(_ context.Context, _, id string, paused bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.live[id] {
		return sidetone.Errorf(sidetone.NotFound, "call not found")
	}
	f.paused = append(f.paused, paused)
	return nil
}

// fakeFeed hands out one channel for everybody.
type fakeFeed struct {
	mu          sync.Mutex
	subscribers []chan sidetone.Event
}

func (f *fakeFeed) Subscribe(string) (<-chan sidetone.Event, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan sidetone.Event, 16)
	f.subscribers = append(f.subscribers, c)
	return c, func() {}
}

func (f *fakeFeed) publish(e sidetone.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.subscribers {
		c <- e
	}
}

// closeAll ends all subscriptions, as a feed does with slow readers.
func (f *fakeFeed) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.subscribers {
		close(c)
	}
	f.subscribers = nil
}

// fakeTapes are recordings by path.
type fakeTapes map[string][]byte

type tape struct{ *bytes.Reader }

func (tape) Close() error { return nil }

func (f fakeTapes) Open(path string) (io.ReadSeekCloser, error) {
	if path == "/broken" {
		return nil, errors.New("disk on fire")
	}
	if f[path] == nil {
		return nil, fs.ErrNotExist
	}
	return tape{bytes.NewReader(f[path])}, nil
}

// fakeLadders are ladders by call.
type fakeLadders map[string]sidetone.Ladder

func (f fakeLadders) Ladder(id string) (sidetone.Ladder, error) {
	if f[id].Dropped < 0 {
		return sidetone.Ladder{}, errors.New("disk on fire")
	}
	if len(f[id].Messages) == 0 {
		return sidetone.Ladder{}, fs.ErrNotExist
	}
	return f[id], nil
}

// Capture says what it would hold.
func (f fakeLadders) Capture(id string, sound bool) (Capture, error) {
	l, err := f.Ladder(id)
	return fakeCapture{strings.NewReader(fmt.Sprintf("%d packets, sound %t", len(l.Messages), sound))}, err
}

type fakeCapture struct{ *strings.Reader }

func (fakeCapture) Close() error { return nil }

// fakeJournals are journals by call; an empty one cannot be read.
type fakeJournals map[string]string

func (f fakeJournals) Text(_ context.Context, environmentID, id string) ([]byte, error) {
	text, ok := f[id]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case text == "":
		return nil, errors.New("a bit was flipped")
	}
	return []byte(text + " of " + environmentID), nil
}

// sampleLadder is a call that was refused.
func sampleLadder() sidetone.Ladder {
	at := time.Date(2026, 11, 1, 10, 0, 0, 5000000, time.UTC)
	return sidetone.Ladder{Dropped: 2, Messages: []sidetone.SignalMessage{
		{At: at, Sent: true, Local: "192.0.2.1:5060", Remote: "198.51.100.7:5060", Transport: "UDP", Text: "INVITE sip:1@198.51.100.7 SIP/2.0\r\n\r\n"},
		{At: at.Add(time.Millisecond), Local: "192.0.2.1:5060", Remote: "198.51.100.7:5060", Transport: "UDP", Text: "SIP/2.0 403 Forbidden\r\n\r\n"},
	}}
}

// fakeCopies is the same MP3 for every recording.
type fakeCopies struct {
	mu    sync.Mutex
	bytes string
	fail  error
}

func (f *fakeCopies) set(bytes string, fail error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes, f.fail = bytes, fail
}

func (f *fakeCopies) Open(context.Context, string) (io.ReadSeekCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return tape{bytes.NewReader([]byte(f.bytes))}, f.fail
}

// fakeJobs remembers which dials were enqueued.
type fakeJobs struct {
	mu   sync.Mutex
	jobs []sidetone.DialJob
}

func (f *fakeJobs) Enqueue(_ context.Context, _ *store.Tx, job sidetone.Job) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if dial, ok := job.(sidetone.DialJob); ok {
		f.jobs = append(f.jobs, dial)
	}
	return nil
}

// Committed implements store.Enqueuer.
func (*fakeJobs) Committed([]sidetone.Job) {}

// agent creates an agent and returns its id.
func (b *bench) agent(body string) string {
	b.t.Helper()
	return b.do("POST /v1/agents/create", body).want(201).text("id")
}

// number buys a number of the shop and returns it.
func (b *bench) number() string {
	b.t.Helper()
	return b.do("POST /v1/numbers/buy", `{}`).want(201).text("number")
}

func (b *bench) setDefault(agentID string) error {
	return b.store.Write(b.t.Context(), b.env.ID, func(tx *store.Tx) error { return tx.SetDefaultAgent(agentID) })
}
