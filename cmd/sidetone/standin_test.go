package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStandinServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready, ca := filepath.Join(dir, "ready.json"), filepath.Join(dir, "ca.pem")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- standinCommand{Vendor: "anthropic", Addr: "127.0.0.1:0", ReadyFile: ready, CAFile: ca, Key: "k",
			Fault: []string{"status?status=529&times=1"}}.Run(&app{ctx: ctx, out: &out, err: &out})
	}()
	var said map[string]string
	for end := time.Now().Add(10 * time.Second); said == nil; <-time.After(5 * time.Millisecond) {
		if raw, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(raw, &said); err != nil {
				t.Fatal(err)
			}
		} else if time.Now().After(end) {
			t.Fatal("it does not serve")
		}
	}
	for _, want := range []int{529, http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, said["url"]+"/v1/messages", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("status %d, want %d", response.StatusCode, want)
		}
	}
	cancel()
	if err := <-ended; err != nil || !strings.Contains(out.String(), "anthropic stands in at "+said["url"]) {
		t.Errorf("ended with %v, printed %q", err, out.String())
	}
}

func TestStandinRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	a := &app{ctx: t.Context(), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	if err := (standinCommand{Vendor: "nobody"}).Run(a); err == nil || !strings.Contains(err.Error(), "openai") {
		t.Errorf("no such vendor: %v", err)
	}
	if err := (standinCommand{Vendor: "openai", Fault: []string{"nonsense"}}).Run(a); err == nil || !strings.Contains(err.Error(), "no such kind") {
		t.Errorf("no such fault: %v", err)
	}
}
