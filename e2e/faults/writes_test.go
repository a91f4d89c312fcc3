package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// writes is how many writes are tried, by how many clients; kills is how often
// the server dies meanwhile.
const (
	writes  = 10_000
	writers = 32
	kills   = 4
)

// TestKilledWhileWriting kills the server with signal 9 again and again while
// many clients write. What was acknowledged is there afterwards, what was
// refused is not; of a write without an answer nobody knows.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, settings, _ string) {
		n := serve(t, settings)
		w := &writing{n: n, fate: map[string]string{}}
		if status := w.try("taken", `{"content":"Be kind.","key":"taken","label":"taken"}`); status != http.StatusCreated {
			t.Fatalf("create a prompt: %d", status)
		}
		for range kills {
			w.until(writes/(kills+1), true)
			n.kill()
			w.wg.Wait()
			n.start()
		}
		w.until(writes-w.tried(), false)
		w.check()
	})
}

// writing is a crowd of clients and what each of their writes came to.
type writing struct {
	n  *node
	wg sync.WaitGroup

	mu    sync.Mutex
	fate  map[string]string // stored, refused, unknown; by label
	begun int
}

func (w *writing) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.fate)
}

// until lets the clients begin count more writes and returns when they have, or
// when their answers have come, too.
func (w *writing) until(count int, midway bool) {
	w.mu.Lock()
	end := w.begun + count
	w.mu.Unlock()
	reached := make(chan struct{})
	for range writers {
		w.wg.Go(func() {
			for {
				w.mu.Lock()
				if w.begun++; w.begun == end {
					close(reached)
				}
				i := w.begun
				w.mu.Unlock()
				if i > end && !midway {
					return
				}
				if !w.write(i) {
					return // the server is gone
				}
			}
		})
	}
	<-reached
	if midway {
		wait(time.Duration(rand.IntN(20)) * time.Millisecond) // anywhere in the course of a write
		return
	}
	w.wg.Wait()
}

// write makes a prompt, or asks for one that must be refused, and reports
// whether there was an answer.
func (w *writing) write(i int) bool {
	label := fmt.Sprintf("write %06d", i)
	body := fmt.Sprintf(`{"content":"Be kind.","label":%q}`, label)
	switch {
	case i%11 == 0:
		body = fmt.Sprintf(`{"content":"Be kind.","label":%q,"key":"taken"}`, label)
	case i%13 == 0:
		body = fmt.Sprintf(`{"content":7,"label":%q}`, label)
	}
	return w.try(label, body) != 0
}

// try sends a request and notes what came of it; 0 is no answer.
func (w *writing) try(label, body string) int {
	status := 0
	req, err := http.NewRequest(http.MethodPost, w.n.ready.HTTP+"/v1/prompts/create", strings.NewReader(body))
	if err != nil {
		w.n.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+w.n.key)
	req.Header.Set("Content-Type", "application/json")
	if res, err := http.DefaultClient.Do(req); err == nil {
		if _, err = io.Copy(io.Discard, res.Body); err == nil {
			status = res.StatusCode
		}
		res.Body.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case status == 0:
		w.fate[label] = "unknown"
	case status < 300:
		w.fate[label] = "stored"
	default:
		w.fate[label] = "refused"
	}
	return status
}

// check reads all prompts by their cursor and compares.
func (w *writing) check() {
	t := w.n.t
	t.Helper()
	there, counts := map[string]int{}, map[string]int{}
	for cursor := ""; ; {
		status, body := w.n.request(http.MethodGet, "/v1/prompts/list?size=100&cursor="+url.QueryEscape(cursor), "")
		var page struct {
			Items      []struct{ Label string }
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
			t.Fatalf("list prompts: %d %s", status, body)
		}
		for _, p := range page.Items {
			there[p.Label]++
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for label, fate := range w.fate {
		counts[fate]++
		if n := there[label]; fate == "stored" && n != 1 || fate == "refused" && n != 0 || n > 1 {
			t.Errorf("%s, which was %s, is there %d times", label, fate, n)
		}
		delete(there, label)
	}
	for label := range there {
		if strings.HasPrefix(label, "write ") {
			t.Errorf("%s is there and was never sent", label)
		}
	}
	t.Logf("of %d writes %d were acknowledged, %d refused, %d without an answer", len(w.fate), counts["stored"], counts["refused"], counts["unknown"])
	if len(w.fate) < writes || counts["stored"] < writes*3/4 || counts["refused"] < writes/20 || counts["unknown"] == 0 {
		t.Error("that is not what was to be tried")
	}
}
