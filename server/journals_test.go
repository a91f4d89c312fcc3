package server

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctorLooksAtTheJournals: how much room is left, and what to do when none is.
func TestDoctorLooksAtTheJournals(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Recordings.JournalsMiB = 1
	if f := checkJournals(c); f.Fix != "" || f.Detail != "0 MiB of 1 MiB are used" {
		t.Errorf("nothing yet: %+v", f)
	}
	dir := filepath.Join(c.Data, "recordings")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.journal")
	for size, want := range map[int]string{1000 << 10: "nearly full", 1 << 20: "no journals any more"} {
		if err := os.WriteFile(file, bytes.Repeat([]byte{1}, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if f := checkJournals(c); !strings.Contains(f.Fix, want) || !f.Optional {
			t.Errorf("%d bytes: %+v", size, f)
		}
	}
	c.Recordings.Journals = false
	if f := checkJournals(c); f.Fix != "" || !strings.Contains(f.Detail, "none are kept") {
		t.Errorf("off: %+v", f)
	}
}

// TestJournalsOfAServer: their figures, and a server that keeps none.
func TestJournalsOfAServer(t *testing.T) {
	t.Parallel()
	for kept, want := range map[bool]bool{true: true, false: false} {
		c := testConfig(t)
		c.Recordings.Journals = kept
		r := run(t, c)
		text, err := r.client(r.ready.APIKey).Metrics(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "\nsidetone_journals_limit_bytes 1.073741824e+09\n"); got != want {
			t.Errorf("kept %t: %s", kept, text)
		}
	}
}
