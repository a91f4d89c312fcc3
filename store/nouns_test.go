package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// fill gives every field of a row a value of its own, so that a column that is
// forgotten or swapped shows.
func fill[T any](id, environmentID string) T {
	var row T
	n := 0
	fillValue(reflect.ValueOf(&row).Elem(), &n)
	v := reflect.ValueOf(&row).Elem()
	v.FieldByName("ID").SetString(id)
	v.FieldByName("EnvironmentID").SetString(environmentID)
	if f := v.FieldByName("Version"); f.IsValid() {
		f.SetInt(1)
	}
	return row
}

func fillValue(v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = day(1).Add(time.Duration(*n) * time.Minute)
		return
	case *time.Duration:
		*x = time.Duration(*n) * time.Millisecond
		return
	case *[]byte:
		*x = fmt.Appendf(nil, `{"b": %d,  "a":"ü\u0001"}`, *n) // spaces and order must survive
		return
	case *json.RawMessage:
		*x = fmt.Appendf(nil, `{"b":%d}`, *n)
		return
	case *[]string:
		*x = []string{fmt.Sprint("x", *n), "y"}
		return
	case *map[string]string:
		*x = map[string]string{"m": fmt.Sprint("ü ", *n)}
		return
	case *map[string]float64:
		*x = map[string]float64{"m": float64(*n) / 4}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("Text ", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 4)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillValue(v.Index(0), n)
		fillValue(v.Index(1), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i), n)
		}
	default:
		panic("fill cannot make a " + v.Type().String())
	}
}

// noun is the same test for each row type.
type noun[T any] struct {
	insert func(*store.Tx, T) error
	get    func(*store.Tx, string) (T, error)
	update func(*store.Tx, T) error // nil: none
	list   func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error)
	change func(*T)
	// kept makes of a written row what is read; nil: the same.
	kept func(*T)
}

// keysAreUnique checks that a key belongs to one row of an environment.
func keysAreUnique[T any](t *testing.T, s *store.Store, name string, n noun[T], row T, other string) {
	t.Helper()
	set := func(row T, field, value string) T {
		reflect.ValueOf(&row).Elem().FieldByName(field).SetString(value)
		return row
	}
	env := reflect.ValueOf(row).FieldByName("EnvironmentID").String()
	second := set(row, "ID", "id-key")
	err := s.Write(t.Context(), env, func(tx *store.Tx) error { return n.insert(tx, second) })
	wantCode(t, err, sidetone.Conflict, "key belongs to another "+name)
	write(t, s, env, func(tx *store.Tx) error { return n.insert(tx, set(second, "Key", "")) })
	err = s.Write(t.Context(), env, func(tx *store.Tx) error { return n.update(tx, second) })
	wantCode(t, err, sidetone.Conflict, "key belongs to another "+name)
	write(t, s, other, func(tx *store.Tx) error {
		return n.insert(tx, set(set(second, "ID", "id-other"), "EnvironmentID", other))
	})
}

func testNoun[T any](t *testing.T, name string, n noun[T]) {
	t.Helper()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		row := fill[T]("id-1", env)
		write(t, s, env, func(tx *store.Tx) error { return n.insert(tx, row) })
		same := func(what string, want T) {
			t.Helper()
			if n.kept != nil {
				n.kept(&want)
			}
			read(t, s, env, func(tx *store.Tx) error {
				got, err := n.get(tx, "id-1")
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: %s", what, d)
				}
				return err
			})
		}
		same("inserted", row)
		twin := row
		key := reflect.ValueOf(&twin).Elem().FieldByName("Key")
		if key.IsValid() {
			key.SetString("")
		}
		err := s.Write(ctx, env, func(tx *store.Tx) error { return n.insert(tx, twin) })
		wantCode(t, err, sidetone.Conflict, name+" already exists")
		if key.IsValid() {
			keysAreUnique(t, s, name, n, row, other)
		}

		// Another environment neither sees nor changes nor fakes it.
		err = s.Read(ctx, other, func(tx *store.Tx) error { _, err := n.get(tx, "id-1"); return err })
		wantCode(t, err, sidetone.NotFound, name+" not found")
		err = s.Write(ctx, other, func(tx *store.Tx) error { return n.insert(tx, fill[T]("id-2", env)) })
		wantCode(t, err, sidetone.Internal, "")
		read(t, s, other, func(tx *store.Tx) error {
			p, err := n.list(tx, sidetone.PageQuery{Page: 1, Size: 100})
			for _, item := range p.Items {
				if reflect.ValueOf(item).FieldByName("ID").String() == "id-1" {
					t.Error("listed in another environment")
				}
			}
			return err
		})
		if n.update == nil {
			return
		}
		err = s.Write(ctx, other, func(tx *store.Tx) error {
			foreign := fill[T]("id-1", other)
			n.change(&foreign)
			return n.update(tx, foreign)
		})
		wantCode(t, err, sidetone.NotFound, name+" not found")
		same("after foreign update", row)

		changed := row
		n.change(&changed)
		write(t, s, env, func(tx *store.Tx) error { return n.update(tx, changed) })
		stale := s.Write(ctx, env, func(tx *store.Tx) error { return n.update(tx, row) })
		wantCode(t, stale, sidetone.Conflict, name+" was changed meanwhile")
		reflect.ValueOf(&changed).Elem().FieldByName("Version").SetInt(2)
		same("updated", changed)
	})
}

