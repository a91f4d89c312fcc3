package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

type journalCommand struct {
	remote
	ID   string `arg:"" help:"Id of the call."`
	File string `short:"f" help:"Where to write; - is standard output. Default: the id and .journal." placeholder:"FILE"`
}

// Run saves the journal of a call, whole or not at all.
func (j journalCommand) Run(a *app) error {
	c, err := j.client(a)
	if err != nil {
		return err
	}
	save := func(w io.Writer) error { return j.explain(c.Calls().Journal(a.ctx, j.ID, w)) }
	if j.File == "-" {
		return save(a.out)
	}
	path := cmp.Or(j.File, strings.Map(fileRune, j.ID)+".journal")
	if err := whole(path, save); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, path)
	return err
}
