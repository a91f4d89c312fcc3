package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// baresip calls number for some seconds and returns what it heard. It binds
// its sockets to 127.0.0.1 when asked to; otherwise its session description
// names another interface than the one its sound comes from.
func baresip(t *testing.T, ctx context.Context, codec, target string, bind bool) sound {
	t.Helper()
	heard, _ := baresipCall(t, ctx, codec, target, bind)
	return heard
}

// baresipCall also returns what baresip wrote.
func baresipCall(t *testing.T, ctx context.Context, codec, target string, bind bool) (heard sound, wrote string) {
	t.Helper()
	dir, _ := baresipDir(t, codec, "")
	args := []string{"-4", "-f", dir, "-e", "/dial " + target, "-t", "8"}
	if bind {
		args = append([]string{"-n", "127.0.0.1"}, args...)
	}
	out, problems, err := try(ctx, dir, "baresip", args...)
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatalf("baresip: %v\n%s\n%s", err, tail(out, 2000), tail(problems, 2000))
	}
	return baresipHeard(t, dir, out+problems), out + problems
}

// baresipDir writes what a baresip needs that plays a tone: a codec, with what else its
// account says, and lines of its configuration. Its SIP port is returned; the next is
// that of TLS.
func baresipDir(t *testing.T, codec, config string) (dir string, port int) {
	t.Helper()
	dir = t.TempDir()
	rate := 16000
	if strings.HasPrefix(codec, "PCMU") {
		rate = 8000
	}
	tone := filepath.Join(dir, "tone.wav")
	writeWAV(t, tone, sound{rate, audio.Sine(rate, 20*rate, 440, -12)})
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	port = telephonytest.Ports(t, 50)
	fill := strings.NewReplacer("@SIP@", fmt.Sprint(port), "@WAV@", tone, "@RATE@", fmt.Sprint(rate), "@DIR@", dir, "@CODEC@", codec,
		"@RTP@", fmt.Sprintf("%d-%d", port+4, port+44), "@MODULES@", baresipModules(t))
	writeText(t, filepath.Join(dir, "config"), fill.Replace(readText(t, "testdata/baresip/config"))+config)
	writeText(t, filepath.Join(dir, "accounts"), fill.Replace(readText(t, "testdata/baresip/accounts")))
	return dir, port
}

// baresipHeard is what a baresip that has ended heard; out is what it wrote.
func baresipHeard(t *testing.T, dir, out string) sound {
	t.Helper()
	heard, _ := filepath.Glob(filepath.Join(dir, "out", "dump-*-dec.wav"))
	if len(heard) != 1 {
		t.Fatalf("baresip kept %d files\n%s", len(heard), tail(out, 4000))
	}
	return readWAVFile(t, heard[0])
}

// baresipModules is where the distribution keeps baresip's modules.
func baresipModules(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("baresip's modules are not installed")
	return ""
}

func TestBaresipCalls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, codec, want, suffix string
		bind                      bool
	}{
		{"G.722", "G722/16000/1", "G722", "", true},
		{"PCMU over TCP", "PCMU/8000/1", "PCMU", ";transport=tcp", true},
		{"G.722, other address in SDP", "G722/16000/1", "G722", "", false},
		{"PCMU, other address in SDP", "PCMU/8000/1", "PCMU", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listen(t)
			paced := timing.Start(t)
			ctx := within(t, 90*time.Second)
			s := start(t)
			number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
			heard := baresip(t, ctx, test.codec, "sip:"+number+"@"+s.sip+test.suffix, test.bind)
			c := s.ended(t, ctx, 1)
			if got := codecOf(s.events(t, ctx, c.ID)); got != test.want {
				t.Errorf("codec %q, want %q", got, test.want)
			}
			checkSound(t, ctx, s, c, heard, paced)
			if test.want == "G722" && test.bind {
				checkWords(t, ctx, heard, "ferry", "morning", "island", "leaves", "hour", "office")
			}
		})
	}
}

// checkWords lets the recogniser hear a sound and expects most of the words. It
// mishears what follows on faint noise (docs/adr/0005), so that the agent's
// comfort noise is silenced first.
func checkWords(t *testing.T, ctx context.Context, s sound, words ...string) {
	t.Helper()
	dir := t.TempDir()
	writeWAV(t, filepath.Join(dir, "heard.wav"), silenced(s))
	text, _, err := try(ctx, dir, "pocketsphinx_continuous", "-infile", "heard.wav", "-logfn", "/dev/null")
	if err != nil {
		t.Fatalf("pocketsphinx: %v", err)
	}
	found := 0
	for _, w := range words {
		if strings.Contains(text, w) {
			found++
		}
	}
	t.Logf("understood: %s", strings.ReplaceAll(text, "\n", " | "))
	if found*2 < len(words) {
		t.Errorf("%d of %d words were understood in %q", found, len(words), text)
	}
}

// silenced is s with its blocks of 10 ms that hold nothing but faint noise
// made silent.
func silenced(s sound) sound {
	out := sound{rate: s.rate, pcm: slices.Clone(s.pcm)}
	for block := range slices.Chunk(out.pcm, s.rate/100) {
		if !slices.ContainsFunc(block, func(x int16) bool { return x > 64 || x < -64 }) {
			clear(block)
		}
	}
	return out
}