func TestNumber(t *testing.T) {
	t.Parallel()
	testNoun(t, "number", noun[sidetone.Number]{(*store.Tx).InsertNumber, (*store.Tx).Number, (*store.Tx).UpdateNumber,
		(*store.Tx).Numbers, func(n *sidetone.Number) {
			sidetone.NumberChange{Label: sidetone.Some("front desk"), InboundAgentID: sidetone.None[string](),
				Tags: sidetone.None[[]string](), ExampleContext: sidetone.None[[]byte]()}.Apply(n, day(2))
		}, nil})
}

func TestAgent(t *testing.T) {
	t.Parallel()
	testNoun(t, "agent", noun[sidetone.Agent]{(*store.Tx).InsertAgent, (*store.Tx).Agent, (*store.Tx).UpdateAgent,
		(*store.Tx).Agents, func(a *sidetone.Agent) {
			sidetone.AgentChange{Label: sidetone.Some("night"), EnableRecording: sidetone.Some(false), ConversationSpeed: sidetone.Some(1.25),
				Extra: sidetone.Some([]byte(`{"llm_fallback":null,"x":[1, 2]}`))}.Apply(a, day(2))
		}, nil})
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	testNoun(t, "prompt", noun[sidetone.Prompt]{(*store.Tx).InsertPrompt, (*store.Tx).Prompt, (*store.Tx).UpdatePrompt,
		(*store.Tx).Prompts, func(p *sidetone.Prompt) {
			sidetone.PromptChange{Content: sidetone.Some("Hello ${name}")}.Apply(p, day(2))
		}, nil})
}

func TestAction(t *testing.T) {
	t.Parallel()
	testNoun(t, "action", noun[sidetone.Action]{(*store.Tx).InsertAction, (*store.Tx).Action, (*store.Tx).UpdateAction,
		(*store.Tx).Actions, func(a *sidetone.Action) {
			sidetone.ActionChange{Label: sidetone.Some("transfer"), Config: sidetone.Some([]byte(`{"x":1}`))}.Apply(a, day(2))
		}, nil})
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	testNoun(t, "webhook", noun[sidetone.Webhook]{(*store.Tx).InsertWebhook, (*store.Tx).Webhook, (*store.Tx).UpdateWebhook,
		(*store.Tx).Webhooks, func(h *sidetone.Webhook) {
			sidetone.WebhookChange{URL: sidetone.Some("https://example.com"), Subscriptions: sidetone.None[[]string]()}.Apply(h, day(2))
		}, nil})
}

func TestVectorDatabase(t *testing.T) {
	t.Parallel()
	testNoun(t, "vector database", noun[sidetone.VectorDatabase]{(*store.Tx).InsertVectorDatabase, (*store.Tx).VectorDatabase,
		(*store.Tx).UpdateVectorDatabase, (*store.Tx).VectorDatabases, func(v *sidetone.VectorDatabase) {
			sidetone.VectorDatabaseChange{APIKey: sidetone.Some(sidetone.Secret("new"))}.Apply(v, day(2))
		}, nil})
}

func TestConnection(t *testing.T) {
	t.Parallel()
	testNoun(t, "account connection", noun[sidetone.Connection]{(*store.Tx).InsertConnection, (*store.Tx).Connection,
		(*store.Tx).UpdateConnection, (*store.Tx).Connections, func(c *sidetone.Connection) {
			sidetone.ConnectionChange{Credentials: sidetone.Some(sidetone.Secret(`{"a":"b"}`))}.Apply(c, day(2))
		}, nil})
}

func TestTrunk(t *testing.T) {
	t.Parallel()
	testNoun(t, "trunk", noun[sidetone.Trunk]{(*store.Tx).InsertTrunk, (*store.Tx).Trunk, (*store.Tx).UpdateTrunk, (*store.Tx).Trunks,
		func(trunk *sidetone.Trunk) {
			trunk.Settings, trunk.Secrets, trunk.Updated = []byte(`{"host":"a.example"}`), `{"password":"new"}`, day(2)
		}, nil})
}

func TestDNCNumber(t *testing.T) {
	t.Parallel()
	testNoun(t, "do-not-call number", noun[sidetone.DNCNumber]{(*store.Tx).InsertDNCNumber, (*store.Tx).DNCNumber,
		(*store.Tx).UpdateDNCNumber, (*store.Tx).DNCNumbers, func(n *sidetone.DNCNumber) { n.Reason = "asked" }, nil})
}

