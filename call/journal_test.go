package call_test

import (
	"context"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/llm/llmtest"
)

// memoryJournals keeps the journals of a world's calls. Each of them is replayed when
// the world stops, so that every test of calls is one of the journal, too.
type memoryJournals struct {
	mu   sync.Mutex
	all  []*memoryJournal
	dead map[string]string // the journals of calls whose process died
}

// Begin implements call.Journals.
func (m *memoryJournals) Begin(_ string, h journal.Header) call.Journal {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := &memoryJournal{}
	if j.text, j.err = journal.AppendHeader(nil, h); j.err != nil {
		return j
	}
	m.all = append(m.all, j)
	return j
}

// Resume implements call.Journals.
func (m *memoryJournals) Resume(_ context.Context, _, callID string) (journal.Past, call.Journal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.dead[callID]
	if !ok {
		return journal.Past{}, nil, fs.ErrNotExist
	}
	read, err := journal.Read([]byte(text))
	if err != nil {
		return journal.Past{}, nil, err
	}
	past, err := read.Past()
	if err != nil {
		return past, nil, err
	}
	j := &memoryJournal{text: append([]byte(text), past.Missing...), w: past.Writer}
	m.all = append(m.all, j)
	return past, j, nil
}

// texts are the journals.
func (m *memoryJournals) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, j := range m.all {
		j.mu.Lock()
		out = append(out, string(j.text))
		j.mu.Unlock()
	}
	return out
}

// replay fails the test unless every journal gives the outputs of its call.
func (m *memoryJournals) replay(t *testing.T) {
	t.Helper()
	for i, text := range m.texts() {
		if err := m.all[i].err; err != nil {
			t.Errorf("journal %d: %v", i, err)
		}
		j, err := journal.Read([]byte(text))
		if err != nil {
			if strings.Count(text, "\n") > 2 { // a call that was over before its first input has nothing to replay
				t.Errorf("journal %d: %v\n%s", i, err, text)
			}
			continue
		}
		if _, err := j.Replay(); err != nil {
			t.Errorf("journal %d: %v\n%s", i, err, text)
		}
	}
}

type memoryJournal struct {
	mu      sync.Mutex
	w       journal.Writer
	text    []byte
	scratch []byte
	err     error
}

// Input implements call.Journal.
func (j *memoryJournal) Input(at time.Duration, in conversation.Input) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	if j.text, err = j.w.Input(j.text, at, in); err != nil {
		j.err = err
	}
}

// Outputs implements call.Journal.
func (j *memoryJournal) Outputs(outs []conversation.Output) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	if j.text, j.scratch, err = j.w.Outputs(j.text, j.scratch, outs); err != nil {
		j.err = err
	}
}

// Comment implements call.Journal.
func (j *memoryJournal) Comment(at time.Duration, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = j.w.Comment(j.text, at, text)
}

// Commit implements call.Journal.
func (*memoryJournal) Commit(context.Context) error { return nil }

// End implements call.Journal.
func (j *memoryJournal) End(at time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = j.w.End(j.text, at)
}

// TestJournalOfACall has what the call was made of, and none of its secrets.
func TestJournalOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-8731"
		w := newWorld(t, func(w *world, _ *call.Config) {
			w.snapshot.Agent.InitialMessage = "Hello, this is the clinic."
			w.snapshot.Agent.ContextEndpoint = "https://example.com/context?token=" + canary
			w.snapshot.Agent.Extra = []byte(`{"transcriber":{"api_key":"` + canary + `"}}`)
			w.snapshot.Voice.APIKey = canary
			w.snapshot.Actions = []sidetone.Action{{SignatureSecret: canary, Config: []byte(`{"headers":{"Authorization":"` + canary + `"}}`)}}
			w.snapshot.Webhook = &sidetone.Webhook{URL: "https://example.com/" + canary}
			w.snapshot.ModelAccount = &sidetone.Connection{Credentials: canary}
			w.ears.Queue("are you open")
			w.model.Queue(llmtest.Say("yes we are"))
		})
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(4 * time.Second)
		far.Speak(speech(800 * time.Millisecond))
		time.Sleep(5 * time.Second)
		far.Hangup()
		r, _ := w.result()
		texts := w.journals.texts()
		if len(texts) != 1 || strings.Contains(texts[0], canary) {
			t.Fatalf("%d journals:\n%s", len(texts), strings.Join(texts, "\n"))
		}
		j, err := journal.Read([]byte(texts[0]))
		if err != nil || j.Ending != journal.Whole {
			t.Fatalf("%+v, %v", j, err)
		}
		h := j.Header
		if h.Build != "test" || h.Tables != conversation.TablesVersion() || h.Config.Greeting != "Hello, this is the clinic." || !strings.Contains(string(h.Agent), "Be brief, ${name}.") {
			t.Errorf("header: %+v, agent %s", h, h.Agent)
		}
		if !strings.Contains(r.Transcript, "yes we are") || !strings.Contains(texts[0], `model text 2 "yes`) || !strings.Contains(texts[0], "# ") {
			t.Errorf("transcript %s\njournal %s", r.Transcript, texts[0])
		}
	})
}

// TestCallsThatKeepNoText have no journal.
func TestCallsThatKeepNoText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world, _ *call.Config) { w.echo = true })
		defer w.stop()
		far := w.ring()
		<-far.Answered()
		time.Sleep(time.Second)
		far.Hangup()
		w.result()
		if got := w.journals.texts(); len(got) != 0 {
			t.Errorf("an echo has %d journals", len(got))
		}
	})
}
