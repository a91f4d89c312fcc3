package main

import (
	"fmt"

	"github.com/sidetone/sidetone/client"
)

type secretsCommand struct {
	RotateMaster      rotateMaster      `cmd:"" help:"Wrap all data keys with a new master key, or with one put in front of the old one."`
	RotateEnvironment rotateEnvironment `cmd:"" help:"Make a new data key for an environment and seal its secrets anew."`
}

type rotateMaster struct{ configFlags }

// Run rotates the master key.
func (r rotateMaster) Run(a *app) error {
	return tokenFlags{configFlags: r.configFlags}.with(a, func(c *client.Client) error {
		done, err := c.RotateMaster(a.ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "master key %s wraps from now on; data keys wrapped anew: %d\nKeep a copy of it, and the old one as long as backups from before today.\n",
			done.MasterKeyID, done.Rewrapped)
		return err
	})
}

type rotateEnvironment struct{ tokenFlags }

// Run rotates the data key of an environment.
func (r rotateEnvironment) Run(a *app) error {
	return r.with(a, func(c *client.Client) error {
		done, err := c.RotateEnvironment(a.ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "environment %s: data key %d seals from now on; secrets sealed anew: %d, old data keys deleted: %d\n",
			done.EnvironmentID, done.DataKeyVersion, done.Resealed, done.Retired)
		return err
	})
}