func TestVoice(t *testing.T) {
	t.Parallel()
	testNoun(t, "voice", noun[sidetone.Voice]{(*store.Tx).InsertVoice, (*store.Tx).Voice, (*store.Tx).UpdateVoice, (*store.Tx).Voices,
		func(v *sidetone.Voice) { sidetone.VoiceChange{Label: sidetone.Some("calm")}.Apply(v, day(2)) }, nil})
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		read(t, s, account(t, s), func(tx *store.Tx) error {
			v, err := tx.DefaultVoice()
			if v.Type != "voice_flite" || !v.BuiltIn {
				t.Errorf("default voice %+v", v)
			}
			return err
		})
	})
}

func TestCall(t *testing.T) {
	t.Parallel()
	testNoun(t, "call", noun[sidetone.Call]{(*store.Tx).InsertCall, (*store.Tx).Call, (*store.Tx).UpdateCall, (*store.Tx).Calls,
		func(c *sidetone.Call) { c.Status, c.Started, c.Errors = sidetone.CallInProgress, day(3), []string{} },
		func(c *sidetone.Call) { // neither a snapshot nor the legs show a secret
			c.Dialogs = nil
			h := *c.Snapshot.Webhook
			h.Secret, h.PreviousSecret = "", ""
			c.Snapshot.Webhook = &h
			const stars = "********"
			c.Snapshot.Voice.APIKey, c.Snapshot.ModelAccount.Credentials, c.Snapshot.VectorDatabase.APIKey = stars, stars, stars

			for i := range c.Snapshot.Actions {
				c.Snapshot.Actions[i].SignatureSecret = stars
			}
		}})
}

// TestSnapshotColumn pins the names in a stored snapshot: renaming a field of a
// noun would lose it from the calls of the past.
func TestSnapshotColumn(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		c := sidetone.Call{ID: "c", EnvironmentID: env, Snapshot: sidetone.Snapshot{
			Agent:  sidetone.NewAgent("a", env, "p", day(1)),
			Prompt: sidetone.NewPrompt("p", env, "Be kind.", day(1)),
			Voice:  sidetone.Voice{ID: "v", Type: "voice_flite", Config: []byte(`{"voice": "slt"}`)},
		}}
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertCall(c) })
		read(t, s, env, func(tx *store.Tx) error {
			got, err := tx.Call("c")
			if d := cmp.Diff(c.Snapshot, got.Snapshot, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			return err
		})
	})
}

func TestActiveNumberIsUniqueEverywhere(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		first := sidetone.NewNumber("n1", env, "+12125550123", "simulated", day(1))
		write(t, s, env, func(tx *store.Tx) error { return tx.InsertNumber(first) })
		again := func(e, id string) error {
			return s.Write(ctx, e, func(tx *store.Tx) error {
				return tx.InsertNumber(sidetone.NewNumber(id, e, "+12125550123", "simulated", day(2)))
			})
		}
		wantCode(t, again(env, "n2"), sidetone.Conflict, "number already exists")
		wantCode(t, again(other, "n3"), sidetone.Conflict, "number already exists")
		first.Version, first.Active = 1, false
		write(t, s, env, func(tx *store.Tx) error { return tx.UpdateNumber(first) })
		for _, find := range []func(*store.Tx) error{
			func(tx *store.Tx) error { _, err := tx.Number("n1"); return err },
			func(tx *store.Tx) error { _, err := tx.NumberByPhone("+12125550123"); return err },
		} {
			wantCode(t, s.Read(ctx, env, find), sidetone.NotFound, "number not found")
		}
		if err := again(other, "n3"); err != nil {
			t.Fatal(err)
		}
		read(t, s, other, func(tx *store.Tx) error {
			n, err := tx.NumberByPhone("+12125550123")
			if n.ID != "n3" {
				t.Errorf("number %+v", n)
			}
			return err
		})
	})
}

func TestDefaultAgentAndItsNumbers(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx := context.Background()
		env, other := account(t, s), account(t, s)
		write(t, s, env, func(tx *store.Tx) error {
			if err := tx.InsertAgent(sidetone.NewAgent("a1", "", "p1", day(1))); err != nil {
				return err
			}
			for i := range 3 {
				n := sidetone.NewNumber(fmt.Sprint("n", i), "", fmt.Sprint("+1212555010", i), "simulated", day(1))
				n.InboundAgentID, n.Active = "a1", i > 0
				if err := tx.InsertNumber(n); err != nil {
					return err
				}
			}
			return tx.SetDefaultAgent("a1")
		})
		read(t, s, env, func(tx *store.Tx) error {
			e, err := tx.Environment()
			if e.DefaultAgentID != "a1" {
				t.Errorf("environment %+v", e)
			}
			if n, err := tx.CountNumbersOfAgent("a1"); n != 2 || err != nil {
				t.Errorf("%d numbers, %v", n, err)
			}
			return err
		})
		err := s.Write(ctx, other, func(tx *store.Tx) error { return tx.SetDefaultAgent("a1") })
		wantCode(t, err, sidetone.NotFound, "agent not found")
	})
}
