package api

import (
	"encoding/json"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

func TestMasks(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]string{
		"short": "********", "elevenchars": "********", "twelve chars": "********hars", "sk-0123456789abcdef": "********cdef",
		"ключключключ-ключ": "********ключ",
	} {
		if got := masked(sidetone.Secret(secret)); got != want {
			t.Errorf("%s: got %s, want %s", secret, got, want)
		}
	}
}

func TestSecretsAreRendered(t *testing.T) {
	t.Parallel()
	hidden := view{}
	for name, c := range map[string]struct {
		view view
		want string
	}{
		"read":                  {hidden, `{"secret":"********cdef"}`},
		"the key may":           {view{secrets: true}, `{"secret":"0123456789abcdef"}`},
		"set by this request":   {hidden.showing("secret"), `{"secret":"0123456789abcdef"}`},
		"another one was set":   {hidden.showing("api_key"), `{"secret":"********cdef"}`},
		"an item of a list too": {view{secrets: true}.item(), `{"secret":"0123456789abcdef"}`},
	} {
		o := object{}
		c.view.setSecret(o, "secret", "0123456789abcdef")
		c.view.setSecret(o, "none", "")
		got, err := json.Marshal(o)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestMasksKeepSecrets(t *testing.T) {
	t.Parallel()
	const current = sidetone.Secret("0123456789abcdef")
	given := func(s string) sidetone.Optional[sidetone.Secret] { return sidetone.Some(sidetone.Secret(s)) }
	const refused = "api_key must be a new value, or exactly the mask that reads show; it must not start with ****"
	for name, c := range map[string]struct {
		change, want sidetone.Optional[sidetone.Secret]
		current      sidetone.Secret
		message      string
	}{
		"absent":                   {sidetone.Optional[sidetone.Secret]{}, sidetone.Optional[sidetone.Secret]{}, current, ""},
		"null":                     {sidetone.None[sidetone.Secret](), sidetone.None[sidetone.Secret](), current, ""},
		"the mask":                 {given("********cdef"), sidetone.Optional[sidetone.Secret]{}, current, ""},
		"the mask of a short one":  {given("********"), sidetone.Optional[sidetone.Secret]{}, "short", ""},
		"a new one":                {given("new"), given("new"), current, ""},
		"stars later on":           {given("a****"), given("a****"), current, ""},
		"another mask":             {given("********abcd"), given("********abcd"), current, refused},
		"the mask and more":        {given("********cdef "), given("********cdef "), current, refused},
		"four stars":               {given("****"), given("****"), current, refused},
		"a mask where nothing was": {given("********"), given("********"), "", refused},
	} {
		got, err := maskResolved("api_key", c.change, c.current)
		if got != c.want || (err == nil) != (c.message == "") || err != nil && sidetone.MessageOf(err) != c.message {
			t.Errorf("%s: got %q set %v, %v", name, got.Value.Reveal(), got.Set, err)
		}
	}
}

func TestMasksKeepCredentials(t *testing.T) {
	t.Parallel()
	const current = `{"sid":"AC0123456789c123","token":"tok","deep":{"pins":[12,"longer than twelve"]}}`
	for given, want := range map[string]string{
		`{"sid":"AC0123456789c123","token":"new"}`:                                            `{"sid":"AC0123456789c123","token":"new"}`,
		`{"sid":"********c123","token":"new"}`:                                                `{"sid":"AC0123456789c123","token":"new"}`,
		`{"deep":{"pins":["********","********elve"]},"sid":"********c123","token":"new"}`:    `{"deep":{"pins":[12,"longer than twelve"]},"sid":"AC0123456789c123","token":"new"}`,
		`{"deep":{"pins":["********","********elve"]},"sid":"********c123","token":"******"}`: "credentials.token",
		`{"sid":"********"}`:          "credentials.sid",
		`{"deep":{"pins":["****"]}}`:  "credentials.deep.pins[0]",
		`{"other":"********"}`:        "credentials.other",
		`{"deep":"********"}`:         "credentials.deep",
		`{"sid":["********c123"]}`:    "credentials.sid[0]",
		`{"sid":{"x":"********c12"}}`: "credentials.sid.x",
	} {
		got, err := masksResolved("credentials", sidetone.Some(sidetone.Secret(given)), current)
		if err != nil {
			if sidetone.CodeOf(err) != sidetone.Invalid || sidetone.MessageOf(err) != want+" must be a new value, or exactly the mask that reads show; it must not start with ****" {
				t.Errorf("%s: %v", given, err)
			}
			continue
		}
		if got.Value.Reveal() != want || !got.Set {
			t.Errorf("%s: got %s, want %s", given, got.Value.Reveal(), want)
		}
	}
	// A client that sends back all it read changes nothing.
	const flat = `{"sid":"AC0123456789c123","token":"tok"}`
	shown := renderConnection(view{profile: dialect.Fluents()}, sidetone.Connection{Credentials: flat})
	echo, err := json.Marshal(shown["credentials"])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := masksResolved("credentials", sidetone.Some(sidetone.Secret(echo)), flat); err != nil || got.Set {
		t.Errorf("the echo: got %s, %v", got.Value.Reveal(), err)
	}
	if _, err := masksResolved("credentials", sidetone.Some(sidetone.Secret(echo)), ""); err == nil {
		t.Error("masks make something new")
	}
}

func TestSecretsAreDecoded(t *testing.T) {
	t.Parallel()
	members, err := wire.Parse([]byte(`{"key":"s","bad":1,"none":null,"object":{ "a": 1 },"list":["a"]}`))
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(dialect.Fluents(), members)
	if got := d.secret("key"); got.Value != "s" || !got.Set {
		t.Errorf("got %q", got.Value.Reveal())
	}
	if got := d.secret("none"); !got.Null || d.secret("absent").Set {
		t.Errorf("got %+v", got)
	}
	if got := d.secretJSON("object"); got.Value != `{"a":1}` {
		t.Errorf("got %q", got.Value.Reveal())
	}
	if d.Err() != nil {
		t.Error(d.Err())
	}
	d.secret("bad")
	d.secretJSON("list")
	if got, want := sidetone.MessageOf(d.Err()), "bad must be a string; list must be an object"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
