package main

import (
	"fmt"
	"os"
	"time"

	"github.com/sidetone/sidetone/demo"
)

type demoCommand struct {
	Speech string        `help:"speech, or tty for text telephones." enum:"speech,tty" default:"speech" env:"DEMO_SPEECH"`
	Codec  string        `help:"G722, PCMU or PCMA: what the callers offer; empty offers all, and the server takes G722." enum:",G722,PCMU,PCMA" default:"" env:"DEMO_CODEC"`
	Data   string        `help:"Keep the data here instead of in a new directory." placeholder:"DIR"`
	Shift  time.Duration `help:"Delay each line of the caller by this, to move its frame alignment." default:"0s"`
}

// Run shows the demo.
func (d demoCommand) Run(a *app) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return demo.Run(a.ctx, demo.Options{Program: self, Out: a.out, TTY: d.Speech == "tty", Codec: d.Codec, Dir: d.Data, Shift: d.Shift})
}
