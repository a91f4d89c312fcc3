package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
)

// talkative is a vendor that refuses everything and shows each key it was given in
// whatever it says.
type talkative struct {
	mu    sync.Mutex
	asked map[string]int // how often each key came
	turn  int
}

func (v *talkative) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	shown := r.URL.RawQuery
	for _, values := range r.Header {
		shown += " " + strings.Join(values, " ")
	}
	_, rest, _ := strings.Cut(shown, "canary")
	key := "canary" + rest[:min(len(rest), len("000QwErTyUiOpAsDfG"))]
	v.mu.Lock()
	v.asked[key]++
	v.turn++
	turn := v.turn
	v.mu.Unlock()
	text := "Incorrect API key provided: " + key
	said, _ := json.Marshal(map[string]any{"type": "error", "message": text, "err_msg": text, "detail": map[string]any{"message": text, "status": text},
		"error": map[string]any{"message": text, "type": text, "code": text, "status": text}, "title": text, "code": 1000, "id": text, "request_id": text})
	if r.Header.Get("Upgrade") != "" && turn%2 == 0 {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, said) // it may have left
		_ = conn.Close(4001, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "req "+key)
	w.Header().Set("Request-Id", "req "+key)
	w.Header().Set("Retry-After", key)
	w.WriteHeader([]int{http.StatusUnauthorized, http.StatusInternalServerError, http.StatusBadRequest, http.StatusTooManyRequests}[turn/2%4])
	_, _ = w.Write(said)
}

// came says how often a key was shown to the vendor.
func (v *talkative) came(key string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked[key]
}

// TestNoVendorTellsItsKey: a vendor that repeats our key in its errors tells it to
// nobody, by whichever driver.
func TestNoVendorTellsItsKey(t *testing.T) {
	t.Parallel()
	vendor := &talkative{asked: map[string]int{}}
	address := httptest.NewServer(vendor)
	t.Cleanup(address.Close)
	config := testConfig(t)
	config.Log.Level = "debug"
	config.Outbound.Allow = []string{"127.0.0.1"}
	config.Calls.Offline = 16 // the calls go over to the offline recogniser
	config.Providers = map[string]ProviderConfig{}
	w := &canaryWorld{t: t, used: &used{with: map[string]bool{}}}
	servers := map[string]string{}
	for _, s := range suppliers() {
		key := w.canary()
		servers[s.name] = key
		config.Providers[s.name] = ProviderConfig{APIKey: sidetone.Secret(key), BaseURL: address.URL, Region: "westeurope"}
	}
	w.config = config
	w.server = runWith(t, config, Options{})
	w.key = w.server.ready.APIKey
	w.callVendors()
	for name, key := range servers {
		if _, thinks := models()[name]; !thinks && name != "harness" && vendor.came(key) == 0 {
			t.Errorf("the key of %s was not shown to it", name)
		}
	}
	for _, s := range suppliers() {
		if s.name == "harness" {
			continue // nobody who could be asked without a call
		}
		key := w.canary()
		id := w.create("account_connections/create", fmt.Sprintf(`{"type":%q,"credentials":{%q:%q},"config":{"base_url":%q,"model":"m","deployment":"d"}}`, s.account, s.name+"_api_key", key, address.URL))
		for range 4 { // other statuses
			said, err := json.Marshal(w.ask(http.MethodPost, "/v1/account_connections/test?id="+id, ""))
			if err != nil {
				t.Fatal(err)
			}
			w.answers.Write(said)
		}
		if vendor.came(key) == 0 {
			t.Errorf("the test of %s did not show the key", s.name)
		}
	}
	for _, path := range []string{"calls", "account_connections", "agents", "audit_log"} {
		w.ask(http.MethodGet, "/v1/"+path+"/list?size=100", "")
	}
	w.answers.WriteString(w.get("/metrics"))
	w.wantNowhere(map[string][]byte{})
	w.server.end()
	w.wantNowhere(map[string][]byte{})
}

// callVendors lets agents of all vendors take a call.
func (w *canaryWorld) callVendors() {
	w.t.Helper()
	listeners := []string{"transcriber_deepgram", "transcriber_assembly_ai", "transcriber_openai", "transcriber_whisper"}
	speakers := []string{"voice_eleven_labs", "voice_openai", "voice_deepgram", "voice_cartesia", "voice_azure", "voice_rime", "voice_kokoro"}
	models := []string{"openai", "anthropic", "google", "deepseek", "togetherai", "openrouter", "ollama", "azure_llm"}
	var calls sync.WaitGroup
	for i, model := range models {
		agent := w.create("agents/create", fmt.Sprintf(`{"prompt":{"content":"Be kind."},"provider":%q,"model":"m","transcriber":{"type":%q},"voice":{"type":%q,"voice_id":"v","voice_name":"v","speaker":"v"},"initial_message":"Hello."}`,
			model, listeners[i%len(listeners)], speakers[i%len(speakers)]))
		number, _ := w.ask(http.MethodPost, "/v1/numbers/buy", `{"inbound_agent":"`+agent+`"}`)["number"].(string)
		caller := newPerson(w.t, w.server.ready.SIP)
		caller.phone.Length = 12 * time.Second
		calls.Go(func() {
			if _, err := caller.phone.Call(w.t.Context(), telephony.DialRequest{From: theirNumber, To: number, Trunk: "server"}); err != nil {
				w.t.Errorf("call %q: %v", number, err)
			}
		})
	}
	calls.Wait()
	page, _ := w.ask(http.MethodGet, "/v1/calls/list?size=100", "")["items"].([]any)
	if len(page) != len(models) {
		w.t.Errorf("%d calls were taken of %d", len(page), len(models))
	}
	for _, one := range page {
		c, _ := one.(map[string]any)
		id, _ := c["id"].(string)
		for c["status"] != "ended" && c["status"] != "error" && w.t.Context().Err() == nil {
			c = w.ask(http.MethodGet, "/v1/calls?id="+id, "")
		}
		w.answers.WriteString(w.get("/v1/calls/" + id + "/events"))
	}
}
