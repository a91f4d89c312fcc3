package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

// A call's recording comes as MP3, made by lame and decoded by ffmpeg: as long
// as the WAV, with the same sound on the same side; and in ranges of either.
func TestRecordingAsMP3(t *testing.T) {
	t.Parallel()
	listen(t)
	ctx := within(t, 90*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: "Good morning, this is the ferry office. We are open all day."})
	whistle := filepath.Join(t.TempDir(), "whistle.wav")
	writeWAV(t, whistle, whistled(8000, 600, 2*time.Second))
	run(t, ctx, ".", program, "call", "--server", s.sip, "--codec", "PCMU", "--deaf", "--wav", whistle, "--wait", "2s", number)
	id := s.ended(t, ctx, 1).ID
	caller, agent := s.recording(t, ctx, id)

	dir := t.TempDir()
	file := filepath.Join(dir, "call.mp3")
	run(t, ctx, ".", program, "calls", "recording", id, "--format", "mp3", "-f", file, "--url", s.http, "--key", s.key)
	decoded := filepath.Join(dir, "decoded.wav")
	run(t, ctx, dir, "ffmpeg", "-v", "error", "-i", file, "-c:a", "pcm_s16le", decoded)
	raw, err := os.ReadFile(decoded)
	if err != nil {
		t.Fatal(err)
	}
	sides := readWAV(t, raw)
	if len(sides) != 2 {
		t.Fatalf("the MP3 has %d channels", len(sides))
	}
	for name, side := range map[string]struct{ mp3, wav sound }{"caller": {sides[0], caller}, "agent": {sides[1], agent}} {
		if a, b := side.mp3.seconds(), side.wav.seconds(); math.Abs(a-b) > 0.25 { // lame's own delay and its last frame
			t.Errorf("%s: the MP3 is %.3f s long, the WAV %.3f s", name, a, b)
		}
		best := 0.0
		for shift := -12; shift <= 12; shift++ {
			best = max(best, correlation(side.wav.envelope(), side.mp3.envelope(), shift))
		}
		if best < 0.9 {
			t.Errorf("%s: MP3 and WAV are alike by %.2f", name, best)
		}
	}
	if own, other := sides[0].tone(600), sides[1].tone(600); own < 1.8 || own > 2.2 || other > 0.1 {
		t.Errorf("the whistle of 2 s lasts %.2f s in the caller's channel and %.2f s in the agent's", own, other)
	}
	for _, form := range []string{client.MP3, client.WAV} {
		s.inRanges(t, ctx, id, form)
	}
}

// inRanges asks for parts of a recording and compares them with the whole.
func (s *server) inRanges(t *testing.T, ctx context.Context, id, form string) {
	t.Helper()
	whole, _ := s.part(t, ctx, id, form, "", http.StatusOK)
	n := len(whole)
	for asked, want := range map[string][2]int{
		"bytes=0-99": {0, 100}, "bytes=1000-1999": {1000, 2000}, "bytes=-50": {n - 50, n}, fmt.Sprintf("bytes=%d-", n-7): {n - 7, n},
	} {
		got, place := s.part(t, ctx, id, form, asked, http.StatusPartialContent)
		if !bytes.Equal(got, whole[want[0]:want[1]]) || place != fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, n) {
			t.Errorf("%s %s: got %d bytes, %s", form, asked, len(got), place)
		}
	}
	s.part(t, ctx, id, form, fmt.Sprintf("bytes=%d-", n), http.StatusRequestedRangeNotSatisfiable)
}

// part asks for a recording as a player does and returns what came and where
// it belongs.
func (s *server) part(t *testing.T, ctx context.Context, id, form, ranges string, status int) (body []byte, place string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http+"/v1/calls/recording?id="+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Accept": {form}}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status || status < 400 && res.Header.Get("Content-Type") != form {
		t.Fatalf("%s %s: %d, %s", form, ranges, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return body, res.Header.Get("Content-Range")
}

// whistled is a steady tone.
func whistled(rate int, freq float64, length time.Duration) sound {
	out := sound{rate: rate, pcm: make([]int16, int(length.Seconds()*float64(rate)))}
	for i := range out.pcm {
		out.pcm[i] = int16(8000 * math.Sin(2*math.Pi*freq*float64(i)/float64(rate)))
	}
	return out
}

func (s sound) seconds() float64 { return float64(len(s.pcm)) / float64(s.rate) }
