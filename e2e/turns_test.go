package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/bench"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/loadgen"
)

// What is reported of turns is what the callers have heard, within 50 ms; the stages sum to
// the silence; and the same turns are counted and sent as spans. `sidetone bench --wire` makes
// 200 such calls.
func TestReportedTurnsAreWhatIsHeard(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 2*time.Minute)
	spans := &collector{names: map[string]int{}}
	web := httptest.NewServer(spans)
	defer web.Close()
	s := start(t, "SIDETONE_TRACES_ENDPOINT="+web.URL, "SIDETONE_TRACES_HEADERS=x-key=a%20key")
	number := s.place(t, client.Agent{Provider: "bench", Model: "60", InitialMessage: "Good morning.", ConversationSpeed: 1, EndpointingSensitivity: "auto",
		EnableDynamicTurns: new(false), AskIfHumanPresentOnIdle: new(false)})
	paced := timing.Start(t)
	const calls = 6
	w, err := bench.WireTruth(ctx, s.api, loadgen.Config{Target: s.sip, Number: number, Calls: calls}, 1)
	if err != nil {
		t.Fatal(err)
	}
	fail := paced.Errorf
	if !w.Run.Counts() {
		fail = func(format string, args ...any) {
			t.Logf("not judged, because the callers were %.1f ms late: "+format, append([]any{w.Run.Lateness.P99}, args...)...)
		}
	}
	// A greeting, an answer that is cut off, its answer that is cut off, and that one's.
	if w.Calls != calls || w.Unlike > 0 || w.Turns != 4*calls || w.BargeIn.Count < calls {
		fail("%d calls and %d turns were compared, %d interruptions, unlike: %q", w.Calls, w.Turns, w.BargeIn.Count, w.Differences)
	}
	if w.Gap.Max > 50 || w.BargeIn.Max > 50 || w.Silence.Max > 50 || w.Off() > 2 {
		fail("gap %+v, barge-in %+v, silence %+v off; %.2f %% of all silence", w.Gap, w.BargeIn, w.Silence, w.Off())
	}
	page, err := s.api.Calls().List(ctx, client.Query{Size: 1})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d calls, %v", len(page.Items), err)
	}
	id := page.Items[0].ID
	out := run(t, ctx, ".", program, "calls", "turns", id, "--url", s.http, "--key", s.key)
	if !strings.Contains(out, "barge-in") || !strings.Contains(out, "unasked") || !strings.Contains(out, "endpoint wait") || !strings.Contains(out, "####") {
		t.Errorf("the table of turns:\n%s", out)
	}
	figures := run(t, ctx, ".", program, "metrics", "--url", s.http, "--key", s.key)
	if !strings.Contains(figures, `sidetone_turn_gap_seconds_count{vendor="local"} `) || !strings.Contains(figures, `sidetone_turn_silence_seconds_count{stage="endpoint_wait"} `) {
		t.Errorf("figures:\n%s", figures)
	}
	trace := strings.ReplaceAll(id, "-", "")
	await(t, ctx, "spans of the last call", func() bool { return spans.has(trace) })
	if problem := spans.problem(); problem != "" {
		t.Error(problem)
	}
}

// collector takes spans as a collector of OpenTelemetry does.
type collector struct {
	mu     sync.Mutex
	wrong  string
	traces []string
	names  map[string]int
}

// ServeHTTP takes the spans of one request.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID string `json:"traceId"`
					Name    string `json:"name"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || json.Unmarshal(body, &m) != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "a key" {
		c.wrong = "request " + r.Method + " " + r.URL.Path + ": " + string(body)
	}
	for _, resource := range m.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.traces = append(c.traces, span.TraceID)
				c.names[span.Name]++
			}
		}
	}
	if strings.Contains(string(body), "+1646") {
		c.wrong = "a span has the number of a caller: " + string(body)
	}
	_, _ = w.Write([]byte("{}"))
}

// has reports whether spans of a trace came.
func (c *collector) has(trace string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.traces {
		if t == trace {
			return c.names["turn"] > 0 && c.names["endpoint_wait"] > 0
		}
	}
	return false
}

func (c *collector) problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong
}
