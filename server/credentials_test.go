package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/llm/llmtest"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/flite"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
	"github.com/sidetone/sidetone/transcriber"
	"github.com/sidetone/sidetone/transcriber/transcribertest"
	"github.com/sidetone/sidetone/vault"
)

// ourNumber is the trunk's number, and theirNumber whom it calls.
const (
	ourNumber   = "+14155550100"
	theirNumber = "+14155550199"
)

// used are the credentials that stub drivers worked with.
type used struct {
	mu   sync.Mutex
	with map[string]bool
}

func (u *used) add(part string, a access) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.with[part+" "+a.Key.Reveal()] = true
}

// take returns what was used since the last time.
func (u *used) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := slices.Sorted(maps.Keys(u.with))
	u.with = map[string]bool{}
	return out
}

// The stub drivers note their credentials when they work.
type (
	notedEars struct {
		*transcribertest.Stub
		used *used
		c    access
	}
	notedModel struct {
		*llmtest.Stub
		used *used
		c    access
	}
	notedVoice struct {
		*synthesizertest.Stub
		used *used
		c    access
	}
)

func (n *notedEars) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	n.used.add("recogniser", n.c)
	return n.Stub.Open(ctx, c)
}

func (n *notedModel) Generate(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	n.used.add("model", n.c)
	return n.Stub.Generate(ctx, r)
}

func (n *notedVoice) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	n.used.add("voice", n.c)
	return n.Stub.Speak(ctx, r)
}

// stubVendors are drivers of vendors that note what they work with.
func stubVendors(u *used) vendors {
	return vendors{
		recognisers: map[string]vendor[transcriber.Driver]{"transcriber_deepgram": {supplier: "deepgram", open: func(c access, _ choice) transcriber.Driver {
			return &notedEars{&transcribertest.Stub{Otherwise: "good morning"}, u, c}
		}}},
		models: map[string]vendor[llm.Driver]{"openai": {supplier: "openai", open: func(c access, _ choice) llm.Driver {
			return &notedModel{&llmtest.Stub{}, u, c}
		}}},
		voices: map[string]vendor[synthesizer.Driver]{"voice_eleven_labs": {supplier: "elevenlabs", open: func(c access, _ choice) synthesizer.Driver {
			return &notedVoice{&synthesizertest.Stub{}, u, c}
		}}},
	}
}

// person is somebody with a telephone, who says good morning.
type person struct {
	t      *testing.T
	driver *sip.Driver
	phone  softphone.Phone
}

