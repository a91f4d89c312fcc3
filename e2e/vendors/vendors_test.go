//go:build vendors

package vendors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin/tonewords"
)

// flow is one program that uses a vendor's client.
type flow struct {
	// Vendor names the stand-in, Folder the folder of testdata, Program the file in
	// it.
	Vendor, Folder, Program string
	// Prepare writes what the program reads; nil when it reads nothing.
	Prepare func(t *testing.T, dir string)
	// TLS is for clients that insist on it.
	TLS bool
	// Schema names the vendor's schema, in the file Document, that the client's
	// requests follow; "" where the vendor publishes none.
	Schema, Document string
}

func flows() []flow {
	return []flow{
		{Vendor: "anthropic", Folder: "anthropic", Program: "messages.mjs"},
		{Vendor: "cartesia", Folder: "cartesia", Program: "speak.mjs", TLS: true},
		{Vendor: "deepgram", Folder: "deepgram", Program: "speak.mjs"},
		{Vendor: "elevenlabs", Folder: "elevenlabs", Program: "speak.mjs"},
		{Vendor: "elevenlabs", Folder: "elevenlabs", Program: "messages.mjs", Prepare: elevenLabsMessages},
		{Vendor: "google", Folder: "google", Program: "generate.mjs"},
		{Vendor: "openai", Folder: "openai", Program: "chat.mjs", Schema: "CreateChatCompletionRequest", Document: "../../standin/openai/testdata/chat.openapi.json"},
		{Vendor: "openai", Folder: "openai", Program: "speech.mjs"},
		{Vendor: "deepgram", Folder: "deepgram", Program: "listen.mjs"},
		{Vendor: "deepgram", Folder: "deepgram", Program: "flux.mjs"},
		{Vendor: "assemblyai", Folder: "assemblyai", Program: "stream.mjs", TLS: true},
		{Vendor: "openai", Folder: "openai-realtime", Program: "transcribe.mjs", TLS: true},
	}
}

// key is what clients show; the stand-ins accept no other.
const key = "standin-key-0123456789"

// flowTime is how long a program may take.
const flowTime = 2 * time.Minute

func TestOfficialClients(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"npm", "node", "unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; run make setup", program)
		}
	}
	if out, err := exec.CommandContext(t.Context(), alone()[0], append(alone()[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("this needs root or user namespaces: %v\n%s", err, out)
	}
	program := filepath.Join(t.TempDir(), "sidetone")
	run(t, "../..", nil, nil, "go", "build", "-o", program, "./cmd/sidetone")
	root, installed := t.TempDir(), map[string]bool{}
	for _, f := range flows() {
		t.Run(f.Folder+"/"+f.Program, func(t *testing.T) {
			dir := filepath.Join(root, f.Folder)
			if !installed[f.Folder] {
				installed[f.Folder] = true
				install(t, f.Folder, dir)
			}
			f.run(t, program, dir)
		})
	}
}

// install puts a folder's programs and the clients that they use into a directory. Nothing of what is installed runs here.
func install(t *testing.T, folder, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		t.Fatal(err)
	}
	sounds(t, dir)
	run(t, dir, nil, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
}

// sounds writes "good morning" as tone words, in the codings that clients send.
func sounds(t *testing.T, dir string) {
	t.Helper()
	for _, rate := range []int{8000, 16000, 24000} {
		pcm, _ := tonewords.Speak("good morning", rate)
		var wav bytes.Buffer
		if err := audio.WriteWAV(&wav, audio.WAVFormat{Rate: rate, Channels: 1}, pcm); err != nil {
			t.Fatal(err)
		}
		const header = 44
		for suffix, raw := range map[string][]byte{"wav": wav.Bytes(), "s16": wav.Bytes()[header:], "mulaw": audio.EncodeULaw(nil, pcm)} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("speech-%d.%s", rate, suffix)), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// run runs the program beside its stand-in: both are in a network of their own, in
// which there is nothing but a loopback interface.
func (f flow) run(t *testing.T, program, dir string) {
	if f.Prepare != nil {
		f.Prepare(t, dir)
	}
	s := serve(t, program, f)
	env := []string{"STANDIN_URL=" + s.URL, "STANDIN_WEBSOCKET_URL=" + s.WebSocketURL, "STANDIN_KEY=" + key}
	if f.TLS {
		env = append(env, "NODE_EXTRA_CA_CERTS="+s.CAFile)
	}
	wrap := []string{"timeout", fmt.Sprint(flowTime.Seconds()), "nsenter", "--target", fmt.Sprint(s.pid), "--user", "--net", "--preserve-credentials"}
	t.Log(run(t, dir, env, wrap, "node", f.Program))
	if f.Schema != "" {
		f.validate(t, run(t, dir, env, wrap, "curl", "--silent", "--show-error", "--fail", s.URL+"/standin/ledger"))
	}
}

// validate holds the bodies that a stand-in was sent against the vendor's schema.
func (f flow) validate(t *testing.T, ledger string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(f.Document)
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct{ Body []string }
	if err := json.Unmarshal([]byte(ledger), &entries); err != nil {
		t.Fatalf("ledger %q: %v", ledger, err)
	}
	bodies := 0
	for _, e := range entries {
		for _, body := range e.Body {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Errorf("%v in %s", err, body)
			} else if err := doc.Components.Schemas[f.Schema].Value.VisitJSON(v); err != nil {
				t.Errorf("%s does not follow %s: %v", body, f.Schema, err)
			}
			bodies++
		}
	}
	if bodies == 0 {
		t.Error("the stand-in was sent nothing")
	}
}

// alone is what to put before a command so that it has no network.
func alone() []string { return []string{"unshare", "--user", "--map-root-user", "--net"} }

// run executes a command, with wrap before it, and returns what it printed.
func run(t *testing.T, dir string, env, wrap []string, command ...string) string {
	t.Helper()
	full := slices.Concat(wrap, command)
	cmd := exec.CommandContext(t.Context(), full[0], full[1:]...)
	cmd.Dir, cmd.Env = dir, slices.Concat(environment(), env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(full, " "), err, out)
	}
	return string(out)
}

// environment is ours without settings of the product and without proxies and keys,
// which a client could take from it.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(v), "=")
		return strings.HasPrefix(name, "SIDETONE_") || strings.HasSuffix(name, "_PROXY") || strings.HasSuffix(name, "_API_KEY")
	})
}

// server is a running stand-in.
type server struct {
	pid          int
	URL          string `json:"url"`
	WebSocketURL string `json:"websocket_url"`
	CAFile       string `json:"ca_file"`
}

// serve starts a stand-in until the test ends.
func serve(t *testing.T, program string, f flow) server {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready.json")
	args := slices.Concat(alone()[1:], []string{"sh", "-c", `ip link set lo up && exec "$0" "$@"`, program, "standin", f.Vendor,
		"--key", key, "--ready-file", ready})
	if f.TLS {
		args = append(args, "--tls", "--ca-file", filepath.Join(dir, "ca.pem"))
	}
	cmd := exec.Command(alone()[0], args...)
	var log strings.Builder
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended is found below
		if err := <-ended; err != nil || t.Failed() {
			t.Errorf("the stand-in ended with %v\n%s", err, log.String())
		}
	})
	return server{pid: cmd.Process.Pid}.whenReady(t, ready)
}

// whenReady is the server with what its ready file says, once there is one.
func (s server) whenReady(t *testing.T, path string) server {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(raw, &s)
		}
		if err != nil {
			t.Fatalf("ready file %q: %v", raw, err)
		}
		return s
	}
	t.Fatal("the stand-in did not start within a minute")
	return s
}
