//go:build bench

package faults

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/journal"
	"github.com/sidetone/sidetone/journal/journaltest"
	"github.com/sidetone/sidetone/recording/journals"
	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/vault"
)

const (
	// replayedCalls of callLength each are replayed by one command, on two cores, in at
	// most replayedWithin.
	replayedCalls  = 5000
	callLength     = 5 * time.Minute
	replayedWithin = 5 * time.Minute
)

// TestReplayAll measures how long `sidetone replay --all` takes for many long calls, whose
// journals lie sealed at a server. Both work on the same two cores.
func TestReplayAll(t *testing.T) {
	n := serve(t, "recordings: {journals_mib: 4096}")
	me, err := n.api.WhoAmI(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.signal(syscall.SIGINT)
	if !n.ended(20 * time.Second) {
		t.Fatal("the server does not end")
	}
	began := time.Now()
	size, inputs := fillJournals(t, n.data(), me.Environment.ID)
	t.Logf("%d journals made in %s: %d inputs and %.1f KiB a call", replayedCalls, time.Since(began).Round(time.Second), inputs, float64(size)/1024/replayedCalls)
	n.start()
	began = time.Now()
	cmd := exec.CommandContext(t.Context(), os.Getenv(binaryVariable), "replay", "--all", "--since", "7d")
	cmd.Env = append(os.Environ(), "SIDETONE_URL="+n.ready.HTTP, "SIDETONE_API_KEY="+n.key, "GOMAXPROCS=2")
	out, err := cmd.Output()
	took := time.Since(began)
	if want := fmt.Sprintf("%d of %d calls were replayed, all of them exactly", replayedCalls, replayedCalls); err != nil || !strings.Contains(string(out), want) {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	t.Logf("replay --all: %d calls of %s in %.1f s on %d cores, %.0f calls a minute; %s of processor time in the command",
		replayedCalls, callLength, took.Seconds(), runtime.NumCPU(), replayedCalls/took.Minutes(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if took > replayedWithin {
		t.Errorf("it took %s, want %s at most", took, replayedWithin)
	}
}

// fillJournals puts ended calls and their journals into a data directory whose server is not
// running. It returns how many bytes the journals have, and how many inputs one of them.
func fillJournals(t *testing.T, data, environment string) (size int64, inputs int) {
	t.Helper()
	var c server.Config
	c.Data = data
	masters := func() (vault.Masters, error) {
		text, err := os.ReadFile(c.MasterKeyFile())
		if err != nil {
			return nil, err
		}
		return vault.ParseMasters(string(text))
	}
	s, err := store.Open(t.Context(), store.Config{URL: c.StoreURL(), Masters: masters, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids := insertCalls(t, s, environment)
	dir := filepath.Join(data, "recordings")
	book, err := journals.New(journals.Config{Dir: dir, Most: 4 << 30, Log: slog.New(slog.DiscardHandler),
		Key: func(ctx context.Context, id string) (vault.Key, error) { return s.JournalKey(ctx, id) }})
	if err != nil {
		t.Fatal(err)
	}
	cfg, entries := journaltest.Call(callLength)
	for _, id := range ids {
		j := book.Begin(environment, journal.Header{Call: id, Seed: id, Began: time.Now(), Build: "bench", Tables: conversation.TablesVersion(), Config: cfg})
		if j == nil {
			t.Fatal("there is no room for journals")
		}
		m := conversation.New(cfg)
		for i, e := range entries {
			j.Input(e.At, e.In)
			j.Outputs(m.Step(e.At, e.In))
			if i == len(entries)/2 { // written in parts, as in a live call, and so compressed at its end
				if _, err := book.Text(t.Context(), environment, id); err != nil {
					t.Fatal(err)
				}
			}
		}
		j.End(callLength)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	if size, err = journals.Size(dir); err != nil {
		t.Fatal(err)
	}
	return size, len(entries)
}

// insertCalls puts ended calls into a database and returns their ids.
func insertCalls(t *testing.T, s *store.Store, environment string) []string {
	t.Helper()
	var ids []string
	now := time.Now().UTC()
	for len(ids) < replayedCalls {
		err := s.Write(t.Context(), environment, func(tx *store.Tx) error {
			for range 500 {
				id := fmt.Sprintf("bench-%05d", len(ids))
				began := now.Add(-time.Duration(len(ids)) * time.Minute)
				if err := tx.InsertCall(sidetone.Call{ID: id, EnvironmentID: environment, Status: sidetone.CallEnded, Outcome: "completed", Created: began,
					Started: began, Ended: began.Add(callLength), Context: []byte("{}"), Params: []byte("{}")}); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}
