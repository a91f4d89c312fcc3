package store

import (
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store/configuration"
)

// configurationTable is the table of a noun that calls start from: memory holds
// its rows too and follows each commit. Its writes increase the environment's
// version, so that on Postgres two that concern each other cannot both commit.
type configurationTable[T any] struct {
	*table[T]
	// detach copies what the writer of a row could still reach.
	detach func(*T)
	// uses are the columns that name a row of this noun.
	uses []use
}

// use is a column through which rows of another noun need a row.
type use struct {
	table, noun, column string
	// shown is the column that names the user to people.
	shown string
	// among says that the column is a JSON array of ids.
	among bool
	// and is a further condition; "" for none.
	and string
}

// shownUsers is how many users of a row a refusal to delete it names.
const shownUsers = 10

func (tb *configurationTable[T]) insert(t *Tx, row T) error {
	if err := tb.table.insert(t, &row); err != nil {
		return err
	}
	t.change.Edits = append(t.change.Edits, tb.place(row))
	return nil
}

func (tb *configurationTable[T]) update(t *Tx, row T) error {
	if err := tb.table.update(t, &row); err != nil {
		return err
	}
	t.change.Edits = append(t.change.Edits, tb.place(row))
	return nil
}

// place is the change of memory that puts row there, as a reading of the stored
// one would return it.
func (tb *configurationTable[T]) place(row T) func(*configuration.Environment) {
	tb.detach(&row)
	columns := tb.columns(&row)
	settle(columns)
	id := *named(columns, "id").(*string) //nolint:forcetypeassert // every table has it
	return func(e *configuration.Environment) { tb.inMemory(e)[id] = row }
}

// settle makes the fields behind columns what reading them from the database
// would.
func settle(columns []column) {
	for _, c := range columns {
		if c, ok := c.ref.(settler); ok {
			c.settle()
		}
	}
}

// remove deletes the row with id. One that is in use is a Conflict that names
// its users; users are of the same environment, so that another's row has none.
func (tb *configurationTable[T]) remove(t *Tx, id string) error {
	users, err := tb.users(t, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return sidetone.Errorf(sidetone.Conflict, "the %s is used by %s", tb.noun, strings.Join(users, ", "))
	}
	if err := tb.table.remove(t, id); err != nil {
		return err
	}
	t.change.Edits = append(t.change.Edits, func(e *configuration.Environment) { delete(tb.inMemory(e), id) })
	return nil
}

// users names the rows that need the one with id.
func (tb *configurationTable[T]) users(t *Tx, id string) ([]string, error) {
	var out []string
	for _, u := range tb.uses {
		q := query{text: "SELECT " + u.shown + " FROM " + u.table, args: nil}
		q.add(" WHERE environment_id = %s", t.environment)
		if u.among {
			q.add(` AND `+u.column+` LIKE %s ESCAPE '\'`, "%"+likeText(`"`+id+`"`)+"%")
		} else {
			q.add(" AND "+u.column+" = %s", id)
		}
		if u.and != "" {
			q.add(" AND "+u.and+" = %s", true)
		}
		q.add(" ORDER BY created, id LIMIT %s", shownUsers+1)
		names, err := t.strings(q)
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			if names[i] = u.noun + " " + name; i == shownUsers {
				names[i] = "more " + u.noun + "s"
			}
		}
		out = append(out, names...)
	}
	return out, nil
}

// load puts the environment's rows into e.
func (tb *configurationTable[T]) load(t *Tx, e *configuration.Environment, environmentID string) error {
	rows, err := tb.all(t, "WHERE environment_id = $1", environmentID)
	for _, row := range rows {
		tb.place(row)(e)
	}
	return err
}

// likeText is text as a part of a LIKE pattern with the escape \.
func likeText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
