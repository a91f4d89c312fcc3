package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidetone/sidetone/vault"
)

// sealed is how many secrets the rotations have to do with.
const sealed = 250

// TestKilledWhileRotating kills the server in the middle of rotations of both
// keys while clients store secrets: afterwards every secret can be read, and the
// next rotation finishes what was begun.
func TestKilledWhileRotating(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) {
		r := &rotating{node: serve(t, settings), secrets: map[string]string{}}
		status, body := r.post("/v1/api_keys/create", `{"scopes":["read","write","secrets:read"]}`)
		var made struct{ Key string }
		if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
			t.Fatalf("make a key that reads secrets: %d %s", status, body)
		}
		r.key = made.Key
		for range sealed {
			r.store()
		}
		for round := range 6 {
			r.killed([]string{"rotate_environment", "rotate_master"}[round%2])
			r.holds()
		}
		for _, what := range []string{"rotate_master", "rotate_environment", "rotate_master"} {
			if status := r.rotate(what); status != http.StatusCreated {
				t.Errorf("%s at last: %d", what, status)
			}
		}
		r.holds()
		text, err := os.ReadFile(filepath.Join(r.data(), "master.key"))
		if keys, parsed := vault.ParseMasters(string(text)); err != nil || parsed != nil || len(keys) != 1 {
			t.Errorf("the file holds %d master keys, %v, %v", len(keys), err, parsed)
		}
	})
}

// rotating is a server with secrets that are known.
type rotating struct {
	*node
	mu      sync.Mutex
	made    int
	secrets map[string]string // acknowledged, by voice
}

// store makes a voice with a secret and reports whether that was acknowledged.
func (r *rotating) store() bool {
	r.mu.Lock()
	r.made++
	secret := fmt.Sprintf("secret-%06d", r.made)
	r.mu.Unlock()
	status, body := r.ask("/v1/voices/create", r.node.key, `{"type":"voice_azure","voice_name":"v","api_key":"`+secret+`"}`)
	var voice struct{ ID string }
	if status != http.StatusCreated || json.Unmarshal(body, &voice) != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[voice.ID] = secret
	return true
}

// ask is post for a server that may die; the status is then 0.
func (r *rotating) ask(path, key, body string) (status int, answer []byte) {
	req, err := http.NewRequest(http.MethodPost, r.ready.HTTP+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	var raw json.RawMessage
	if json.NewDecoder(res.Body).Decode(&raw) != nil {
		return 0, nil
	}
	return res.StatusCode, raw
}

// rotate asks as the command line of this machine does.
func (r *rotating) rotate(what string) int {
	var control struct{ Key string }
	text, err := os.ReadFile(filepath.Join(r.data(), "control.json"))
	if err != nil || json.Unmarshal(text, &control) != nil {
		r.t.Errorf("read the control file: %v", err)
	}
	status, _ := r.ask("/v1/secrets/"+what, control.Key, "")
	return status
}

// killed rotates and kills the server meanwhile, then starts it again.
func (r *rotating) killed(what string) {
	r.t.Helper()
	var wg sync.WaitGroup
	var acknowledged atomic.Int64
	for range 4 {
		wg.Go(func() {
			for r.store() {
				acknowledged.Add(1)
			}
		})
	}
	until(r.t, 10*time.Second, "secrets to be stored", func() bool { return acknowledged.Load() > 4 })
	wg.Go(func() {
		for r.rotate(what) == http.StatusCreated { // again, if it was faster than the kill
		}
	})
	wait(time.Duration(rand.IntN(40)) * time.Millisecond)
	r.kill()
	wg.Wait()
	r.start()
}

// holds reads every secret that was acknowledged.
func (r *rotating) holds() {
	r.t.Helper()
	found := map[string]string{}
	for cursor := ""; ; {
		status, body := r.request(http.MethodGet, "/v1/voices/list?size=100&cursor="+cursor, "")
		var page struct {
			Items []struct {
				ID     string
				APIKey string `json:"api_key"`
			}
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
			r.t.Fatalf("list voices: %d %s", status, body)
		}
		for _, v := range page.Items {
			found[v.ID] = v.APIKey
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for id, secret := range r.secrets {
		if found[id] != secret {
			r.t.Fatalf("voice %s has the secret %q, want %q (%d of them)", id, found[id], secret, len(r.secrets))
		}
	}
}
