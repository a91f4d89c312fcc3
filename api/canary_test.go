package api

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/vault"
)

// canaries hands out secrets that are easy to find again.
type canaries struct {
	all []string
	// number places the calls that hold some.
	number string
}

func (c *canaries) next() string {
	s := fmt.Sprintf("canary%03dQwErTyUiOpAsDfG", len(c.all))
	c.all = append(c.all, s)
	return s
}

// 100 secrets are written everywhere a secret may be; what is stored, logged,
// backed up and answered to others holds none of them.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	storetest.RunURL(t, func(t *testing.T, url string) {
		var log buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s, err := store.Open(t.Context(), store.Config{URL: url, Masters: storetest.Masters, Log: logger})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		b := newBench(t, s)
		b.database, b.log = url, logger
		b.url = b.node()
		var c canaries
		var others bytes.Buffer // what somebody without the right to read secrets sees
		for i := range 17 {
			b.plant(&c, i, &others)
		}
		if len(c.all) < 100 {
			t.Fatalf("only %d canaries", len(c.all))
		}
		if _, err := s.RotateEnvironment(t.Context(), b.env.ID); err != nil {
			t.Error(err)
		}
		b.plant(&c, 17, &others)
		for _, path := range []string{"voices", "actions", "account_connections", "vector_databases", "trunks", "webhooks", "agents", "numbers", "calls", "audit_log", "api_keys"} {
			others.Write(b.do("GET /v1/"+path+"/list?size=100", "").want(200).raw)
		}
		places := map[string][]byte{"answers": others.Bytes(), "log": log.bytes(), "jobs": fmt.Append(nil, b.jobs.jobs)}
		if strings.HasPrefix(url, "sqlite:") {
			sqliteFiles(t, strings.TrimPrefix(url, "sqlite:"), b, places)
		} else {
			postgresDump(t, url, places)
		}
		for place, text := range places {
			if len(text) < 100 && place != "jobs" {
				t.Errorf("%s holds %d bytes", place, len(text))
			}
			for _, canary := range c.all {
				if bytes.Contains(text, []byte(canary)) {
					t.Errorf("%s holds %s: %s", place, canary, vicinity(text, canary))
				}
			}
		}
		b.moved(look(t, url))
	})
}

// vicinity is the text around a canary.
func vicinity(text []byte, canary string) string {
	i := bytes.Index(text, []byte(canary))
	return string(text[max(0, i-100):min(len(text), i+50)])
}

// plant writes secrets of every kind, changes them, and provokes refusals that
// could repeat them.
func (b *bench) plant(c *canaries, i int, others *bytes.Buffer) {
	b.t.Helper()
	create := func(path, body string) string {
		b.t.Helper()
		got := b.with(fmt.Sprint(path, i), "POST /v1/"+path+"/create", body).made()
		id := got.text("id")
		b.with(fmt.Sprint(path, i), "POST /v1/"+path+"/create", body).made()
		others.Write(b.do("GET /v1/"+path+"?id="+id, "").want(200).raw)
		return id
	}
	voice := create("voices", `{"type":"voice_eleven_labs","voice_id":"v","api_key":"`+c.next()+`"}`)
	action := `{"type":"action_external","config":{"name":"look_up","description":"d","url":"https://a.example/x","input_schema":{"type":"object"},"speak_on_send":true,"speak_on_receive":true,"signature_secret":"%s"}}`
	create("actions", fmt.Sprintf(action, c.next()))
	connection := create("account_connections", `{"type":"account_connection_twilio","credentials":{"twilio_account_sid":"`+c.next()+`","twilio_auth_token":"`+c.next()+`"}}`)
	create("vector_databases", `{"type":"vector_database_pinecone","index":"i","api_environment":"e","api_key":"`+c.next()+`"}`)
	create("trunks", fmt.Sprintf(`{"name":"t%d","host":"sip.carrier.example","password":"%s"}`, i, c.next()))
	create("agents", `{"prompt":{"content":"p"},"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"`+c.next()+`"},"actions":[`+fmt.Sprintf(action, c.next())+`]}`)
	b.do("POST /v1/voices/update?id="+voice, `{"api_key":"`+c.next()+`"}`).want(201)
	b.do("POST /v1/account_connections/update?id="+connection, `{"credentials":{"twilio_auth_token":"`+c.next()+`"}}`).want(201)
	b.plantCall(c, i, others)
	// Imported keys are bearers: only their hash is kept.
	b.with(fmt.Sprint("import", i), "POST /v1/api_keys/import", `{"key":"`+c.next()+`","label":"L"}`).want(201)
	for _, bad := range []string{
		`{"type":"voice_eleven_labs","api_key":{"x":"%s"}}`, `{"type":"voice_eleven_labs","voice_id":1,"api_key":"%s"}`, `{"type":"voice_eleven_labs","api_key":"****%s"}`,
		`{"type":"voice_eleven_labs","api_key":"%s"`, `{"api_key":"%s","api_key":"x"}`,
	} {
		others.Write(b.with(fmt.Sprint("bad", i), "POST /v1/voices/create", fmt.Sprintf(bad, c.next())).raw)
	}
	others.Write(b.do("POST /v1/account_connections/update?id="+connection, `{"credentials":"`+c.next()+`"}`).raw)
	others.Write(b.send("GET /v1/whoami", "", http.Header{"Authorization": {"Bearer " + c.next()}}).raw)
}

