package api

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
)

// Bounds of the answers in memory, in bytes: of all, and of one; and what one
// takes besides its texts.
const (
	maxKept       = 4 << 20
	maxKeptAnswer = 64 << 10
	keptOverhead  = 256
)

// maxAsked is how many of the last questions are known to have been asked.
const maxAsked = 1 << 10

// question is what an answer about the configuration depends on besides the
// configuration itself.
type question struct{ operation, query, profile, account string }

// keep says where an answer that is being made can be kept.
type keep struct {
	environmentID string
	// version is the configuration's from before the answer was made: the answer
	// shows that one or a later one.
	version  int64
	question question
}

// memory holds rendered answers, each for as long as nothing changes in the
// configuration that it shows. Only what is asked a second time is kept: what is
// never asked again would cost more than it saves. Its methods may be called
// concurrently.
type memory struct {
	seed maphash.Seed

	mu           sync.RWMutex
	environments map[string]edition
	bytes        int
	// asked are hashes of questions by their remainder.
	asked [maxAsked]uint64
}

func newMemory() *memory { return &memory{seed: maphash.MakeSeed()} }

// edition is the answers that show one version of a configuration.
type edition struct {
	version int64
	answers map[question][]byte
	bytes   int
}

// get returns the answer, nil for none. It must not be modified.
func (m *memory) get(at keep) []byte {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.environments[at.environmentID]
	if e.version != at.version {
		return nil
	}
	return e.answers[at.question]
}

// put keeps a copy of the answer if it was put before, unless it is large or a
// newer version of the configuration is known. When memory is full everything is
// forgotten.
func (m *memory) put(at keep, answer []byte) {
	size := len(answer) + len(at.question.query) + keptOverhead
	if size > maxKeptAnswer {
		return
	}
	hash := maphash.Comparable(m.seed, at)
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked := &m.asked[hash%maxAsked]; *asked != hash {
		*asked = hash
		return
	}
	at.question.query = strings.Clone(at.question.query) // it is a part of the request's first line
	e, known := m.environments[at.environmentID]
	if known && e.version > at.version {
		return
	}
	if m.bytes+size > maxKept {
		m.environments, m.bytes = nil, 0
		e, known = edition{}, false
	}
	if !known || e.version < at.version {
		m.bytes -= e.bytes
		e = edition{version: at.version, answers: map[question][]byte{}}
	}
	if _, twice := e.answers[at.question]; !twice {
		e.answers[at.question] = bytes.Clone(answer)
		e.bytes += size
		m.bytes += size
	}
	if m.environments == nil {
		m.environments = map[string]edition{}
	}
	m.environments[at.environmentID] = e
}

// remember looks for the answer to a request that passed authentication, nil for
// none; then it notes where that can be kept. Answers with secrets in clear are
// never kept, and none is where other nodes change the configuration too.
func (s *server) remember(r *request, route route) []byte {
	if !route.kept || r.view.secrets || route.permit(r.who) != nil {
		return nil
	}
	version, ok, err := s.Store.Configuration(r.ctx, r.who.EnvironmentID)
	if !ok || err != nil {
		return nil
	}
	r.keep = &keep{r.who.EnvironmentID, version, question{
		operation: route.operation.id, query: r.URL.RawQuery, profile: r.view.profile.name, account: r.who.AccountID,
	}}
	return s.memory.get(*r.keep)
}

// finish writes the answer and keeps it where that was found possible.
func (s *server) finish(w http.ResponseWriter, r *request, status int, body any) error {
	return s.encoded(body, func(b []byte) {
		if r.keep != nil {
			s.memory.put(*r.keep, b)
		}
		s.writeEncoded(w, r.Request, status, b)
	})
}
