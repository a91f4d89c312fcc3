package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/vault"
)

func place() vault.Place {
	return vault.Place{Environment: "e1", Table: "webhooks", Row: "r1", Column: "signature_secret"}
}

func TestSealedValuesOpenInTheirPlaceOnly(t *testing.T) {
	t.Parallel()
	key := vault.NewKey()
	for _, text := range []string{"", "x", "hunter2 hunter2", strings.Repeat("ü\x00", 10_000)} {
		sealed := vault.Seal(key, 3, place(), text)
		if len(text) > 8 && strings.Contains(sealed, text) {
			t.Errorf("%q is readable in %q", text, sealed)
		}
		if again := vault.Seal(key, 3, place(), text); again == sealed {
			t.Error("two sealings are alike")
		}
		if got, err := vault.Open(key, place(), sealed); got != text || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
		if n, err := vault.VersionOf(sealed); n != 3 || err != nil {
			t.Errorf("got version %d, %v", n, err)
		}
		if !strings.HasPrefix(sealed, vault.Prefix(3)) {
			t.Errorf("%q lacks %q", sealed, vault.Prefix(3))
		}
	}
	sealed := vault.Seal(key, 3, place(), "secret")
	moved := map[string]vault.Place{}
	for name, change := range map[string]func(*vault.Place){
		"environment": func(p *vault.Place) { p.Environment = "e2" },
		"table":       func(p *vault.Place) { p.Table = "voices" },
		"row":         func(p *vault.Place) { p.Row = "r2" },
		"column":      func(p *vault.Place) { p.Column = "label" },
		"shift":       func(p *vault.Place) { p.Environment, p.Table = "e1w", "ebhooks" },
		"empty":       func(p *vault.Place) { *p = vault.Place{} },
	} {
		p := place()
		change(&p)
		moved[name] = p
	}
	for name, p := range moved {
		if got, err := vault.Open(key, p, sealed); !errors.Is(err, vault.ErrRefused) || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := vault.Open(vault.NewKey(), place(), sealed); !errors.Is(err, vault.ErrRefused) {
		t.Errorf("another key: %v", err)
	}
}

func TestChangedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	key := vault.NewKey()
	sealed := vault.Seal(key, 3, place(), "secret")
	for i := range len(sealed) {
		for _, c := range []byte("A.b_9") {
			changed := sealed[:i] + string(c) + sealed[i+1:]
			if changed == sealed {
				continue
			}
			if got, err := vault.Open(key, place(), changed); err == nil || got != "" {
				t.Fatalf("%q opens as %q, %v", changed, got, err)
			}
		}
		if got, err := vault.Open(key, place(), sealed[:i]); err == nil || got != "" {
			t.Fatalf("%q opens as %q, %v", sealed[:i], got, err)
		}
	}
	for _, text := range []string{"", ".", "..", "s1..", "s1.x.AAAA", "s2.3.AAAA", "plain text", sealed + ".x", sealed + "="} {
		if _, err := vault.Open(key, place(), text); !errors.Is(err, vault.ErrMalformed) && !errors.Is(err, vault.ErrRefused) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := vault.VersionOf(text); err == nil {
			t.Errorf("%q has a version", text)
		}
	}
}

func TestDataKeysAreWrapped(t *testing.T) {
	t.Parallel()
	older, newer, data := vault.NewKey(), vault.NewKey(), vault.NewKey()
	wrapped := vault.Masters{older}.Wrap("e1", 1, data)
	both := vault.Masters{newer, older}
	for name, m := range map[string]vault.Masters{"the key alone": {older}, "with a newer one": both} {
		if got, err := m.Unwrap("e1", 1, wrapped); got != data || err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if both.Current(wrapped) || !both.Current(both.Wrap("e1", 1, data)) || both.Current("nonsense") {
		t.Error("which key wraps is not told")
	}
	if _, err := (vault.Masters{newer}).Unwrap("e1", 1, wrapped); !errors.Is(err, vault.ErrUnknownMaster) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := both.Unwrap("e2", 1, wrapped); !errors.Is(err, vault.ErrRefused) {
		t.Errorf("another environment: %v", err)
	}
	if _, err := both.Unwrap("e1", 2, wrapped); !errors.Is(err, vault.ErrRefused) {
		t.Errorf("another version: %v", err)
	}
	// A value that an environment's key sealed never passes for a data key.
	sealed := vault.Seal(older, 1, vault.Place{Environment: "e1"}, string(data[:]))
	if _, err := both.Unwrap("e1", 1, sealed); !errors.Is(err, vault.ErrMalformed) {
		t.Errorf("a sealed value: %v", err)
	}
}

func TestMastersAreParsed(t *testing.T) {
	t.Parallel()
	a, b := vault.NewKey(), vault.NewKey()
	for name, text := range map[string]string{
		"lines": a.Text() + "\n" + b.Text() + "\n", "commas": a.Text() + ", " + b.Text(),
		"comments": "# current\n\n" + a.Text() + "\r\n  # before\n" + b.Text(), "own": vault.Masters{a, b}.Text(),
	} {
		got, err := vault.ParseMasters(text)
		if err != nil || len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%s: %d keys, %v", name, len(got), err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a comment": "# none", "short": a.Text()[:40], "long": a.Text() + "AAAA", "twice": a.Text() + "," + a.Text(),
		"passphrase": "correct horse battery staple",
	} {
		_, err := vault.ParseMasters(text)
		if err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	k := vault.NewKey()
	encoded, err := json.Marshal(map[string]any{"key": k})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(k), fmt.Sprintf("%x %v %#v %s %d", k, k, k, k, k), fmt.Sprint(vault.Masters{k}), string(encoded)} {
		if strings.Trim(got, "[]* {}\"key:") != "" {
			t.Errorf("got %q", got)
		}
	}
	if len(k.ID()) != 16 || k.ID() == vault.NewKey().ID() {
		t.Errorf("got id %q", k.ID())
	}
}

func FuzzOpen(f *testing.F) {
	key := vault.Key{1}
	f.Add(vault.Seal(key, 1, place(), "secret"))
	f.Add("s1.1.AAAA")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := vault.Open(key, place(), text); err == nil && got != "secret" {
			t.Errorf("%q opens as %q", text, got)
		}
		_, _ = vault.VersionOf(text)
		if _, err := (vault.Masters{key}).Unwrap("e1", 1, text); err == nil {
			t.Errorf("%q unwraps", text)
		}
	})
}

// Keys that are read are written so that they are read again, and no error
// repeats what it was given.
func FuzzParseMasters(f *testing.F) {
	one, two := vault.NewKey().Text(), vault.NewKey().Text()
	f.Add(one)
	f.Add("# current\n" + one + "\r\n\n # before\n " + two + " ,\n")
	f.Add(one + "," + one)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := vault.ParseMasters(text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows the key: %v", err)
			}
			return
		}
		again, err := vault.ParseMasters(m.Text())
		if err != nil || !slices.Equal(again, m) || len(m) == 0 {
			t.Errorf("%d keys are read back as %d, %v", len(m), len(again), err)
		}
		if shown := fmt.Sprintf("%v %+v %s %q %x %d", m, m, m, m, m, m); strings.Contains(shown, m[0].Text()) || !strings.Contains(shown, "****") {
			t.Errorf("printed as %s", shown)
		}
	})
}
