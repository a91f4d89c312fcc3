package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
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
	// lookTimeout bounds asking one address: it is this machine.
	lookTimeout = 300 * time.Millisecond
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

// find returns the address of a server and its first model; "" when there is none.
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

// ask returns the first model of a server; "" when there is no such server.
func (l *localModels) ask(ctx context.Context, base string) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c := provider.Client{Vendor: "ollama", HTTP: l.http}
	response, err := c.Get(ctx, base+"/models", nil)
	if err != nil {
		return "" // nobody listens there, or somebody else
	}
	defer func() { _ = response.Body.Close() }()
	var list struct {
		Data []struct{ ID string }
	}
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&list) != nil || len(list.Data) == 0 {
		return ""
	}
	return list.Data[0].ID
}
