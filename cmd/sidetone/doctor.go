package main

import (
	"fmt"

	"github.com/sidetone/sidetone/server"
)

type doctorCommand struct{ configFlags }

// Run prints one line a check and fails when the server could not start.
func (d doctorCommand) Run(a *app) error {
	c, err := d.load(a)
	if err != nil {
		return err
	}
	failed := false
	out := plainWriter{a.out} // it tells what vendors said
	for _, f := range server.Doctor(a.ctx, c) {
		mark := "ok   "
		switch {
		case f.Fix != "" && f.Optional:
			mark = "warn "
		case f.Fix != "":
			mark, failed = "FAIL ", true
		}
		fmt.Fprintf(out, "%s %-24s %s\n", mark, f.Name, shown(f.Detail))
		if f.Fix != "" {
			fmt.Fprintf(out, "      -> %s\n", f.Fix)
		}
	}
	if failed {
		return errSilent
	}
	return nil
}
