package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/vault"
)

// insertSecret stores a secret in the installation's first environment.
func insertSecret(t *testing.T, c Config, id string) {
	t.Helper()
	inFirst(t, c, func(tx *store.Tx) error {
		return tx.InsertVoice(sidetone.Voice{ID: id, Type: "voice_azure", APIKey: sidetone.Secret("canary-" + id), Created: tx.Now(), Updated: tx.Now()})
	})
}

func inFirst(t *testing.T, c Config, do func(*store.Tx) error) {
	t.Helper()
	err := WithStore(t.Context(), c, func(s *store.Store) error {
		all, err := s.Environments(t.Context())
		if err != nil || len(all) == 0 {
			return errors.Join(err, errors.New("no environment"))
		}
		return s.Write(t.Context(), all[0].ID, do)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantSecret(t *testing.T, c Config, id string) {
	t.Helper()
	var v sidetone.Voice
	inFirst(t, c, func(tx *store.Tx) (err error) { // may run again
		v, err = tx.Voice(id)
		return err
	})
	if v.APIKey.Reveal() != "canary-"+id {
		t.Errorf("%s has the secret %q", id, v.APIKey.Reveal())
	}
}

// The master key is made at the first start, rotated with and without a server,
// and missed when it is gone.
func TestMasterKeyFile(t *testing.T) {
	t.Parallel()
	c, ctx := testConfig(t), t.Context()
	path := filepath.Join(c.Data, "master.key")
	run(t, c).end()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	insertSecret(t, c, "a")
	rotate := func() {
		t.Helper()
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		err = Operate(ctx, c, func(there *client.Client) error {
			done, err := there.RotateMaster(ctx)
			if err != nil || done.Rewrapped == 0 {
				t.Errorf("got %+v, %v", done, err)
			}
			env, err := there.RotateEnvironment(ctx)
			if err != nil || env.Resealed == 0 {
				t.Errorf("got %+v, %v", env, err)
			}
			after, err := os.ReadFile(path)
			keys, err2 := vault.ParseMasters(string(after))
			if string(before) == string(after) || len(keys) != 1 || keys[0].ID() != done.MasterKeyID {
				t.Errorf("the file holds %d keys", len(keys))
			}
			return errors.Join(err, err2)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rotate() // directly
	wantSecret(t, c, "a")
	r := run(t, c)
	rotate() // by the server
	r.end()
	wantSecret(t, c, "a")

	// A process that died in the middle left both keys; the next one finishes.
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(vault.NewKey().Text()+"\n"+string(old)), 0o600); err != nil {
		t.Fatal(err)
	}
	rotate()
	wantSecret(t, c, "a")

	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := Run(ctx, c, Options{}); err == nil || !strings.Contains(err.Error(), "is missing") || !strings.Contains(err.Error(), path) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new key was made although secrets are stored: %v", err)
	}
	c.Secrets.MasterKey = sidetone.Secret(vault.NewKey().Text())
	if err := Run(ctx, c, Options{}); !errors.Is(err, vault.ErrUnknownMaster) {
		t.Errorf("with another key: %v", err)
	}
	right, err := os.ReadFile(path + ".away")
	if err != nil {
		t.Fatal(err)
	}
	c.Secrets.MasterKey = sidetone.Secret(strings.TrimSpace(string(right)))
	run(t, c).end()
	wantSecret(t, c, "a")
	err = Operate(ctx, c, func(there *client.Client) error { _, err := there.RotateMaster(ctx); return err })
	if err == nil || !strings.Contains(err.Error(), "put a new key in front of it") {
		t.Errorf("a key from the variable: %v", err)
	}
	c.Secrets.MasterKey = sidetone.Secret(vault.NewKey().Text() + "," + strings.TrimSpace(string(right)))
	err = Operate(ctx, c, func(there *client.Client) error {
		done, err := there.RotateMaster(ctx)
		if done.Rewrapped == 0 {
			t.Errorf("got %+v", done)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	wantSecret(t, c, "a")
}

func TestMasterKeyIsNotForOtherClients(t *testing.T) {
	t.Parallel()
	r := run(t, testConfig(t))
	_, err := r.client(r.ready.APIKey).RotateMaster(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("got %v", err)
	}
}

func TestMasterKeySettings(t *testing.T) {
	t.Parallel()
	key := vault.NewKey().Text()
	c, err := LoadConfig("", []string{"SIDETONE_MASTER_KEY=" + key, "SIDETONE_SECRETS_MASTER_KEY_FILE=/run/keys/master"})
	if err != nil || c.Secrets.MasterKey.Reveal() != key || c.MasterKeyFile() != "/run/keys/master" {
		t.Errorf("got %+v, %v", c.Secrets, err)
	}
	file := write(t, "secrets:\n  master_key: "+key+"\n")
	if _, err := LoadConfig(file, nil); err == nil || !strings.Contains(err.Error(), "SIDETONE_MASTER_KEY") || strings.Contains(err.Error(), key) {
		t.Errorf("a key in the configuration file: %v", err)
	}
	c.Secrets.MasterKey = "correct horse battery staple"
	if _, err := newMasterKeys(c); err == nil || strings.Contains(err.Error(), "horse") {
		t.Errorf("a passphrase: %v", err)
	}
}

func TestDoctorLooksAtTheMasterKey(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if f := checkMasterKey(c); f.Fix != "" || !strings.Contains(f.Detail, "the first start makes") {
		t.Errorf("none yet: %+v", f)
	}
	key := vault.NewKey()
	path := filepath.Join(c.Data, "master.key")
	if err := os.WriteFile(path, []byte(key.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := checkMasterKey(c); f.Fix != "" || !strings.Contains(f.Detail, key.ID()) || strings.Contains(f.Detail, key.Text()) {
		t.Errorf("a good one: %+v", f)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := checkMasterKey(c); !f.Optional || !strings.Contains(f.Fix, "chmod 600") {
		t.Errorf("others can read it: %+v", f)
	}
	c.Secrets.MasterKeyFile = filepath.Join(c.Data, "nowhere")
	if f := checkMasterKey(c); f.Fix == "" || f.Optional {
		t.Errorf("a missing file: %+v", f)
	}
	c.Secrets.MasterKey = "short"
	if f := checkMasterKey(c); f.Fix == "" || strings.Contains(f.Detail, "short") {
		t.Errorf("a bad variable: %+v", f)
	}
}
