package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/store/storetest"
)

// listers asks for a page of each noun that memory holds.
func listers() map[string]func(*store.Tx, sidetone.PageQuery) (any, string, error) {
	return map[string]func(*store.Tx, sidetone.PageQuery) (any, string, error){
		"numbers": lister((*store.Tx).Numbers), "agents": lister((*store.Tx).Agents), "prompts": lister((*store.Tx).Prompts),
		"voices": lister((*store.Tx).Voices), "actions": lister((*store.Tx).Actions), "webhooks": lister((*store.Tx).Webhooks),
		"vectors": lister((*store.Tx).VectorDatabases), "connections": lister((*store.Tx).Connections),
	}
}

func lister[T any](list func(*store.Tx, sidetone.PageQuery) (sidetone.Page[T], error)) func(*store.Tx, sidetone.PageQuery) (any, string, error) {
	return func(tx *store.Tx, q sidetone.PageQuery) (any, string, error) {
		p, err := list(tx, q)
		return p, p.NextCursor, err
	}
}

// shuffler changes a configuration and asks for it at random.
type shuffler struct {
	t   *testing.T
	s   *store.Store
	env string
	r   *rand.Rand
	// listed are the documented columns of each noun.
	listed map[string]map[string]bool
	// cursors that were handed out, with the noun and query each fits.
	cursors []handed
	asked   int
}

type handed struct {
	noun string
	q    sidetone.PageQuery
}

// oneOf picks one of values.
func oneOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func (x *shuffler) id() string { return fmt.Sprint("i", x.r.IntN(30)) }

func (x *shuffler) label() string {
	return oneOf(x.r, "", "Zürich", "zebra", "ÄRZTE 100%", "ärzte 100%", "apple", "Apple pie", "a_b", `a\b`, "İstanbul", "日本", "z\x01")
}

// at is a time at which several rows are made, below milliseconds apart.
func (x *shuffler) at() time.Time {
	return day(1 + x.r.IntN(4)).Add(time.Duration(x.r.IntN(3)) * time.Microsecond)
}

// change inserts, changes or removes a row; one that cannot be is as well.
func (x *shuffler) change(tx *store.Tx) error {
	id := x.id()
	switch x.r.IntN(10) {
	case 0:
		p := sidetone.NewPrompt(id, "", "x", x.at())
		p.Label = x.label()
		return tx.InsertPrompt(p)
	case 1:
		n := sidetone.NewNumber(id, "", fmt.Sprintf("+1212555%04d", x.r.IntN(40)), oneOf(x.r, "sip", "twilio"), x.at())
		n.Label, n.InboundAgentID, n.OutboundOnly, n.ConnectionID = x.label(), x.id(), x.r.IntN(2) == 0, oneOf(x.r, "", x.id())
		return tx.InsertNumber(n)
	case 2:
		n, err := tx.Number(id)
		if err != nil {
			return err
		}
		n.Label, n.Updated, n.Tags, n.Active = x.label(), x.at(), oneOf(x.r, nil, []string{"a", "b"}), x.r.IntN(4) > 0
		return tx.UpdateNumber(n)
	case 3:
		a := sidetone.NewAgent(id, "", x.id(), x.at())
		a.Label, a.Name, a.VoiceID = x.label(), x.label(), x.id()
		return tx.InsertAgent(a)
	case 4:
		a, err := tx.Agent(id)
		if err != nil {
			return err
		}
		a.Name, a.Updated, a.WebhookID = x.label(), x.at(), x.id()
		return tx.UpdateAgent(a)
	case 5:
		return oneOf(x.r, (*store.Tx).DeleteAgent, (*store.Tx).DeletePrompt, (*store.Tx).DeleteAction, (*store.Tx).DeleteVoice)(tx, id)
	case 6:
		v := sidetone.NewVoice(id, "", x.at())
		v.Label, v.Type = x.label(), oneOf(x.r, "voice_flite", "voice_azure")
		return tx.InsertVoice(v)
	case 7:
		a := sidetone.NewAction(id, "", x.at())
		a.Label, a.Key = x.label(), oneOf(x.r, "", id)
		return tx.InsertAction(a)
	case 8:
		return tx.InsertWebhook(sidetone.NewWebhook(id, "", x.at()))
	}
	if x.r.IntN(2) == 0 {
		return tx.InsertVectorDatabase(sidetone.NewVectorDatabase(id, "", x.at()))
	}
	return tx.InsertConnection(sidetone.NewConnection(id, "", x.at()))
}

