package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
)

// follow runs the commands of the hints up to the first one that calls.
func follow(t *testing.T, hints, key string) string {
	t.Helper()
	_, commands, ok := strings.Cut(hints, "in another shell:\n")
	if !ok {
		t.Fatalf("no commands in\n%s", hints)
	}
	commands, _, ok = strings.Cut(commands, "# call it\n")
	if !ok {
		t.Fatalf("no call in\n%s", hints)
	}
	sh := exec.CommandContext(t.Context(), "sh", "-e")
	sh.Stdin = strings.NewReader(strings.ReplaceAll(commands, "YOUR_KEY", key))
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("the hints do not run: %v\n%s\n%s", err, commands, out)
	}
	return string(out)
}

// What a newcomer is told to type works, at the first start and at later ones.
func TestHintsCanBeFollowed(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	first := run(t, c)
	key := first.ready.APIKey
	if out := follow(t, first.out.String(), key); strings.Contains(out, "error") {
		t.Errorf("the hints lead to\n%s", out)
	}
	numbers, err := first.client(key).Numbers().List(t.Context(), client.Query{})
	if err != nil || len(numbers.Items) != 1 {
		t.Fatalf("numbers after the hints: %+v, %v", numbers, err)
	}
	number := numbers.Items[0].Number
	call := "sidetone call --server " + first.ready.SIP + " --say 'I would like to book an appointment' " + number
	if !strings.Contains(first.out.String(), call) {
		t.Errorf("the hints lack %q", call)
	}
	if strings.Contains(first.out.String(), "token create") || strings.Contains(first.out.String(), "beyond this machine") {
		t.Errorf("hints of a first start on loopback:\n%s", first.out)
	}
	first.end()

	second := run(t, c)
	text := second.out.String()
	for _, want := range []string{"sidetone token create --data " + quote(c.Data), "sidetone call --server " + second.ready.SIP, number} {
		if !strings.Contains(text, want) {
			t.Errorf("the hints of a second start lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "/numbers/buy") || strings.Contains(text, "/agents/create") {
		t.Errorf("a second start asks for what is done:\n%s", text)
	}
	follow(t, text, key)
	second.end()
}

func TestHintsForANumberWithoutAgent(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SIP.Addr = "0.0.0.0:0"
	first := run(t, c)
	if !strings.Contains(first.out.String(), "beyond this machine") {
		t.Errorf("hints of an open address:\n%s", first.out)
	}
	key := first.ready.APIKey
	if _, err := first.client(key).Numbers().Buy(t.Context(), client.Purchase{PhoneNumber: "+12125550123"}); err != nil {
		t.Fatal(err)
	}
	first.end()
	second := run(t, c)
	text := second.out.String()
	if strings.Contains(text, "/numbers/buy") || !strings.Contains(text, "%2B12125550123") {
		t.Errorf("the number is not used:\n%s", text)
	}
	follow(t, text, key)
	second.end()
	err := WithStore(t.Context(), c, func(s *store.Store) error {
		r, err := s.Route(t.Context(), "+12125550123")
		if err == nil && !r.HasAgent {
			t.Error("after the hints there is no agent on the number")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"bin/sidetone": "bin/sidetone", "my data": "'my data'", "": "''", "it's": `'it'\''s'`, "$HOME": "'$HOME'"} {
		if got := quote(word); got != want {
			t.Errorf("quote(%q) is %s, want %s", word, got, want)
		}
	}
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
