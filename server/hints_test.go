package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/store"
)

// The hints name what is there, at the first start and at later ones; e2e follows
// them.
func TestHintsFitWhatIsThere(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	first := run(t, c)
	text := first.out.String()
	call := "sidetone phone --server " + first.ready.SIP + " --say 'I would like to book an appointment' --say tuesday +14155550100"
	for _, want := range []string{call, "sidetone apply -f - <<'END'\n", `number: "+14155550100"`, "SIDETONE_API_KEY=" + first.ready.APIKey, "sidetone calls transcript ID"} {
		if !strings.Contains(text, want) {
			t.Errorf("the hints lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "token create") || strings.Contains(text, "beyond this machine") {
		t.Errorf("hints of a first start on loopback:\n%s", text)
	}
	api := first.client(first.ready.APIKey)
	agent, err := api.Agents().Create(t.Context(), client.Agent{Name: "Desk", Prompt: &client.Prompt{Content: "Be kind."}})
	if err == nil {
		_, err = api.Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: "+14155550177", InboundAgent: agent.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	first.end()

	second := run(t, c)
	text = second.out.String()
	for _, want := range []string{"sidetone token create --data " + process.Quote(c.Data), "sidetone phone --server " + second.ready.SIP, "+14155550177"} {
		if !strings.Contains(text, want) {
			t.Errorf("the hints of a second start lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "apply") {
		t.Errorf("a second start asks for what is done:\n%s", text)
	}
	second.end()
}

// README.md shows the same files as the hints.
func TestReadmeShowsTheHints(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if files := strings.ReplaceAll(strings.ReplaceAll(deskFiles, "PROMPT", deskPlaybook), "NUMBER", "+14155550100"); !strings.Contains(string(readme), files) {
		t.Errorf("README.md does not show\n%s", files)
	}
}

func TestHintsForANumberWithoutAgent(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SIP.Addr = "0.0.0.0:0"
	first := run(t, c)
	if !strings.Contains(first.out.String(), "beyond this machine") {
		t.Errorf("hints of an open address:\n%s", first.out)
	}
	if _, err := first.client(first.ready.APIKey).Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: "+12125550123"}); err != nil {
		t.Fatal(err)
	}
	first.end()
	second := run(t, c)
	if text := second.out.String(); !strings.Contains(text, `number: "+12125550123"`) {
		t.Errorf("the number is not used:\n%s", text)
	}
	second.end()
}

// However a first start is cut short, the next one shows a key that works.
func TestTheFirstKeyIsNotLost(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*store.Store, sidetone.Environment, *server) error{
		"cut after the environment": func(*store.Store, sidetone.Environment, *server) error { return nil },
		"cut before the key was stored": func(_ *store.Store, _ sidetone.Environment, s *server) error {
			return s.keepKey(sidetone.NewKey())
		},
		"cut before the key was shown": func(_ *store.Store, _ sidetone.Environment, s *server) error {
			return s.firstKey(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			half := &server{config: c, clock: systemClock()}
			err := WithStore(t.Context(), c, func(s *store.Store) error {
				half.store = s
				e, err := s.CreateAccount(t.Context(), "default", "default")
				if err != nil {
					return err
				}
				return prepare(s, e, half)
			})
			if err != nil {
				t.Fatal(err)
			}
			next := run(t, c)
			if half.key != "" && next.ready.APIKey != half.key.Reveal() {
				t.Error("the key that waited is not the one that is shown")
			}
			if _, err := next.client(next.ready.APIKey).Numbers().List(t.Context(), client.Query{}); err != nil {
				t.Errorf("the key that is shown: %v", err)
			}
			next.end()
			if _, err := os.Stat(filepath.Join(c.Data, firstKeyFile)); !os.IsNotExist(err) {
				t.Errorf("the key is still in its file: %v", err)
			}
			if again := run(t, c); again.ready.APIKey != "" {
				t.Error("the key is shown twice")
			}
		})
	}
}

// A server that has nowhere to show its first key leaves it in a file and says
// so.
func TestAKeyThatNobodyWasTold(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := &server{config: c, clock: systemClock(), log: newLogger(c.Log, &lines{}), options: Options{Program: "bin/sidetone", ConfigFile: "a b.yaml"}}
	out := &lines{}
	s.log = newLogger(c.Log, out)
	err := WithStore(t.Context(), c, func(st *store.Store) error {
		s.store = st
		if err := s.firstKey(t.Context()); err != nil {
			return err
		}
		return s.settleKey()
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Data, firstKeyFile)
	text, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(text)) != s.key.Reveal() {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info.Mode(), err)
	}
	if !strings.Contains(out.String(), path) || !strings.Contains(out.String(), "bin/sidetone token create --config 'a b.yaml'") ||
		strings.Contains(out.String(), s.key.Reveal()) {
		t.Errorf("the log says %s", out)
	}
}

// TestHintsSayWhoTalks: with one key of a vendor's, the first lines say what agents use
// that name nobody, and the agent that they make has no playbook.
func TestHintsSayWhoTalks(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Providers = map[string]ProviderConfig{"openai": {APIKey: "k"}}
	r := run(t, c)
	defer r.end()
	for _, want := range []string{"agents that name nobody think with openai, speak with voice_openai, listen with transcriber_openai\n", "of a dentist"} {
		if !strings.Contains(r.out.String(), want) {
			t.Errorf("the hints lack %q:\n%s", want, r.out.String())
		}
	}
	if strings.Contains(r.out.String(), "playbook:") {
		t.Errorf("the agent has a playbook:\n%s", r.out.String())
	}
}
