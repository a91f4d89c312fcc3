package sidetone_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "read": "read", " write, read read ": "read write", "admin metrics secrets:read calls": "calls secrets:read metrics admin",
	} {
		got, err := sidetone.ParseScopes(text)
		if err != nil || got.String() != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := sidetone.ParseScopes("read fly"); sidetone.CodeOf(err) != sidetone.Invalid || !strings.Contains(err.Error(), "secrets:read") {
		t.Errorf("an unknown scope: %v", err)
	}
	if s := sidetone.NewScopes("fly"); s != 0 || s.Has("fly") || sidetone.EveryScope().Has("fly") || sidetone.EveryScope().Has("") {
		t.Error("an unknown scope is in a set")
	}
	if sidetone.OperatorScopes().Has(sidetone.ScopeSecrets) || !sidetone.OperatorScopes().Has(sidetone.ScopeAdmin) || sidetone.DefaultScopes().Has(sidetone.ScopeAdmin) {
		t.Error("the sets of operators and of plain keys")
	}
}

// TestGrant is the table of docs/auth.md.
func TestGrant(t *testing.T) {
	t.Parallel()
	read, admin := sidetone.NewScopes(sidetone.ScopeRead), sidetone.NewScopes(sidetone.ScopeAdmin)
	for name, row := range map[string]struct {
		identity sidetone.Identity
		role     sidetone.Role
		want     sidetone.Scopes
	}{
		"member, no scopes":      {sidetone.Identity{}, sidetone.RoleMember, sidetone.RoleMember.Scopes()},
		"admin, no scopes":       {sidetone.Identity{}, sidetone.RoleAdmin, sidetone.EveryScope()},
		"member, asks for more":  {sidetone.Identity{Scopes: read | admin, HasScopes: true}, sidetone.RoleMember, read},
		"admin, asks for less":   {sidetone.Identity{Scopes: read, HasScopes: true}, sidetone.RoleAdmin, read},
		"admin, asks for none":   {sidetone.Identity{HasScopes: true}, sidetone.RoleAdmin, 0},
		"nobody's":               {sidetone.Identity{Scopes: read, HasScopes: true}, "", read},
		"nobody's, no scopes":    {sidetone.Identity{}, "", 0},
		"nobody's, members only": {sidetone.Identity{Scopes: read, HasScopes: true, MembersOnly: true}, "", 0},
		"unknown role":           {sidetone.Identity{Scopes: read, HasScopes: true}, "owner", 0},
	} {
		if got := row.identity.Grant(row.role); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

func TestActors(t *testing.T) {
	t.Parallel()
	for want, p := range map[sidetone.Actor]sidetone.Principal{
		{Kind: sidetone.ActorKey, ID: "k", Label: "l"}:   {KeyID: "k", Label: "l", MemberID: "m"},
		{Kind: sidetone.ActorToken, ID: "s", Label: "l"}: {Subject: "s", Label: "l"},
		{Kind: sidetone.ActorOperator, Label: "l"}:       {Operator: true, Label: "l"},
		{Kind: sidetone.ActorSystem}:                     {},
	} {
		if diff := cmp.Diff(want, p.Actor()); diff != "" {
			t.Error(diff)
		}
	}
}
