package server

import (
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/store/storetest"
)

// TestServerServesFromPostgres migrates an empty database as its owner and
// serves as a role that policies bind.
func TestServerServesFromPostgres(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresEmpty(t)
	c := testConfig(t)
	c.Database.URL, c.Database.MigrateURL = sidetone.Secret(url), sidetone.Secret(storetest.Owner(url))
	r := run(t, c)
	api := r.client(r.ready.APIKey)
	agents, err := api.Agents().List(t.Context(), client.Query{})
	if err != nil {
		t.Fatal(err)
	}
	number, err := api.Numbers().Buy(t.Context(), client.Purchase{})
	if err != nil || number.Number == "" {
		t.Errorf("%+v, %v, %d agents", number, err, len(agents.Items))
	}
	r.end()
	c.Database.MigrateURL = "" // it is migrated: the owner is not needed any more
	if got := named(t, Doctor(t.Context(), c), "database"); got.Fix != "" || !strings.Contains(got.Detail, "bound by row-level security") {
		t.Errorf("%+v", got)
	}
	run(t, c).end()
	if strings.Contains(r.log.String(), "level=ERROR") {
		t.Error(r.log)
	}
}

// TestPowerfulDatabaseRolesAreRefused starts a server and asks the doctor, with
// roles that could get past the policies.
func TestPowerfulDatabaseRolesAreRefused(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	for url, want := range map[string]string{
		storetest.Owner(url): "owns the tables", storetest.Superuser(url): "superuser", "postgres:///x?host=/nowhere&user=x": "no such file",
	} {
		c := testConfig(t)
		c.Database.URL = sidetone.Secret(url)
		if err := Run(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("serve: %v, want %s", err, want)
		}
		if got := named(t, Doctor(t.Context(), c), "database"); got.Fix == "" || got.Optional || !strings.Contains(got.Detail, want) {
			t.Errorf("doctor: %+v, want %s", got, want)
		}
	}
}
