package sidetone_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func at(minute int) time.Time { return time.Date(2026, 11, 1, 9, minute, 0, 0, time.UTC) }

func TestOptional(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		o    sidetone.Optional[string]
		want string
	}{
		{"absent keeps", sidetone.Optional[string]{}, "old"},
		{"null clears", sidetone.None[string](), "default"},
		{"value sets", sidetone.Some("new"), "new"},
		{"empty value sets", sidetone.Some(""), ""},
	} {
		field := "old"
		if tt.o.Apply(&field, "default"); field != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, field, tt.want)
		}
	}
}

// TestChangesReachEveryField sets one member of a change at a time and expects
// the field of the same name, and only that one, to follow.
func TestChangesReachEveryField(t *testing.T) {
	t.Parallel()
	agent := sidetone.NewAgent("a", "e", "p", at(0))
	eachField(t, agent, func(c sidetone.AgentChange, a *sidetone.Agent) { c.Apply(a, at(1)) })
	number := sidetone.NewNumber("n", "e", "+12125550100", "simulated", at(0))
	eachField(t, number, func(c sidetone.NumberChange, n *sidetone.Number) { c.Apply(n, at(1)) })
	eachField(t, sidetone.NewPrompt("p", "e", "Be kind.", at(0)), func(c sidetone.PromptChange, p *sidetone.Prompt) { c.Apply(p, at(1)) })
}

func eachField[T, C any](t *testing.T, row T, apply func(C, *T)) {
	t.Helper()
	fields := reflect.TypeFor[C]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		var change C
		o := reflect.ValueOf(&change).Elem().Field(i)
		o.FieldByName("Set").SetBool(true)
		value := o.FieldByName("Value")
		before := reflect.ValueOf(row).FieldByName(name)
		switch v := value.Addr().Interface().(type) {
		case *string:
			*v = "changed"
		case *bool:
			*v = !before.Bool()
		case *float64:
			*v = 0.75
		case *int:
			*v = 17
		case *time.Duration:
			*v = 17 * time.Second
		case *[]string:
			*v = []string{"changed"}
		case *[]byte:
			*v = []byte(`{"changed":true}`)
		default:
			t.Fatalf("%s.%s has a type this test does not know", fields, name)
		}
		changed := row
		apply(change, &changed)
		want := row
		reflect.ValueOf(&want).Elem().FieldByName(name).Set(value)
		reflect.ValueOf(&want).Elem().FieldByName("Updated").Set(reflect.ValueOf(at(1)))
		if d := cmp.Diff(want, changed); d != "" {
			t.Errorf("%s.%s: %s", fields, name, d)
		}
	}
}

func TestClearedFieldsTakeTheirDefaults(t *testing.T) {
	t.Parallel()
	a := sidetone.NewAgent("a", "e", "p", at(0))
	want := a
	a.Language, a.ConversationSpeed, a.EnableRecording, a.MaxIdleChecks, a.ActionIDs = "de", 2, false, 9, []string{"x"}
	sidetone.AgentChange{Language: sidetone.None[string](), ConversationSpeed: sidetone.None[float64](),
		EnableRecording: sidetone.None[bool](), MaxIdleChecks: sidetone.None[int](), ActionIDs: sidetone.None[[]string]()}.Apply(&a, at(0))
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := sidetone.NewAgent("a", "e", "p", at(0))
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for path, change := range map[string]func(*sidetone.Agent){
		"language":                func(a *sidetone.Agent) { a.Language = "xx" },
		"interrupt_sensitivity":   func(a *sidetone.Agent) { a.InterruptSensitivity = "medium" },
		"endpointing_sensitivity": func(a *sidetone.Agent) { a.EndpointingSensitivity = "" },
		"ivr_navigation_mode":     func(a *sidetone.Agent) { a.IVRNavigationMode = "on" },
		"conversation_speed":      func(a *sidetone.Agent) { a.ConversationSpeed = 0.4 },
		"llm_temperature":         func(a *sidetone.Agent) { a.Temperature = 1.1 },
		"initial_message_delay":   func(a *sidetone.Agent) { a.InitialMessageDelay = 10001 * time.Millisecond },
		"idle_time_seconds":       func(a *sidetone.Agent) { a.IdleTime = -1 },
		"call_duration_sec":       func(a *sidetone.Agent) { a.CallDuration = 25 * time.Hour },
		"max_idle_check_count":    func(a *sidetone.Agent) { a.MaxIdleChecks = 101 },
		"initial_message":         func(a *sidetone.Agent) { a.InitialMessage = strings.Repeat("ü", 4097) },
		"name":                    func(a *sidetone.Agent) { a.Name = strings.Repeat("x", 257) },
	} {
		a := good
		change(&a)
		err := a.Validate()
		if sidetone.CodeOf(err) != sidetone.Invalid || !strings.HasPrefix(sidetone.MessageOf(err), path+" must be") {
			t.Errorf("%s: %v", path, err)
		}
	}
	n := sidetone.NewNumber("n", "e", "+12125550100", "simulated", at(0))
	n.Label = strings.Repeat("ü", 256)
	if err := n.Validate(); err != nil {
		t.Error(err)
	}
	n.Description = strings.Repeat("x", 4097)
	if err := n.Validate(); sidetone.CodeOf(err) != sidetone.Invalid {
		t.Error(err)
	}
}