func newPerson(t *testing.T, server string) *person {
	t.Helper()
	driver, err := sip.New(sip.Config{Listen: "127.0.0.1:0", Trunks: []sip.Trunk{{Name: "server", Host: server}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	return &person{t, driver, softphone.Phone{Driver: driver, Voice: flite.New(flite.Options{}), Wait: 5 * time.Second, Length: time.Minute,
		Lines: []softphone.Line{{Text: "Good morning."}}}}
}

// listen answers count calls in the background and returns what waits for their
// ends.
func (p *person) listen(count int) (wait func()) {
	done := make(chan error, 1)
	go func() { done <- p.phone.Listen(p.t.Context(), count, nil) }()
	return func() {
		p.t.Helper()
		select {
		case err := <-done:
			if err != nil {
				p.t.Error(err)
			}
		case <-time.After(20 * time.Second):
			p.t.Fatal("nobody called")
		}
	}
}

// canaryWorld is a server whose agents work with vendors.
type canaryWorld struct {
	t        *testing.T
	config   Config
	used     *used
	server   *running
	key      string
	canaries []string
	made     int // resources, each under a key of its own
	answers  bytes.Buffer
}

// canary is a new credential that is easy to find again.
func (w *canaryWorld) canary() string {
	c := fmt.Sprintf("canary%03dQwErTyUiOpAsDfG", len(w.canaries))
	w.canaries = append(w.canaries, c)
	return c
}

// start starts the server.
func (w *canaryWorld) start() {
	w.t.Helper()
	w.server = runWith(w.t, w.config, Options{vendors: new(stubVendors(w.used))})
	if w.server.ready.APIKey != "" {
		w.key = w.server.ready.APIKey
	}
}

// ask returns the answer to a request, and keeps what is read: who writes a
// secret gets it back, once.
func (w *canaryWorld) ask(method, path, body string, options ...client.Option) map[string]any {
	w.t.Helper()
	var sent any
	if body != "" {
		sent = json.RawMessage(body)
	}
	path, text, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(text)
	if err != nil {
		w.t.Fatal(err)
	}
	var out json.RawMessage
	if err := w.server.client(w.key).Do(w.t.Context(), method, path, query, sent, &out, options...); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if method == http.MethodGet {
		w.answers.Write(out)
	}
	var object map[string]any
	if err := json.Unmarshal(out, &object); err != nil {
		w.t.Fatal(err)
	}
	return object
}

// create posts twice with the same idempotency key.
func (w *canaryWorld) create(path, body string) (id string) {
	w.t.Helper()
	w.made++
	key := client.IdempotencyKey(fmt.Sprint(w.made))
	for range 2 {
		id, _ = w.ask(http.MethodPost, "/v1/"+path, body, key)["id"].(string)
	}
	w.ask(http.MethodGet, "/v1/"+strings.TrimSuffix(strings.TrimSuffix(path, "/create"), "/buy")+"?id="+id, "")
	return id
}

// ended waits until a call is over and reads all of it.
func (w *canaryWorld) ended(id string) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c := w.ask(http.MethodGet, "/v1/calls?id="+id, "")
		switch {
		case c["status"] == "ended":
			w.answers.WriteString(w.get("/v1/calls/" + id + "/events"))
			return
		case c["status"] == "error", time.Now().After(deadline):
			w.t.Fatalf("call %s: %v, %v\n%s", id, c["status"], c["error_message"], w.server.log)
		}
		<-tick.C
	}
}

// get returns an answer of any form.
func (w *canaryWorld) get(path string) string {
	w.t.Helper()
	w.server.ready.APIKey = w.key
	return w.server.send(http.MethodGet, path)
}

// wantUsed checks what the drivers worked with since the last time.
func (w *canaryWorld) wantUsed(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.used.take()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantNowhere checks that no canary is in what was answered, logged or stored.
func (w *canaryWorld) wantNowhere(places map[string][]byte) {
	w.t.Helper()
	places["answers"], places["log"] = w.answers.Bytes(), []byte(w.server.log.String())
	err := filepath.WalkDir(filepath.Dir(w.config.Data), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			places[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	sealed := false
	for place, text := range places {
		sealed = sealed || bytes.Contains(text, []byte(vault.Prefix(1)))
		for _, canary := range w.canaries {
			if i := bytes.Index(text, []byte(canary)); i >= 0 {
				w.t.Errorf("%s holds a credential: %s", place, text[max(0, i-100):min(len(text), i+50)])
			}
		}
	}
	if len(places["answers"]) < 1000 || len(places["log"]) < 1000 || !sealed {
		w.t.Errorf("%d bytes of answers, %d of the log, a sealed value %t: what was looked at?", len(places["answers"]), len(places["log"]), sealed)
	}
}

// TestCredentialsReachTheirDriversAlone: what a customer entrusts to us is what
// the drivers of a call work with, whoever calls whom and whatever happened in
// between, and nobody else ever sees it.
func TestCredentialsReachTheirDriversAlone(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		credentialsReachDrivers(t, testConfig(t), func() map[string][]byte { return map[string][]byte{} })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		c, address := testConfig(t), storetest.PostgresEmpty(t)
		c.Database.URL, c.Database.MigrateURL = sidetone.Secret(address), sidetone.Secret(storetest.Owner(address))
		credentialsReachDrivers(t, c, func() map[string][]byte { return map[string][]byte{"dump": dump(t, storetest.Owner(address))} })
	})
}

// dump is a backup of a Postgres database as an operator makes it.
func dump(t *testing.T, address string) []byte {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		t.Fatalf("no pg_dump: run scripts/setup (%v)", err)
	}
	out, err := exec.CommandContext(t.Context(), found[len(found)-1], strings.Replace(address, "&pool_max_conns=8", "", 1)).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return out
}

func credentialsReachDrivers(t *testing.T, config Config, backup func() map[string][]byte) {
	callee := newPerson(t, "127.0.0.1:9")
	config.SIP.Trunks = []Trunk{{Name: "carrier", Host: callee.driver.Addr().String(), Addresses: []string{"127.0.0.1"}, Numbers: []string{ourNumber}}}
	config.Log.Level = "debug"
	config.Calls.Max, config.Calls.Drain = 1, 100*time.Millisecond
	w := &canaryWorld{t: t, config: config, used: &used{with: map[string]bool{}}}
	defer func() {
		if t.Failed() {
			t.Log(w.server.log)
		}
	}()
	w.start()

	ears, model, voice := w.canary(), w.canary(), w.canary()
	w.create("account_connections/create", `{"type":"account_connection_deepgram","credentials":{"key":"`+ears+`"}}`)
	account := w.create("account_connections/create", `{"type":"account_connection_openai","credentials":{"openai_api_key":"`+model+`"}}`)
	agent := w.create("agents/create", `{"prompt":{"content":"Be kind."},"initial_message":"Hello.","provider":"openai","openai_account_connection":"`+account+`",
		"transcriber":{"type":"transcriber_deepgram"},"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"`+voice+`"}}`)
	stored := []string{"model " + model, "recogniser " + ears, "voice " + voice}
	w.create("numbers/buy", `{"phone_number":"`+ourNumber+`","telephony_provider":"sip","inbound_agent":"`+agent+`"}`)

	caller := newPerson(t, w.server.ready.SIP)
	caller.phone.Stay = true
	over := make(chan error, 1)
	answered := make(chan struct{})
	caller.phone.Notify = func(e softphone.Event) {
		if e.Kind == "gap" {
			close(answered) // the model has answered what was said
		}
	}
	go func() {
		for {
			_, err := caller.phone.Call(t.Context(), telephony.DialRequest{From: theirNumber, To: ourNumber, Trunk: "server"})
			var refused *telephony.DialError
			if errors.As(err, &refused) && refused.Cause == telephony.CauseOverload {
				continue // this machine was too busy to find out in time who answers
			}
			over <- err
			return
		}
	}()
	select {
	case <-answered:
	case err := <-over:
		t.Fatalf("the call ended: %v\n%s", err, w.server.log)
	case <-time.After(time.Minute):
		t.Fatalf("no answer\n%s", w.server.log)
	}
	w.wantUsed("an inbound call", stored...)

	// While that call takes the only place, others wait for the next process.
	call := `{"to_number":"` + theirNumber + `","from_number":"` + ourNumber + `","agent":%s}`
	waiting := w.create("calls/create", fmt.Sprintf(call, `"`+agent+`"`))
	w.server.end()
	if err := <-over; err != nil {
		t.Error(err)
	}
	w.wantUsed("calls that wait")
	w.wantNowhere(backup())
	wait := callee.listen(1)
	w.config.Calls.Max = 10
	w.start()
	wait()
	w.ended(waiting)
	w.wantUsed("an outbound call after a restart", stored...)

	wait = callee.listen(1)
	w.ended(w.create("calls/create", fmt.Sprintf(call, `"`+agent+`"`)))
	wait()
	w.wantUsed("an outbound call", stored...)

	own, theirs := w.canary(), w.canary()
	wait = callee.listen(1)
	w.ended(w.create("calls/create", fmt.Sprintf(call, `{"prompt":{"content":"Be brief."},"initial_message":"Hello.","provider":"openai",
		"transcriber":{"type":"transcriber_deepgram"},"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"`+own+`"},
		"openai_account_connection":{"type":"account_connection_openai","credentials":{"openai_api_key":"`+theirs+`"}}}`)))
	wait()
	w.wantUsed("a call with an agent of its own", "model "+theirs, stored[1], "voice "+own)

	for _, path := range []string{"agents", "voices", "account_connections", "calls", "audit_log", "numbers"} {
		w.ask(http.MethodGet, "/v1/"+path+"/list?size=100", "")
	}
	w.answers.WriteString(w.get("/v1/support?agent=" + agent))
	w.wantNowhere(backup())
	w.server.end()
	w.wantNowhere(backup())
}