// plantCall gives secrets inside of calls/create, which live nowhere but with the
// call: the claim to dial it has them, on a node that just started, and its end
// erases them.
func (b *bench) plantCall(c *canaries, i int, others *bytes.Buffer) {
	b.t.Helper()
	if c.number == "" {
		c.number = b.number()
	}
	key, signature := c.next(), c.next()
	body := fmt.Sprintf(`{"to_number":"+12025550199","from_number":"%s","agent":{"prompt":{"content":"p"},
		"voice":{"type":"voice_eleven_labs","voice_id":"v","api_key":"%s"},
		"actions":[{"type":"action_external","config":{"name":"look_up","description":"d","url":"https://a.example/x","input_schema":{"type":"object"},"signature_secret":"%s"}}]}}`,
		c.number, key, signature)
	id := b.with(fmt.Sprint("call", i), "POST /v1/calls/create", body).made().text("id")
	b.with(fmt.Sprint("call", i), "POST /v1/calls/create", body).made()
	others.Write(b.do("GET /v1/calls?id="+id, "").want(200).raw)
	if i%2 == 0 {
		return // it waits to be dialled while the database is looked through
	}
	s := storetest.Open(b.t, b.database, nil)
	planned, err := s.PlannedDials(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, job := range planned {
		_, call, err := s.ClaimIntent(b.t.Context(), job.EnvironmentID, job.IntentID)
		if err != nil {
			b.t.Fatal(err)
		}
		if call.ID == id && (call.Snapshot.Voice.APIKey.Reveal() != key || call.Snapshot.Actions[0].SignatureSecret.Reveal() != signature) {
			b.t.Error("the claim of a call has other secrets than it was created with")
		}
		fmt.Fprintf(others, "%+v", call)
		result := sidetone.CallResult{Status: sidetone.CallError, Ended: time.Now()}
		if err := s.FinishCall(b.t.Context(), job.EnvironmentID, call.ID, result, nil); err != nil {
			b.t.Fatal(err)
		}
	}
}

// moved checks that a ciphertext opens in its own row and environment only.
func (b *bench) moved(db *database) {
	b.t.Helper()
	const body = `{"type":"voice_eleven_labs","voice_id":"v","api_key":"%s"}`
	mine := b.do("POST /v1/voices/create", fmt.Sprintf(body, "the-first-secret")).want(201).text("id")
	same := b.do("POST /v1/voices/create", fmt.Sprintf(body, "the-second-secret")).want(201).text("id")
	_, key := b.newEnvironment("rival")
	b.key, key = key, b.key
	theirs := b.do("POST /v1/voices/create", fmt.Sprintf(body, "the-third-secret")).want(201).text("id")
	for _, target := range []struct{ id, key string }{{theirs, b.key}, {same, key}} {
		if _, err := db.db.ExecContext(b.t.Context(), "UPDATE voices SET api_key = (SELECT api_key FROM voices WHERE id = '"+mine+"') WHERE id = '"+target.id+"'"); err != nil {
			b.t.Fatal(err)
		}
		b.key = target.key
		b.store = storetest.Open(b.t, b.database, nil) // whose memory does not know the rows from before
		b.url = b.node()
		got := b.do("GET /v1/voices?id="+target.id, "").want(500)
		if strings.Contains(string(got.raw), "cret") {
			b.t.Errorf("got %s", got.raw)
		}
	}
}

// sqliteFiles reads the database, its log, and backups of it.
func sqliteFiles(t *testing.T, path string, b *bench, places map[string][]byte) {
	t.Helper()
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := look(t, "sqlite:"+path).db.ExecContext(t.Context(), "VACUUM INTO '"+backup+"'"); err != nil {
		t.Fatal(err)
	}
	files := []string{backup}
	err := filepath.WalkDir(filepath.Dir(path), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 && !strings.HasSuffix(file, ".migrate") {
			places[filepath.Base(file)] = text
		}
	}
	if !bytes.Contains(places["backup.db"], []byte(vault.Prefix(2))) {
		t.Error("the backup holds no sealed value: what was looked at?")
	}
}

// postgresDump reads a backup as an operator makes it.
func postgresDump(t *testing.T, url string, places map[string][]byte) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		t.Fatalf("no pg_dump: run scripts/setup (%v)", err)
	}
	address := strings.Replace(storetest.Owner(url), "&pool_max_conns=8", "", 1)
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), found[len(found)-1], address).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	if !bytes.Contains(out, []byte(vault.Prefix(2))) {
		t.Error("the dump holds no sealed value: what was looked at?")
	}
	places["dump"] = out
}

// buffer collects a log.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.text.Bytes())
}