func TestIsE164(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"+12125550100": true, "+112": true, "+123456789012345": true, "+1234567890123456": false, "+12": false, "": false, "+": false,
		"12125550100": false, "+1212555O100": false, "+1 2125550100": false, "++12125550100": false, "+٣٤٥": false,
	} {
		if got := sidetone.IsE164(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestIDsGrow(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	ids := sidetone.NewIDs(func() time.Time { return now })
	last := ""
	for i := range 10_000 { // more than one millisecond has room for
		if i == 7_000 {
			now = now.Add(-time.Hour) // a clock that is set back
		}
		id := ids.New()
		if id <= last || len(id) != 36 || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	const text = "sk_live_very-secret"
	s := sidetone.Secret(text)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", s, "struct", struct{ K sidetone.Secret }{s})
	asJSON, err := json.Marshal(map[string]any{"k": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprintf("%s %v %+v %#v %q %x %d", s, s, s, s, s, s, s), s.String(), log.String(), string(asJSON),
		fmt.Sprint(struct{ K sidetone.Secret }{s}), fmt.Errorf("open: %v", s).Error()} {
		if strings.Contains(out, "secret") || strings.Contains(out, fmt.Sprintf("%x", text)) {
			t.Errorf("leaked: %s", out)
		}
	}
	if s.Reveal() != text || s.Hint() != "cret" || sidetone.Secret("short").Hint() != "" {
		t.Error("reveal or hint is wrong")
	}
}

// Scanners for leaked keys compare the last six characters with the CRC-32 of
// what is before them, in base 62.
func TestKeys(t *testing.T) {
	t.Parallel()
	a, b := sidetone.NewKey(), sidetone.NewKey()
	if a == b || a.Hash() == b.Hash() {
		t.Error("keys are not unique")
	}
	body, sum := a.Reveal()[:len(a.Reveal())-6], a.Reveal()[len(a.Reveal())-6:]
	if !strings.HasPrefix(body, sidetone.KeyPrefix) || len(body) != len(sidetone.KeyPrefix)+30 {
		t.Errorf("the key begins with %q", body)
	}
	var n uint32
	for _, digit := range sum {
		n = n*62 + uint32(strings.IndexRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", digit))
	}
	if n != crc32.ChecksumIEEE([]byte(body)) {
		t.Errorf("the checksum of %s is %s", body, sum)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("UNIQUE constraint failed")
	err := fmt.Errorf("buy: %w", &sidetone.Error{Code: sidetone.Conflict, Message: "number is taken", Cause: cause})
	if sidetone.CodeOf(err) != sidetone.Conflict || sidetone.MessageOf(err) != "number is taken" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if sidetone.CodeOf(nil) != "" || sidetone.CodeOf(cause) != sidetone.Internal || sidetone.MessageOf(cause) != "internal error" {
		t.Error("errors of others")
	}
	if got := sidetone.Errorf(sidetone.Invalid, "page must be %d", 1).Error(); got != "invalid: page must be 1" {
		t.Error(got)
	}
}

func TestMergeJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, patch, want string }{
		{`{"a":1,"b":2}`, `{"b":3,"c":[1, 2]}`, `{"a":1,"b":3,"c":[1,2]}`},
		{`{"a":1}`, `{"a":null}`, `{}`},
		{`{"a":{"x":1}}`, `{"a":{"y":2}}`, `{"a":{"y":2}}`},
		{`not json`, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, ``, `{"a":1}`},
		{`null`, `{"a":1}`, `{"a":1}`},
		{`{"a":12345678901234567890.10}`, `{}`, `{"a":12345678901234567890.10}`},
	} {
		if got := string(sidetone.MergeJSON([]byte(tt.base), []byte(tt.patch))); got != tt.want {
			t.Errorf("%s + %s: %s, want %s", tt.base, tt.patch, got, tt.want)
		}
	}
}

func TestTranscript(t *testing.T) {
	t.Parallel()
	got := sidetone.Transcript([]sidetone.Event{
		{Kind: sidetone.EventConnected},
		{Kind: sidetone.EventAgent, Offset: 20 * time.Millisecond, Text: "Good morning."},
		{Kind: sidetone.EventCaller, Offset: 61*time.Second + 239*time.Millisecond, Text: "Hello"},
		{Kind: sidetone.EventTurn, Text: "not speech"},
		{Kind: sidetone.EventIgnored, Offset: 62 * time.Second, Text: "mm-hm"},
		{Kind: sidetone.EventAction, Offset: 62 * time.Second, Text: "end_conversation", Data: []byte(`{"said":"done"}`)},
		{Kind: sidetone.EventAction, Offset: 63 * time.Second, Text: "book"},
		{Kind: sidetone.EventDigits, Offset: 100 * time.Minute, Text: "42"},
		{Kind: sidetone.EventEnded},
	})
	want := "[00:00.02] BOT: Good morning.\n[01:01.23] HUMAN: Hello\n[01:02.00] HUMAN: [mm-hm]\n" +
		"[01:02.00] BOT_ACTION_START: end_conversation\n[01:02.00] BOT_ACTION_FINISH: end_conversation: done\n" +
		"[01:03.00] BOT_ACTION_START: book\n[01:03.00] BOT_ACTION_FINISH: book\n[100:00.00] HUMAN: 42"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := sidetone.Transcript(nil); got != "" {
		t.Errorf("empty transcript %q", got)
	}
}

func TestPageQuery(t *testing.T) {
	t.Parallel()
	for q, ok := range map[[2]int]bool{{1, 1}: true, {1, 100}: true, {999, 10}: true, {0, 10}: false, {1, 0}: false, {1, 101}: false} {
		if err := (sidetone.PageQuery{Page: q[0], Size: q[1]}).Validate(); (err == nil) != ok {
			t.Errorf("page %d size %d: %v", q[0], q[1], err)
		}
	}
}
