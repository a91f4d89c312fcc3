// Package processtest writes the scripts that stand in for programs in tests.
package processtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Script writes a shell script of the given body and file name into a new
// directory of the test and returns its path, ready to be run at once. It may
// be called from tests that run in parallel.
//
// No process of this program starts while the file is open: a child made in
// that moment would hold it open for writing until it runs its own program,
// and Linux refuses to run a file that somebody may write
// ("text file busy", https://go.dev/issue/22315).
func Script(t testing.TB, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := write(path, "#!/bin/sh\n"+body+"\n"); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(path, text string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, []byte(text), 0o700)
}
