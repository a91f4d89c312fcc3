package llmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/provider"
)

// recording is a transport that answers every request with the same bytes.
type recording struct {
	body func() io.Reader
}

// RoundTrip answers with status 200.
func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(r.body())}, nil
}

// Replay returns a client whose requests are all answered with a body.
func Replay(body []byte) *http.Client {
	return &http.Client{Transport: recording{func() io.Reader { return bytes.NewReader(body) }}}
}

// Framed makes server-sent events of a file with one JSON value a line.
func Framed(lines []byte, named bool) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		var e struct{ Type string }
		if json.Unmarshal(line, &e) == nil && named {
			fmt.Fprintf(&b, "event: %s\n", e.Type)
		}
		fmt.Fprintf(&b, "data: %s\n\n", line)
	}
	return b.Bytes()
}

// RunRecorded sends the recorded streams of a folder of testdata/recorded through
// a driver: whole, byte by byte, with unknown members added, and ended at many
// bytes, or at every byte when SIDETONE_TEST_LONG is set. What comes out must be what the folder's golden file says. open returns a
// driver whose requests client answers; named says that events have names, and end
// is what follows the last event.
func RunRecorded(t *testing.T, folder string, named bool, end string, open func(client *http.Client) llm.Driver) {
	dir := filepath.Join("..", "llmtest", "testdata", "recorded")
	paths, err := filepath.Glob(filepath.Join(dir, folder, "*.chunks.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recorded streams of %s: %v", folder, err)
	}
	read := func(body func() io.Reader) string {
		text, calls, used, err := Collect(context.Background(), t, open(&http.Client{Transport: recording{body}}), ask(said(llm.User, "hi")))
		return summary(text, calls, used, err)
	}
	var got strings.Builder
	for _, path := range paths {
		lines, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".chunks.txt")
		raw := append(Framed(lines, named), end...)
		whole := read(func() io.Reader { return bytes.NewReader(raw) })
		fmt.Fprintf(&got, "%s\n%s\n", name, whole)
		if byByte := read(func() io.Reader { return iotest.OneByteReader(bytes.NewReader(raw)) }); byByte != whole {
			t.Errorf("%s: byte by byte:\n%s\nwhole:\n%s", name, byByte, whole)
		}
		more := append(Framed(enriched(t, lines), named), end...)
		if enriched := read(func() io.Reader { return bytes.NewReader(more) }); enriched != whole {
			t.Errorf("%s: with unknown members:\n%s\nwithout:\n%s", name, enriched, whole)
		}
		step := 1 // with SIDETONE_TEST_LONG; otherwise there are about 80 ends of each
		if os.Getenv("SIDETONE_TEST_LONG") == "" {
			step += len(raw) / 80
		}
		for n := 0; n < len(raw); n += step {
			if cut := read(func() io.Reader { return bytes.NewReader(raw[:n]) }); !strings.Contains(cut, "error:") && uncounted(cut) != uncounted(whole) {
				t.Errorf("%s: ended at byte %d without an error:\n%s", name, n, cut)
			}
		}
	}
	golden, err := os.ReadFile(filepath.Join(dir, folder+".golden"))
	if err != nil || string(golden) != got.String() {
		t.Errorf("testdata/recorded/%s.golden (%v) should be:\n%s", folder, err, got.String())
	}
}

// summary is what came of an answer, a few lines. Ids that were made here are left
// out.
func summary(text string, calls []llm.ToolCall, used *llm.Usage, err error) string {
	var b strings.Builder
	if text != "" {
		fmt.Fprintf(&b, "  text: %q\n", text)
	}
	for _, c := range calls {
		fmt.Fprintf(&b, "  call: %s %s\n", c.Name, c.Args)
	}
	if used != nil {
		fmt.Fprintf(&b, "  usage: %+v\n", *used)
	}
	if f := (*provider.Failure)(nil); errors.As(err, &f) {
		fmt.Fprintf(&b, "  error: %s\n", f.Kind)
	} else if err != nil {
		fmt.Fprintf(&b, "  error: not a vendor's: %v\n", err)
	}
	return b.String()
}

// uncounted leaves the usage out of a summary: it may come behind the end of the
// answer.
func uncounted(summary string) string {
	before, after, _ := strings.Cut(summary, "  usage:")
	_, after, _ = strings.Cut(after, "\n")
	return before + after
}

// enriched adds members that nobody documents to every object but those that the
// model writes itself.
func enriched(t *testing.T, lines []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(lines) {
		var v any
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		enrich(v)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(raw, '\n'))
	}
	return b.Bytes()
}

func enrich(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name != "args" && name != "input" {
				enrich(inner)
			}
		}
		v["novelty"] = map[string]any{"deep": []any{1, nil, "x"}}
	case []any:
		for _, inner := range v {
			enrich(inner)
		}
	}
}

// CheckAnswer feeds a body to a driver and checks what holds for any body: one end,
// a Done only behind words or calls, a failure of the vendor otherwise.
func CheckAnswer(t *testing.T, d llm.Driver) {
	t.Helper()
	text, calls, used, err := Collect(t.Context(), t, d, ask(said(llm.User, "hi")))
	var f *provider.Failure
	switch {
	case err == nil && used == nil:
		t.Error("neither Done nor an error")
	case err == nil && strings.TrimSpace(text) == "" && len(calls) == 0:
		t.Error("an answer that says and does nothing")
	case err == nil && (used.In < 0 || used.Out < 0 || used.Cached < 0 || used.Cached > used.In):
		t.Errorf("usage %+v", *used)
	case err != nil && !errors.As(err, &f):
		t.Errorf("error %v is no failure of a vendor", err)
	case err != nil && len(calls) > 0:
		t.Errorf("calls %v of an answer that failed", calls)
	}
	for _, c := range calls {
		if c.ID == "" || c.Name == "" || len(c.Args) == 0 {
			t.Errorf("call %+v", c)
		}
	}
}
