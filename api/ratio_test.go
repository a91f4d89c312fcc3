//go:build bench

package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/store/storetest"
)

// processor is the time this process has used.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perProcessorSecond is how many requests a crowd of clients gets answered for each
// second of this process's time, clients and server together: what a busy machine
// takes away does not count.
func perProcessorSecond(t *testing.T, clients int, d time.Duration, do func() error) float64 {
	t.Helper()
	before, begun := processor(t), time.Now()
	each := rate(t, clients, d, do)
	return each * time.Since(begun).Seconds() / (processor(t) - before).Seconds()
}

// rate is how many requests a second a crowd of clients gets answered.
func rate(t *testing.T, clients int, d time.Duration, do func() error) float64 {
	t.Helper()
	var count atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(begun) < d {
				if err := do(); err != nil {
					t.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds()
}

// asker sends one request again and again over connections that stay open.
func asker(t *testing.T, method, url, key, body string) func() error {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return func() error {
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		res, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if raw, err := io.ReadAll(res.Body); err != nil || res.StatusCode >= 300 {
			return fmt.Errorf("%d %s %w", res.StatusCode, raw, err)
		}
		return nil
	}
}

// TestReadsAgainstAPlainHandler prints how the interface compares with a handler
// that sends the same bytes, turn about in one run. Nothing is limited.
func TestReadsAgainstAPlainHandler(t *testing.T) {
	b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
	number := b.number()
	b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{},"inbound_agent":"`+b.agent(`{"prompt":{"content":"Be kind."}}`)+`"}`).want(201)
	agent := b.agent(`{"prompt":{"content":"Be kind."}}`)
	b.shop.stock(11)
	for range 11 {
		b.do("POST /v1/numbers/update?phone_number="+b.number()[1:], `{"example_context":{},"inbound_agent":"`+agent+`"}`).want(201)
	}
	for name, path := range map[string]string{
		"GET of a number": "/v1/numbers?phone_number=" + number[1:],
		"list of 10":      "/v1/numbers/list?size=10",
	} {
		same := b.do("GET "+path, "").want(200).raw
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(same)))
			_, _ = io.Copy(w, bytes.NewReader(same))
		}))
		defer plain.Close()
		ours, theirs := asker(t, http.MethodGet, b.url+path, b.key, ""), asker(t, http.MethodGet, plain.URL+path, b.key, "")
		var ratios []float64
		for range 7 {
			r := perProcessorSecond(t, 8, 400*time.Millisecond, ours)
			p := perProcessorSecond(t, 8, 400*time.Millisecond, theirs)
			ratios = append(ratios, r/p)
		}
		slices.Sort(ratios)
		t.Logf("%s: %.2f of a plain handler", name, ratios[len(ratios)/2])
	}
}

// TestUpdatesChild is no test but the server process whose syncs
// TestUpdatesShareSyncs counts.
func TestUpdatesChild(t *testing.T) {
	url := os.Getenv("SIDETONE_TEST_UPDATES")
	if url == "" {
		return
	}
	b := newBench(t, storetest.Open(t, url, nil))
	number := b.number()
	update := asker(t, http.MethodPost, b.url+"/v1/numbers/update?phone_number="+number[1:], b.key, `{"example_context":{}}`)
	_, _ = os.Stat("/counting begins") // shows up in the trace
	got := rate(t, 32, 3*time.Second, update)
	_, _ = os.Stat("/counting ends")
	fmt.Printf("updates %d\n", int(got*3))
}

// TestUpdatesShareSyncs counts acknowledged updates and the syncs they took.
func TestUpdatesShareSyncs(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-e", "trace=fsync,fdatasync,newfstatat", "-o", trace, os.Args[0], "-test.run=^TestUpdatesChild$")
	cmd.Env = append(os.Environ(), "SIDETONE_TEST_UPDATES="+storetest.SQLite(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "/counting begins")
	during, _, ok := strings.Cut(after, "/counting ends")
	found := regexp.MustCompile(`updates (\d+)`).FindStringSubmatch(string(out))
	if !ok || found == nil {
		t.Fatalf("no count in %s", out)
	}
	updates, _ := strconv.Atoi(found[1])
	syncs := len(regexp.MustCompile(`(?m)(fsync|fdatasync)\(`).FindAllString(during, -1))
	t.Logf("%d updates, %d syncs: %.1f for each", updates, syncs, float64(updates)/float64(max(syncs, 1)))
	if syncs == 0 || updates < 4*syncs {
		t.Errorf("%d updates took %d syncs", updates, syncs)
	}
}
