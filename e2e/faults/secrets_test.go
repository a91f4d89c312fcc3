package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/store/storetest"
)

// canaries hands out secrets that are easy to find again.
type canaries struct{ all []string }

func (c *canaries) next() string {
	s := fmt.Sprintf("canary%03dZuIoPaSdFgHjKlM", len(c.all))
	c.all = append(c.all, s)
	return s
}

// TestNoSecretIsLeftLying plants secrets everywhere a real server takes one, has
// it place calls that run with them, rotates both keys and kills it: what lies
// in its directory, its log, its database with the job queue, its backup, and
// what it tells people who may not see secrets, holds none of them.
func TestNoSecretIsLeftLying(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, url string) {
		var c canaries
		n := serve(t, settings+"log: {level: debug, format: json}\n"+
			"auth: {jwt: [{issuer: login, audience: us, keys: [{id: a, algorithm: HS256, secret: "+c.next()+c.next()+"}]}]}\n"+
			"sip: {users: [{name: desk, password: "+c.next()+"}]}\n")
		p := &planting{node: n, c: &c, from: n.number(""), to: n.number(echo)}
		for i := range 7 {
			p.round(i)
		}
		p.call()
		p.tells("secrets", "rotate-environment", "--config", n.config, "--data", n.data())
		p.tells("secrets", "rotate-master", "--config", n.config, "--data", n.data())
		p.round(7)
		p.look()
		if len(c.all) < 100 {
			t.Fatalf("only %d canaries", len(c.all))
		}
		n.kill() // and so the log of the database stays as it is
		c.all = append(c.all, n.key)
		places := p.lying()
		places["log"], places["answers"] = []byte(n.out.String()), p.others.Bytes()
		if url != "" {
			places["dump"] = dump(t, url)
		}
		for place, text := range places {
			for _, canary := range c.all {
				if i := bytes.Index(text, []byte(canary)); i >= 0 {
					t.Errorf("%s holds %s: %s", place, canary, text[max(0, i-100):min(len(text), i+50)])
				}
			}
		}
		p.sawEverything(places, url)
	})
}

// planting writes secrets into a server.
type planting struct {
	*node
	c *canaries
	// from calls to; an agent that can talk answers there.
	from, to string
	// others is what people without the right to see secrets are told.
	others bytes.Buffer
}

// keyed sends a request twice with an idempotency key, so that the answer is
// stored, and returns the id of what it made.
func (p *planting) keyed(path, body string) string {
	p.t.Helper()
	key := fmt.Sprintf("%s %d", path, len(p.c.all))
	var made struct{ ID string }
	for range 2 {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.ready.HTTP+path, strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + p.key}, "Idempotency-Key": {key}}
		res, err := p.api.HTTP.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusCreated || json.Unmarshal(raw, &made) != nil {
			p.t.Fatalf("%s: %d %s, %v", path, res.StatusCode, raw, err)
		}
	}
	return made.ID
}

// agent is the body of an agent with secrets of its own.
func (p *planting) agent() string {
	return `{"prompt":{"content":"Be brief."},"provider":"echo",` +
		`"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"` + p.c.next() + `"},"actions":[` + p.action() + `],` +
		`"vector_database":{"type":"vector_database_pinecone","index":"i","api_environment":"e","api_key":"` + p.c.next() + `"},` +
		`"openai_account_connection":{"type":"account_connection_openai","credentials":{"openai_api_key":"` + p.c.next() + `"}}}`
}

func (p *planting) action() string {
	return `{"type":"action_external","config":{"name":"look_up","description":"d","url":"https://a.example/x","input_schema":{"type":"object"},` +
		`"speak_on_send":true,"speak_on_receive":true,"signature_secret":"` + p.c.next() + `"}}`
}

// round plants one of everything, changes it, and provokes refusals that could
// repeat a secret.
func (p *planting) round(i int) {
	p.t.Helper()
	voice := p.keyed("/v1/voices/create", `{"type":"voice_azure","voice_name":"v","api_key":"`+p.c.next()+`"}`)
	connection := p.keyed("/v1/account_connections/create",
		`{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"`+p.c.next()+`","twilio_auth_token":"`+p.c.next()+`"}}`)
	p.keyed("/v1/agents/create", p.agent())
	p.keyed("/v1/api_keys/import", `{"key":"`+p.c.next()+`"}`)
	p.post("/v1/voices/update?id="+voice, `{"api_key":"`+p.c.next()+`"}`)
	p.post("/v1/account_connections/update?id="+connection, `{"credentials":{"twilio_auth_token":"`+p.c.next()+`"}}`)
	p.post("/v1/numbers/update?phone_number="+p.from[1:], `{"example_context":{},"inbound_agent":`+p.agent()+`}`)
	for _, bad := range []string{`{"type":"voice_azure","api_key":{"x":"%s"}}`, `{"type":"voice_azure","voice_name":1,"api_key":"%s"}`, `{"api_key":"%s"`} {
		_, body := p.post("/v1/voices/create", fmt.Sprintf(bad, p.c.next()))
		p.others.WriteString(body)
	}
	if i%4 == 0 {
		p.keyed("/v1/calls/create", `{"from_number":"`+p.from+`","to_number":"`+p.to+`","agent":`+p.agent()+`}`)
	}
	_, body := p.request(http.MethodGet, "/v1/voices?id="+voice, "")
	p.others.WriteString(body)
}