// query makes up a list's query; not all are right.
func (x *shuffler) query() handed {
	if len(x.cursors) > 0 && x.r.IntN(4) == 0 {
		return oneOf(x.r, x.cursors...)
	}
	noun := oneOf(x.r, slices.Sorted(maps.Keys(x.listed))...)
	columns := slices.Sorted(maps.Keys(x.listed[noun]))
	q := sidetone.PageQuery{Page: oneOf(x.r, 1, 1, 1, 2, 3, 7, 1<<40), Size: oneOf(x.r, 1, 2, 5, 10, 100)}
	if x.r.IntN(3) > 0 {
		q.SortColumn, q.SortDesc = oneOf(x.r, columns...), x.r.IntN(2) == 0
	}
	for range oneOf(x.r, 0, 0, 1, 1, 2) {
		q.Filters = append(q.Filters, sidetone.Filter{
			Column: oneOf(x.r, columns...), Op: oneOf(x.r, "eq", "ne", "gt", "gte", "lt", "lte", "contains"), Values: []any{x.operand()},
		})
		if f := &q.Filters[len(q.Filters)-1]; x.r.IntN(4) == 0 {
			f.Op, f.Values = "in", []any{x.operand(), x.operand(), x.operand()}
		}
	}
	return handed{noun, q}
}

func (x *shuffler) operand() any {
	return oneOf[any](x.r, nil, true, false, x.id(), x.label(), strings.ToUpper(x.label()), "a", "I", "%", "_", "", "+1212555", "sip",
		"voice_flite", x.at().Format(time.RFC3339Nano), x.at().Format(time.RFC3339), 7.5)
}

// ask compares what SQL and memory answer to the same question.
func (x *shuffler) ask(h handed) {
	x.t.Helper()
	list := listers()[h.noun]
	var pages [2]any
	var failures [2]error
	var next string
	err := x.s.Read(x.t.Context(), x.env, func(tx *store.Tx) error {
		pages[0], next, failures[0] = list(tx, h.q)
		return nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
	ok, err := store.ReadMemory(x.s, x.t.Context(), x.env, func(tx *store.Tx) error {
		pages[1], _, failures[1] = list(tx, h.q)
		return nil
	})
	if !ok || err != nil {
		x.t.Fatalf("%s %+v: memory cannot tell: %v", h.noun, h.q, err)
	}
	if d := cmp.Diff(pages[0], pages[1]); d != "" || fmt.Sprint(failures[0]) != fmt.Sprint(failures[1]) {
		x.t.Fatalf("%s %+v: memory says %v, SQL %v; SQL - memory +\n%s", h.noun, h.q, failures[1], failures[0], d)
	}
	if x.asked++; next != "" {
		h.q.Cursor = next
		if x.cursors = append(x.cursors, h); len(x.cursors) > 20 {
			x.cursors = x.cursors[1:]
		}
	}
}

// TestMemoryListsWhatSQLLists changes a configuration at random and asks memory
// and database the same random questions in between.
func TestMemoryListsWhatSQLLists(t *testing.T) {
	t.Parallel()
	runLists(t, func(t *testing.T, s *store.Store) {
		x := &shuffler{t: t, s: s, env: account(t, s), r: rand.New(rand.NewPCG(3, 4)), listed: store.Listed(s)}
		account(t, s)
		stored := 0
		for range 150 {
			if s.Write(t.Context(), x.env, x.change) == nil {
				stored++
			}
			for range 4 {
				x.ask(x.query())
			}
		}
		if stored < 60 || len(x.cursors) < 20 {
			t.Errorf("%d changes, %d cursors", stored, len(x.cursors))
		}
	})
}

// TestMemoryGetsWhatSQLGets compares rows one by one.
func TestMemoryGetsWhatSQLGets(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env, other := account(t, s), account(t, s)
		write(t, s, env, furnish)
		gets := func(out *[]any) func(tx *store.Tx) error {
			return func(tx *store.Tx) error {
				*out = nil
				for _, id := range []string{"agent", "prompt", "voice", "action", "webhook", "vector", "connection", "number", "none", "+12125550100"} {
					for _, get := range []func(*store.Tx, string) (any, error){
						getter((*store.Tx).Agent), getter((*store.Tx).Prompt), getter((*store.Tx).Voice), getter((*store.Tx).Action),
						getter((*store.Tx).Webhook), getter((*store.Tx).VectorDatabase), getter((*store.Tx).Connection),
						getter((*store.Tx).Number), getter((*store.Tx).NumberByPhone),
					} {
						row, err := get(tx, id)
						*out = append(*out, row, fmt.Sprint(err))
					}
				}
				voice, err := tx.DefaultVoice()
				*out = append(*out, voice, tx.EnvironmentID())
				return err
			}
		}
		for _, env := range []string{env, other} {
			var sql, memory []any
			read(t, s, env, gets(&sql))
			ok, err := store.ReadMemory(s, t.Context(), env, gets(&memory))
			if d := cmp.Diff(sql, memory); d != "" || !ok || err != nil {
				t.Errorf("memory tells %v, %v; SQL - memory +\n%s", ok, err, d)
			}
		}
	})
}

