package store

import (
	"strings"

	"github.com/sidetone/sidetone"
)

// configured is the table of a noun that calls start from: memory holds the
// rows too and follows each commit. Its writes bump the environment's version,
// so that on Postgres two that concern each other cannot both commit.
type configured[T any] struct {
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

func (tb *configured[T]) insert(t *Tx, row T) error {
	if err := tb.table.insert(t, &row); err != nil {
		return err
	}
	t.change.edits = append(t.change.edits, tb.place(row))
	return nil
}

func (tb *configured[T]) update(t *Tx, row T) error {
	if err := tb.table.update(t, &row); err != nil {
		return err
	}
	t.change.edits = append(t.change.edits, tb.place(row))
	return nil
}

// place is the change of memory that puts row there.
func (tb *configured[T]) place(row T) func(*configuration) {
	tb.detach(&row)
	return func(c *configuration) { tb.shelf(c).put(row) }
}

// remove deletes the row with id. One that is in use is a Conflict that names
// its users; users are of the same environment, so that another's row has none.
func (tb *configured[T]) remove(t *Tx, id string) error {
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
	t.change.edits = append(t.change.edits, func(c *configuration) { tb.shelf(c).remove(id) })
	return nil
}

// users names the rows that need the one with id.
func (tb *configured[T]) users(t *Tx, id string) ([]string, error) {
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
		names, err := t.texts(q)
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

// load puts the environment's rows into c.
func (tb *configured[T]) load(t *Tx, c *configuration, environmentID string) error {
	rows, err := tb.all(t, "WHERE environment_id = $1", environmentID)
	for _, row := range rows {
		tb.place(row)(c)
	}
	return err
}

// likeText is text as a part of a LIKE pattern with the escape \.
func likeText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
