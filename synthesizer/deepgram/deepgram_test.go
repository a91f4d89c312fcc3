package deepgram_test

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/standin"
	standpkg "github.com/sidetone/sidetone/standin/deepgramspeak"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/synthesizer/deepgram"
	"github.com/sidetone/sidetone/synthesizer/synthesizertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is for a stand-in of the vendor, which is started with it.
func client(t *testing.T, pace time.Duration) (*provider.Client, string, *standin.Control) {
	t.Helper()
	control := &standin.Control{}
	server := standpkg.New(speech.Options{Control: control, Key: synthesizertest.Key, Pace: pace})
	c, base := synthesizertest.Serve(t, "deepgram", func(h http.Header) { h.Set("Authorization", "Token "+synthesizertest.Key) }, server)
	return c, base, control
}

func TestConformance(t *testing.T) {
	t.Parallel()
	synthesizertest.RunVendor(t, func(t *testing.T, patience time.Duration) synthesizertest.Vendor {
		c, base, control := client(t, 0)
		return synthesizertest.Vendor{Driver: deepgram.New(deepgram.Options{Client: c, Base: base, Patience: patience}), Control: control, WordTimes: false, Socket: true, InBand: provider.Rejected}
	})
}
