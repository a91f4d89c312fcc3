package main

import (
	"fmt"
	"io"

	"github.com/sidetone/sidetone/client"
)

type exportCalls struct {
	remote
	selection
	Format string `help:"csv, for spreadsheets, or jsonl, a JSON object a line." enum:"csv,jsonl" default:"csv"`
	File   string `short:"f" help:"Where to write; - is standard output." default:"-" placeholder:"FILE"`
}

// Run exports calls; a file is written whole or not at all.
func (e exportCalls) Run(a *app) error {
	query, err := e.selected()
	if err != nil {
		return err
	}
	c, err := e.client(a)
	if err != nil {
		return err
	}
	which := client.Query{SortColumn: query.Get("sort_column"), SortDesc: e.Desc, Filters: query.Get("filters")}
	save := func(w io.Writer) error { return e.explain(c.Calls().Export(a.ctx, e.Format, which, w)) }
	if e.File == "-" {
		return save(a.out)
	}
	if err := whole(e.File, save); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, e.File)
	return err
}
