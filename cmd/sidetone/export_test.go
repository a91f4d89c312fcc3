package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInsightsAreShown a line each, without what a terminal would obey.
func TestInsightsAreShown(t *testing.T) {
	t.Parallel()
	code, out, errs, _ := say(t, `{"id":"i","insights":{"status":"ready","attempts":1,"results":[{"name":"summary","type":"summary","value":"They booked.\u001b[2J"},
		{"name":"success","type":"success","value":{"score":90,"successful":true}},{"name":"day","type":"data","error":"it is missing"}]}}`, "calls", "get", "i")
	for _, want := range []string{"ready\n", "summary: They booked.", `success: {"score":90,"successful":true}`, "day: error: it is missing"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	if code != 0 || strings.Contains(out, "\x1b") {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
	if _, out, _, _ := say(t, `{"id":"i","insights":{"status":"failed","error":"no model","attempts":1,"results":[]}}`, "calls", "get", "i"); !strings.Contains(out, "failed: no model\n") {
		t.Errorf("got %q", out)
	}
}

// TestExportOfCalls writes what the server sends, whole, and asks for what was selected.
func TestExportOfCalls(t *testing.T) {
	t.Parallel()
	code, out, errs, seen := say(t, "id,status\na,ended\n", "calls", "export", "--filter", "status=ended", "--sort", "created")
	if code != 0 || out != "id,status\na,ended\n" || !strings.Contains(seen, "format=csv") || !strings.Contains(seen, "status") || !strings.Contains(seen, "sort_column=created") {
		t.Errorf("exit %d, %q, asked %s, %s", code, out, seen, errs)
	}
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	code, out, errs, seen = say(t, `{"id":"a"}`, "calls", "export", "--format", "jsonl", "--file", path)
	if text, err := os.ReadFile(path); code != 0 || err != nil || string(text) != `{"id":"a"}` || strings.TrimSpace(out) != path || !strings.Contains(seen, "format=jsonl") {
		t.Errorf("exit %d, %q, asked %s, %s, wrote %q: %v", code, out, seen, errs, text, err)
	}
}
