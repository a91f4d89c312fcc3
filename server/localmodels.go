package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/provider"
)

const (
	// autoModel as the model of an agent or of defaults.model means a model server on this
	// machine.
	autoModel = "auto"
	// lookEvery is for how long what was found, or not, counts.
	lookEvery = 30 * time.Second
	// lookTimeout bounds asking one address for its list: it is this machine.
	// askTimeout bounds asking then which of them can talk.
	lookTimeout = 300 * time.Millisecond
	askTimeout  = time.Second
)

// localModels finds a model server on this machine that speaks OpenAI's protocol. The
// zero value finds nothing; it is safe for concurrent use.
type localModels struct {
	// bases are where to look: those of Ollama and llama.cpp.
	bases []string
	http  *http.Client

	mu          sync.Mutex
	looked      time.Time
	base, model string
}

// localBases are where Ollama and llama.cpp listen unless they are told otherwise.
func localBases() []string { return []string{"http://127.0.0.1:11434/v1", "http://127.0.0.1:8080/v1"} }

// find returns the address of a server and its first model that can talk; "" when there
// is none.
func (l *localModels) find(ctx context.Context) (base, model string) {
	if l == nil {
		return "", ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.looked.IsZero() && time.Since(l.looked) < lookEvery {
		return l.base, l.model
	}
	l.looked, l.base, l.model = time.Now(), "", ""
	for _, base := range l.bases {
		if model := l.ask(ctx, base); model != "" {
			l.base, l.model = base, model
			break
		}
	}
	return l.base, l.model
}

// ask returns the first model of a server that can talk; "" when there is no such
// server.
func (l *localModels) ask(ctx context.Context, base string) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c := provider.Client{Vendor: "ollama", HTTP: l.http}
	response, err := c.Get(ctx, base+"/models", nil)
	if err != nil {
		return "" // nobody listens there, or somebody else
	}
	var list struct {
		Data []struct{ ID string }
	}
	defer func() { _ = response.Body.Close() }()
	if decode(response.Body, &list) != nil {
		return ""
	}
	return l.talker(context.WithoutCancel(ctx), base, list.Data)
}

// talker is the first of models that can talk, as far as can be told: Ollama says what
// each can do, others tell by the name.
func (l *localModels) talker(ctx context.Context, base string, models []struct{ ID string }) string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, m := range models {
		able, known := l.capabilities(ctx, base, m.ID)
		if slices.Contains(able, "completion") || !known && !nameHas(m.ID, "embed", "rerank", "bge-", "minilm", "e5-", "gte-") {
			return m.ID
		}
	}
	return ""
}

// capabilities asks Ollama what a model can do; false where nobody says, see
// https://docs.ollama.com/api#show-model-information.
func (l *localModels) capabilities(ctx context.Context, base, model string) ([]string, bool) {
	c := provider.Client{Vendor: "ollama", HTTP: l.http}
	body, err := json.Marshal(map[string]string{"model": model})
	if err != nil {
		return nil, false
	}
	response, err := c.Post(ctx, strings.TrimSuffix(base, "/v1")+"/api/show", "application/json", nil, body)
	if err != nil {
		return nil, false // another server than Ollama
	}
	defer func() { _ = response.Body.Close() }()
	var shown struct{ Capabilities []string }
	err = decode(response.Body, &shown)
	return shown.Capabilities, err == nil && len(shown.Capabilities) > 0
}

// nameHas says that a name has one of parts in it.
func nameHas(name string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
}

// decode reads a JSON answer of at most 1 MiB.
func decode(body io.Reader, into any) error {
	return json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(into) //nolint:wrapcheck // nobody sees it
}