func getter[T any](get func(*store.Tx, string) (T, error)) func(*store.Tx, string) (any, error) {
	return func(tx *store.Tx, id string) (any, error) { return get(tx, id) }
}

// TestReadConfigurationAsksTheDatabaseForTheRest reads what memory has and has
// not in one transaction, and in an environment that memory does not know.
func TestReadConfigurationAsksTheDatabaseForTheRest(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		env := account(t, s)
		write(t, s, env, furnish)
		_, sqlite := s.SQLite()
		runs := 0
		err := s.ReadConfiguration(t.Context(), env, func(tx *store.Tx) error {
			runs++
			if _, err := tx.Agent("agent"); err != nil {
				return err
			}
			e, err := tx.Environment()
			if err == nil && e.ID != env {
				err = fmt.Errorf("environment %q", e.ID)
			}
			return err
		})
		if want := map[bool]int{true: 2, false: 1}[sqlite]; err != nil || runs != want {
			t.Errorf("%d runs, %v", runs, err)
		}
		wantCode(t, s.ReadConfiguration(t.Context(), "none", func(tx *store.Tx) error {
			_, err := tx.Agent("agent")
			return err
		}), sidetone.NotFound, "")
		if err := s.ReadConfiguration(t.Context(), env, func(tx *store.Tx) error { return tx.DeleteAgent("agent") }); err == nil {
			t.Error("a reader deleted an agent")
		}
	})
}

// TestManyRowsAreListedBySQL lists more rows than memory does, and again what is
// left of them.
func TestManyRowsAreListedBySQL(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite(t), nil)
	env := account(t, s)
	const rows = 10_001
	write(t, s, env, func(tx *store.Tx) error {
		return tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO prompts SELECT CAST(i AS text), $2, '', '', '', '', '', '[]', '[]', 1, i, i, '', '', '', '[]' FROM n`, rows, env)
	})
	list := func() (p sidetone.Page[sidetone.Prompt], ok bool) {
		t.Helper()
		ok, err := store.ReadMemory(s, t.Context(), env, func(tx *store.Tx) (err error) {
			p, err = tx.Prompts(sidetone.PageQuery{Page: 1, Size: 1})
			return err
		})
		if ok && err != nil {
			t.Error(err)
		}
		return p, ok
	}
	read(t, s, env, func(tx *store.Tx) error { // which learns how cursors are signed
		_, err := tx.Prompts(sidetone.PageQuery{Page: 1, Size: 1})
		return err
	})
	if _, ok := list(); ok {
		t.Error("memory lists too many rows")
	}
	for i, want := range []int64{rows - 1, rows - 2} {
		write(t, s, env, func(tx *store.Tx) error { return tx.DeletePrompt(fmt.Sprint(rows - i)) })
		if p, ok := list(); !ok || p.Total != want || p.Items[0].ID != fmt.Sprint(want) {
			t.Errorf("memory tells %v: %d rows, first %+v", ok, p.Total, p.Items)
		}
	}
	write(t, s, env, func(tx *store.Tx) error {
		for _, id := range []string{"x", "y", "z"} {
			if err := tx.InsertPrompt(sidetone.NewPrompt(id, "", "x", day(1))); err != nil {
				return err
			}
		}
		return nil
	})
	if _, ok := list(); ok {
		t.Error("memory goes on listing too many rows")
	}
}
