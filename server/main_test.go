package server

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/store/storetest"
)

// TestMain sees to it that no test leaves a goroutine behind, a stopped server
// least of all.
func TestMain(m *testing.M) {
	flag.Bool("live", false, "ask vendors themselves, with their keys; see TestLive")
	code := storetest.Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
