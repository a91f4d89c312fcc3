package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/sidetone/sidetone/server"
	"github.com/sidetone/sidetone/store"
)

// configFlags are the settings every command that touches a server's data has.
type configFlags struct {
	Config string `help:"Configuration file; sidetone.sample.yaml explains every key." type:"existingfile" placeholder:"FILE"`
	Data   string `help:"Data directory." placeholder:"DIR"`
}

// load reads the configuration; flags win over variables, variables over the
// file.
func (f configFlags) load(a *app) (server.Config, error) {
	c, err := server.LoadConfig(f.Config, a.environ)
	if err != nil {
		return c, err
	}
	if f.Data != "" {
		c.Data = f.Data
	}
	return c, nil
}

type serveCommand struct {
	configFlags
	HTTP      string `name:"http" help:"Address of the API; port 0 takes a free one." placeholder:"HOST:PORT"`
	SIP       string `name:"sip" help:"Address of SIP over UDP and TCP; port 0 takes a free one." placeholder:"HOST:PORT"`
	ReadyFile string `help:"Write {http, sip, api_key} here once calls can be taken." placeholder:"PATH"`
	Hints     bool   `help:"Print the commands a newcomer needs next."`
	Wheels    int    `help:"Goroutines that pace calls; without it, one for each processor core. For the benchmark." hidden:"" placeholder:"N"`
}

// Run serves until a signal comes.
func (s serveCommand) Run(a *app) error {
	c, err := s.load(a)
	if err != nil {
		return err
	}
	if s.HTTP != "" {
		c.HTTP.Addr = s.HTTP
	}
	if s.SIP != "" {
		c.SIP.Addr = s.SIP
	}
	saveMemory(a.environ)
	return server.Run(a.ctx, c, server.Options{ReadyFile: s.ReadyFile, Hints: s.Hints, Out: plainWriter{a.out}, Log: a.err, Now: a.now, Version: version,
		Program: os.Args[0], ConfigFile: s.Config, Wheels: s.Wheels})
}

// saveMemory lets the heap grow by half instead of doubling before it is
// collected, unless GOGC says otherwise. Calls allocate nothing per frame, so
// collections stay rare.
func saveMemory(environ []string) {
	for _, v := range environ {
		if strings.HasPrefix(v, "GOGC=") {
			return
		}
	}
	debug.SetGCPercent(50)
}

type migrateCommand struct{ configFlags }

// Run brings the database up to date.
func (m migrateCommand) Run(a *app) error {
	c, err := m.load(a)
	if err != nil {
		return err
	}
	return server.WithStore(a.ctx, c, func(*store.Store) error {
		_, err := fmt.Fprintln(a.out, "the database is up to date")
		return err
	})
}
