package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts of testdata/scripts run the program as a user would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/scripts",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready, "term": term},
	})
}

// ready waits for a ready file and puts its members into $HTTPADDR and $SIP.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil {
			var told map[string]string
			ts.Check(json.Unmarshal(raw, &told))
			ts.Setenv("HTTPADDR", strings.TrimPrefix(told["http"], "http://"))
			ts.Setenv("SIP", told["sip"])
			ts.Setenv("SIDETONE_URL", told["http"])
			ts.Setenv("SIDETONE_API_KEY", told["api_key"])
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s did not come", args[0])
		case <-tick.C:
		}
	}
}

// term sends TERM to the process that a lock file names; kill knows only INT
// and KILL.
func term(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: term LOCKFILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}
