package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestDoctorSaysHowRecordingsAreAnswered has lame, a program that is missing,
// and none at all.
func TestDoctorSaysHowRecordingsAreAnswered(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"lame": "answered as MP3, made by ", "no-such-encoder": "answered as WAV: ", "": "answered as WAV: recordings.lame is empty",
	} {
		got := checkEncoder(program)
		missing := program == "no-such-encoder"
		if !strings.HasPrefix(got.Detail, want) || strings.Contains(got.Fix, "install lame") != missing || (program != "lame" && !got.Optional) {
			t.Errorf("%q: got %+v", program, got)
		}
	}
}

// TestDoctorBesideAServer: what a healthy server holds is in order, its agents are
// compared with what acts, and the same is found once it has stopped.
func TestDoctorBesideAServer(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		doctorBesideAServer(t, testConfig(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		c, address := testConfig(t), storetest.PostgresEmpty(t)
		c.Database.URL, c.Database.MigrateURL = sidetone.Secret(address), sidetone.Secret(storetest.Owner(address))
		doctorBesideAServer(t, c)
	})
}

func doctorBesideAServer(t *testing.T, c Config) {
	r := run(t, c)
	api := r.client(r.ready.APIKey)
	made := func(a client.Agent) string {
		t.Helper()
		got, err := api.Agents().Create(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	playbook := &client.Prompt{Content: "playbook: hello\notherwise:\n  say: Hello."}
	made(client.Agent{Prompt: playbook})
	limited := made(client.Agent{Prompt: playbook, VectorDatabase: &client.VectorDatabase{Type: "vector_database_pinecone", Index: "i", APIKey: "vector-key-0123456789", APIEnvironment: "e"}})
	mindless := made(client.Agent{Prompt: &client.Prompt{Content: "Be kind."}, Provider: "openai"})
	yes := true
	if _, err := api.Trunks().Create(t.Context(), client.Trunk{Name: "own", TLS: &client.TrunkTLS{Insecure: &yes},
		Media: &client.TrunkMedia{Sources: "learn", SRTP: "prefer", SRTPOverClear: &yes}}); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		all := Doctor(t.Context(), c)
		for _, f := range all {
			if f.Fix != "" && !f.Optional {
				t.Errorf("%s: has to be fixed: %+v", when, f)
			}
		}
		for name, want := range map[string]string{
			"agents": "1 of 3 act as a whole", "agent " + limited: "does not act as a whole: vector_database",
			"agent " + mindless: "does not act as a whole: its calls are not answered: the prompt has no playbook, and no language model is configured, provider",
		} {
			if f := named(t, all, name); f.Detail != want || strings.HasPrefix(name, "agent ") != (f.Fix != "" && f.Optional) {
				t.Errorf("%s: got %+v, want %q", when, f, want)
			}
		}
		risks := ""
		for _, f := range all {
			if strings.HasPrefix(f.Name, "trunk own of environment ") && f.Optional && f.Fix != "" {
				risks += f.Detail
			}
		}
		if !strings.Contains(risks, "tls.insecure") || !strings.Contains(risks, "srtp_over_clear") || !strings.Contains(risks, "media.sources: learn") {
			t.Errorf("%s: the trunk of an environment: %q", when, risks)
		}
	}
	c.HTTP.Addr, c.SIP.Addr = strings.TrimPrefix(r.ready.HTTP, "http://"), r.ready.SIP
	check("beside the server")
	all := Doctor(t.Context(), c)
	for name, want := range map[string]string{"data directory": "a server that is ready", "http.addr": "served by the running server",
		"sip.addr (TCP)": "served by the running server", "sip.addr (UDP)": "served by the running server"} {
		if f := named(t, all, name); f.Fix != "" || !strings.Contains(f.Detail, want) {
			t.Errorf("got %+v, want %q", f, want)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	stranger := c
	stranger.HTTP.Addr = taken.Addr().String()
	if f := named(t, Doctor(t.Context(), stranger), "http.addr"); f.Fix == "" || f.Optional {
		t.Errorf("a port of another program: %+v", f)
	}
	r.end()
	before := snapshotOf(t, c.Data)
	check("after it stopped")
	if after := snapshotOf(t, c.Data); before != after {
		t.Errorf("the doctor changed the data directory:\n%s\nis now\n%s", before, after)
	}
}

// TestDoctorNamesWhoCannotThink: a playbook that cannot be read is none, wherever it
// begins.
func TestDoctorNamesWhoCannotThink(t *testing.T) {
	t.Parallel()
	for prompt, want := range map[string]string{
		"Nice.\nplaybook: x\notherwise:\n  say: Hello.": "",
		"Be kind.":                       "the prompt has no playbook, and no language model is configured",
		"\ufeffNice.\nplaybook: x\nblah": "the playbook in its prompt cannot be read: line 3, column 1: expected ",
	} {
		if got := mindless(prompt); got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%q: got %q, want %q", prompt, got, want)
		}
	}
}

// snapshotOf names the files of a directory.
func snapshotOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&out, filepath.Join(dir, e.Name()))
	}
	return out.String()
}
