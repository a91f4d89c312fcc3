package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/openaispeech"
	"github.com/sidetone/sidetone/standin/speech"
)

// handshake is how much longer it takes to connect to a vendor than to ask it.
const handshake = 300 * time.Millisecond

// distant returns an address of a server of which new connections are slow, such as
// handshakes with a distant one are.
func distant(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { carry(near, address) })
		}
	})
	return listener.Addr().String()
}

// carry joins a connection to an address, late.
func carry(near net.Conn, address string) {
	defer func() { _ = near.Close() }()
	<-time.After(handshake)
	far, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
	_ = far.Close()
	back.Wait()
}

// The first turn of the first call waits for vendors no longer than the second: their
// connections, with TLS, are open before.
func TestFirstTurnWaitsForNoHandshake(t *testing.T) {
	listen(t)
	vendors := map[string]http.Handler{
		"openai": func() http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/v1/audio/speech", openaispeech.New(speech.Options{Control: &standin.Control{}, Key: vendorKey}))
			mux.Handle("/", openai.New(openai.Options{Control: &standin.Control{}, Key: vendorKey, Model: clerk{}}))
			return mux
		}(),
		"elevenlabs": elevenlabs.New(speech.Options{Control: &standin.Control{}, Key: vendorKey}),
		"deepgram":   deepgram.New(deepgram.Options{Control: &standin.Control{}, Key: vendorKey, Ears: hearing.ToneWords}),
	}
	roots, err := os.Create(filepath.Join(t.TempDir(), "roots.pem"))
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SIDETONE_OUTBOUND_CA_FILE=" + roots.Name(), "SIDETONE_CALLS_ANSWER_AFTER=1s"}
	for vendor, h := range vendors {
		s, err := standin.Start("127.0.0.1:0", h, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if _, err := roots.Write(s.CA); err != nil {
			t.Fatal(err)
		}
		base := "https://" + distant(t, strings.TrimPrefix(s.URL, "https://"))
		if vendor == "openai" {
			base += "/v1"
		}
		prefix := "SIDETONE_PROVIDERS_" + strings.ToUpper(vendor)
		env = append(env, prefix+"_BASE_URL="+base, prefix+"_API_KEY="+vendorKey)
	}
	if err := roots.Close(); err != nil {
		t.Fatal(err)
	}
	for _, voice := range []string{"openai", "elevenlabs"} {
		t.Run(voice, func(t *testing.T) {
			paced := timing.Start(t)
			s := start(t, env...) // which has no connection yet
			ctx := within(t, 90*time.Second)
			number := s.placeJSON(t, trio{"nova", "openai", voice}.agent())
			v := s.ring(t, ctx, number, []softphone.Line{toneLine("what is the price", 0), toneLine("stop it now please", 0)}...)
			var turns []map[string]float64
			for _, e := range v.events {
				if e.Type == "turn" {
					figures := map[string]float64{}
					for name, value := range e.Data {
						if n, ok := value.(float64); ok {
							figures[name] = n
						}
					}
					turns = append(turns, figures)
				}
			}
			if len(turns) < 2 {
				v.log(t)
				t.Fatalf("%d turns", len(turns))
			}
			for i, f := range turns[:2] {
				model, sound := f["model_first_ms"]-f["commit_ms"], f["gap_ms"]-f["say_ms"]
				t.Logf("turn %d: first text %.0f ms after commit, sound %.0f ms after the voice was asked, %.0f ms after commit", i+1, model, sound, f["gap_ms"]-f["commit_ms"])
				if limit := float64(handshake.Milliseconds()); model >= limit || sound >= limit {
					paced.Errorf("turn %d waited for a handshake of %v", i+1, handshake)
				}
			}
		})
	}
}
