package server

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/recording/journals"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/vault"
)

// openJournals opens the journals of calls, unless none are to be kept, and shows them
// among the figures.
func (s *server) openJournals() (err error) {
	ended := s.figures.Counter("sidetone_journals_incomplete_total", "Calls that went on without a journal, by why.", "reason")
	if !s.config.Recordings.Journals {
		return nil
	}
	keys := &journalKeys{store: s.store, known: map[string]vault.Key{}}
	s.journals, err = journals.New(journals.Config{Dir: s.disk.Dir(), Most: s.config.Recordings.JournalsMiB << 20, Key: keys.get,
		Ended: func(why string) { ended.Add(1, why) }, Log: s.log})
	if err != nil {
		return err
	}
	s.figures.Gauge("sidetone_journals_bytes", "Bytes of the journals of all calls.", func() float64 { return float64(s.journals.Stored()) })
	s.figures.Gauge("sidetone_journals_limit_bytes", "Bytes that they may have (recordings.journals_mib).", func() float64 { return float64(s.journals.Most()) })
	return nil
}

func (s *server) closeJournals() error {
	if s.journals == nil {
		return nil
	}
	return s.journals.Close()
}

// callJournals are the journals for calls; nil when none are kept.
func (s *server) callJournals() call.Journals {
	if s.journals == nil {
		return nil
	}
	return callJournals{s.journals}
}

// apiJournals are the journals for the API; nil when none are kept.
func (s *server) apiJournals() api.Journals {
	if s.journals == nil {
		return nil
	}
	return s.journals
}

// callJournals implements call.Journals.
type callJournals struct{ book *journals.Book }

// Begin implements call.Journals.
func (c callJournals) Begin(environmentID string, h journal.Header) call.Journal {
	if j := c.book.Begin(environmentID, h); j != nil {
		return j
	}
	return nil
}

// Resume implements call.Journals.
func (c callJournals) Resume(ctx context.Context, environmentID, callID string) (journal.Past, call.Journal, error) {
	past, j, err := c.book.Resume(ctx, environmentID, callID)
	if j == nil {
		return past, nil, err
	}
	return past, j, err
}

// journalKeys holds the keys of environments' journals, which never change, in memory.
type journalKeys struct {
	store *store.Store
	mu    sync.Mutex
	known map[string]vault.Key
}

// get returns the key of an environment.
func (k *journalKeys) get(ctx context.Context, environmentID string) (vault.Key, error) {
	k.mu.Lock()
	key, ok := k.known[environmentID]
	k.mu.Unlock()
	if ok {
		return key, nil
	}
	key, err := k.store.JournalKey(ctx, environmentID)
	if err != nil {
		return key, err
	}
	k.mu.Lock()
	k.known[environmentID] = key
	k.mu.Unlock()
	return key, nil
}

// checkJournals looks how much room the journals have left.
func checkJournals(c Config) Finding {
	f := Finding{Name: "journals", Optional: true}
	if !c.Recordings.Journals {
		f.Detail = "none are kept (recordings.journals: false)"
		return f
	}
	size, err := journals.Size(filepath.Join(c.Data, "recordings"))
	if err != nil {
		f.Detail, f.Fix = err.Error(), "give this user the right to read there"
		return f
	}
	const mib = 1 << 20
	f.Detail = fmt.Sprintf("%d MiB of %d MiB are used", size/mib, c.Recordings.JournalsMiB)
	switch most := c.Recordings.JournalsMiB * mib; {
	case size >= most:
		f.Fix = "calls have no journals any more: remove old *.journal files in " + filepath.Join(c.Data, "recordings") + ", or raise recordings.journals_mib"
	case size >= most/10*9:
		f.Fix = "they are nearly full: remove old *.journal files in " + filepath.Join(c.Data, "recordings") + ", or raise recordings.journals_mib"
	}
	return f
}