// call waits until the placed calls have run and ends those that go on.
func (p *planting) call() {
	p.t.Helper()
	until(p.t, 30*time.Second, "a placed call to be dialled", func() bool {
		for _, c := range p.calls() {
			if c.Status != "not_started" {
				return true
			}
		}
		return false
	})
	until(p.t, 30*time.Second, "the calls to end", func() bool {
		for _, c := range p.calls() {
			if !c.Over() {
				_, body := p.post("/v1/calls/end?id="+c.ID, "")
				p.others.WriteString(body)
			}
		}
		return p.open() == 0
	})
}

// tells runs the command line and keeps what it says.
func (p *planting) tells(args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), os.Getenv(binaryVariable), args...)
	cmd.Env = append(os.Environ(), "SIDETONE_URL="+p.ready.HTTP, "SIDETONE_API_KEY="+p.key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Errorf("%v: %v %s", args, err, out)
	}
	p.others.Write(out)
}

// look reads everything as somebody who may not see secrets.
func (p *planting) look() {
	p.t.Helper()
	for _, noun := range []string{"voices", "actions", "account_connections", "vector_databases", "webhooks", "agents", "numbers", "calls", "audit_log", "api_keys"} {
		status, body := p.request(http.MethodGet, "/v1/"+noun+"/list?size=100", "")
		if status != http.StatusOK {
			p.t.Errorf("list %s: %d %s", noun, status, body)
		}
		p.others.WriteString(body)
	}
	_, body := p.request(http.MethodGet, "/metrics", "")
	p.others.WriteString(body)
	for _, c := range p.calls() {
		for _, e := range p.events(c.ID) {
			fmt.Fprintf(&p.others, "%s %s %s\n", e.Type, e.Text, e.Data)
		}
		_, body := p.request(http.MethodGet, "/v1/calls?id="+c.ID, "")
		p.others.WriteString(body)
	}
	p.tells("token", "list", "--config", p.config, "--data", p.data())
	exported := filepath.Join(p.dir, "exported")
	p.tells("export", "-f", exported)
}

// lying are the files of the server, those left out whose purpose is to hold a
// key, and a backup.
func (p *planting) lying() map[string][]byte {
	p.t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		switch d.Name() {
		case "config.yaml", "ready", "control.json", "master.key":
			return nil
		}
		out[strings.TrimPrefix(path, p.dir)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// dump is a backup as an operator makes it.
func dump(t *testing.T, url string) []byte {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		t.Fatalf("no pg_dump: run scripts/setup (%v)", err)
	}
	out, err := exec.CommandContext(t.Context(), found[len(found)-1], strings.Replace(storetest.Owner(url), "&pool_max_conns=8", "", 1)).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return out
}

// sawEverything checks that the search looked where it says: at sealed values of
// both data keys, at jobs, at stored answers, at snapshots of calls.
func (p *planting) sawEverything(places map[string][]byte, url string) {
	p.t.Helper()
	database := places["dump"]
	if url == "" {
		database = append(append([]byte{}, places["/data/sidetone.db"]...), places["/data/sidetone.db-wal"]...)
		if len(places["/data/sidetone.db-wal"]) == 0 {
			p.t.Error("there was no log of the database to look at")
		}
	}
	for what, text := range map[string]string{
		"sealed values": "s1.2.", "jobs": "dial", "stored answers": "AgentController_createAgent", "snapshots": "voice_eleven_labs", "stars": "********",
	} {
		if !bytes.Contains(database, []byte(text)) {
			p.t.Errorf("the database holds no %s: what was looked at?", what)
		}
	}
	for _, place := range []string{"log", "answers"} {
		if len(places[place]) < 1000 {
			p.t.Errorf("%s: only %d bytes", place, len(places[place]))
		}
	}
	for place := range places {
		p.t.Logf("%s: %d bytes", place, len(places[place]))
	}
}
