package server

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sidetone/sidetone"
)

// textSetting is a setting that is a text.
type textSetting struct {
	// yaml writes it in flow style, with %s in its place.
	yaml string
	// get reads it.
	get func(reflect.Value) reflect.Value
}

// textSettings are all settings below a type whose values are texts.
func textSettings(t reflect.Type) []textSetting {
	wrap := func(inner []textSetting, format string, get func(reflect.Value) reflect.Value) (out []textSetting) {
		for _, s := range inner {
			out = append(out, textSetting{fmt.Sprintf(format, s.yaml), func(v reflect.Value) reflect.Value { return s.get(get(v)) }})
		}
		return out
	}
	switch t.Kind() {
	case reflect.String:
		return []textSetting{{"%s", func(v reflect.Value) reflect.Value { return v }}}
	case reflect.Slice:
		return wrap(textSettings(t.Elem()), "[%s]", func(v reflect.Value) reflect.Value { return v.Index(0) })
	case reflect.Pointer:
		return wrap(textSettings(t.Elem()), "%s", reflect.Value.Elem)
	case reflect.Map:
		key := "openai" // any name does, and of providers one that exists
		return wrap(textSettings(t.Elem()), "{"+key+": %s}", func(v reflect.Value) reflect.Value { return v.MapIndex(reflect.ValueOf(key)) })
	case reflect.Struct:
		var out []textSetting
		for _, f := range reflect.VisibleFields(t) {
			name := f.Tag.Get("koanf")
			if name == "" || name == "-" || name == "master_key" { // which a variable alone can set
				continue
			}
			out = append(out, wrap(textSettings(f.Type), "{"+name+": %s}", func(v reflect.Value) reflect.Value { return v.FieldByIndex(f.Index) })...)
		}
		return out
	}
	return nil
}

// What YAML takes for numbers, truth values and dates keeps its text in every setting that
// is a text, in the file and in variables.
func TestTextsOfTheConfigurationAreKept(t *testing.T) {
	t.Parallel()
	settings := textSettings(reflect.TypeFor[Config]())
	if len(settings) < 60 {
		t.Fatalf("only %d settings", len(settings))
	}
	for _, s := range settings {
		for _, text := range []string{"0100", "0123456", "+14155550123", "1e3", "0x1F", "0o17", "0b11", "1_000", "1.10", ".5", "-0", "2024-01-02", "true", "False", "yes", ".inf", "123456789012345678901234567890"} {
			c, err := LoadConfig(write(t, fmt.Sprintf(s.yaml, text)), nil) // most are no valid settings
			got := ""
			func() {
				defer func() {
					if recover() != nil {
						t.Errorf("%s: not read: %v", fmt.Sprintf(s.yaml, text), err)
					}
				}()
				got = s.get(reflect.ValueOf(c)).String()
			}()
			if got != text {
				t.Errorf("%s: got %q", fmt.Sprintf(s.yaml, text), got)
			}
		}
	}
	c, err := LoadConfig("", []string{`SIDETONE_SIP_TRUNKS=[{name: a, username: 0100, password: 0123456, numbers: [+14155550123], called: {in: {strip: 00, prepend: +1}}}]`})
	if err != nil {
		t.Fatal(err)
	}
	got := c.SIP.Trunks[0]
	if got.Username != "0100" || got.Password.Reveal() != "0123456" || got.Numbers[0] != "+14155550123" || got.Called.In.Strip != "00" || got.Called.In.Prepend != "+1" {
		t.Errorf("a variable: %+v", got)
	}
}

// Settings of other types are read as before.
func TestOtherSettingsThanTexts(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig(write(t, "calls: {max: 50, comfort_noise: false, drain: 90s}\nsip: {rtp_min: 10000, rtp_max: 10100, trunks: &t [{name: a, username: !!str 0100, password: ~, redirects: True, keepalive: 0}]}\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "password must go with the username") {
		t.Errorf("no password: %v", err)
	}
	trunk := c.SIP.Trunks[0]
	if c.Calls.Max != 50 || c.Calls.ComfortNoise || c.Calls.Drain != 90*time.Second || c.SIP.RTPMin != 10000 || !trunk.Redirects || trunk.Username != "0100" || trunk.Password != sidetone.Secret("") {
		t.Errorf("got %+v", c)
	}
}
