package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/sidetone/sidetone/bench"
	"github.com/sidetone/sidetone/loadgen"
)

type benchCommand struct {
	Baseline        string   `help:"Limits and earlier figures to judge by; without it, the promised limits." type:"existingfile" placeholder:"FILE"`
	WriteBaseline   string   `help:"Write the figures here as the next baseline; parts that are not measured keep those of --baseline." placeholder:"FILE"`
	Quick           bool     `help:"Measure less of everything, in about three minutes."`
	Only            []string `help:"Parts to measure: echo, g722, wheels, turn, bargein, cough, setup, pipeline, secure, journals, recording, wire, cold." placeholder:"PART"`
	Wire            bool     `help:"Measure only whether what is reported of turns is what their callers hear, over 200 calls; as --only wire."`
	Turns           int      `help:"Turns of the single call; without it 500, which take 10 minutes." placeholder:"N"`
	Keep            bool     `help:"Keep the data directory and the server's log."`
	CalibrationPeer int      `help:"Be the far end of the bare-socket calibration with this many sockets." hidden:"" placeholder:"N"`
}

// Run measures and judges.
func (c benchCommand) Run(a *app) error {
	if c.CalibrationPeer > 0 {
		return loadgen.ServeCalibration(a.ctx, c.CalibrationPeer, os.Stdin, a.out)
	}
	if c.Wire {
		c.Only = append(c.Only, "wire")
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	err = bench.Run(a.ctx, bench.Options{
		Program: self, Out: a.out, Baseline: c.Baseline, WriteBaseline: c.WriteBaseline,
		Quick: c.Quick, Only: c.Only, Turns: c.Turns, Keep: c.Keep,
	})
	if errors.Is(err, bench.ErrMissed) {
		fmt.Fprintln(a.err, "sidetone:", err)
		return errSilent
	}
	return err
}
