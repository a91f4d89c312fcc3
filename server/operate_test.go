package server

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store"
)

func TestOperateWithoutAndWithAServer(t *testing.T) {
	t.Parallel()
	c, ctx := testConfig(t), t.Context()
	who := func() error {
		return Operate(ctx, c, func(there *client.Client) error { _, err := there.WhoAmI(ctx); return err })
	}
	err := who()
	if err == nil || !strings.Contains(err.Error(), "there is no data directory") {
		t.Errorf("a directory that is not there: %v", err)
	}
	if _, err := os.Stat(c.Data); err == nil {
		t.Error("looking made a data directory")
	}
	if err := os.Mkdir(c.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	err = who()
	if err == nil || !strings.Contains(err.Error(), "no environment") {
		t.Errorf("an empty installation: %v", err)
	}
	err = WithStore(ctx, c, func(s *store.Store) error { _, err := s.CreateAccount(ctx, "a", "e"); return err })
	if err != nil {
		t.Fatal(err)
	}
	// work makes an environment and a key in it, and returns the key.
	work := func(name string) (secret sidetone.Secret) {
		t.Helper()
		err := Operate(ctx, c, func(there *client.Client) error {
			who, err := there.WhoAmI(ctx)
			if err != nil || who.Type != "operator" || !who.AccountWide {
				t.Errorf("%s: %+v, %v", name, who, err)
			}
			e, err := there.Environments().Create(ctx, name)
			if err != nil {
				return err
			}
			there.Environment = e.ID
			k, err := there.APIKeys().Create(ctx, client.KeyRequest{Label: name})
			if err != nil || k.EnvironmentID != e.ID {
				t.Errorf("%s: key %+v, %v", name, k, err)
			}
			secret = k.Key
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	direct := work("without a server")
	r := run(t, c)
	if info, err := os.Stat(filepath.Join(c.Data, controlFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control file %v, %v", info, err)
	}
	for name, secret := range map[string]sidetone.Secret{"made before": direct, "made by the server": work("with a server")} {
		if _, err := r.client(secret.Reveal()).Agents().List(ctx, client.Query{}); err != nil {
			t.Errorf("a key %s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.Data, controlFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Operate(ctx, c, func(*client.Client) error { return nil }); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "cannot be asked") {
		t.Errorf("a holder that cannot be asked: %v", err)
	}
}

func TestLocalURL(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://127.0.0.1:80",
		"192.0.2.1:80": "http://192.0.2.1:80", "[::1]:80": "http://[::1]:80"} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := localURL(tcp); got != want {
			t.Errorf("%s: got %s", addr, got)
		}
	}
}

func TestServerAcceptsConfiguredTokens(t *testing.T) {
	t.Parallel()
	c, ctx := testConfig(t), t.Context()
	secret := strings.Repeat("0123456789abcdef", 2)
	c.Auth.JWT = []JWTConfig{{Issuer: "https://login.example", Audience: "sidetone", EnvironmentClaim: "env",
		Keys: []JWTKey{{Algorithm: "HS256", Secret: sidetone.Secret(secret)}}}}
	r := run(t, c)
	who, err := r.client(r.ready.APIKey).WhoAmI(ctx)
	if err != nil || !who.AccountWide || who.Type != "api_key" {
		t.Fatalf("%+v, %v", who, err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": "https://login.example", "aud": "sidetone", "sub": "ada",
		"exp": time.Now().Add(time.Minute).Unix(), "env": who.Environment.ID, "scope": "read calls"}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.client(token).WhoAmI(ctx)
	if err != nil || got.Type != "jwt" || got.ID != "ada" || strings.Join(got.Scopes, " ") != "read calls" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBadIssuersEndTheStart(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Auth.JWT = []JWTConfig{{Issuer: "https://login.example", Audience: "sidetone", Keys: []JWTKey{{ID: "k", Algorithm: "HS256", Secret: "short"}}}}
	if err := Run(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "32 bytes") || strings.Contains(err.Error(), "short") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, controlFile)); err == nil {
		t.Error("the control file stayed")
	}
}
