package main

import "errors"

type benchCommand struct {
	Baseline string `help:"Compare with this file." placeholder:"FILE"`
}

// Run measures.
func (benchCommand) Run(*app) error { return errors.New("not wired yet") }
