// Command sidetone puts AI agents on phone lines.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sidetone/sidetone/api/contract"
)

// version is set by the build.
var version = "dev"

// cli is the whole command line.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Answer and place calls, and serve the API."`
	Demo    demoCommand    `cmd:"" help:"Show everything in a minute: a server, an agent, simulated callers."`
	Replay  replayCommand  `cmd:"" help:"Replay a call from its journal, to the bit; make it a test; try another dial on it."`
	Phone   phoneCommand   `cmd:"" aliases:"call" help:"Be a caller: a SIP softphone that says lines, interrupts, listens and measures."`
	Migrate migrateCommand `cmd:"" help:"Bring the database up to date without starting a server."`
	Copy    copyCommand    `cmd:"" help:"Move a SQLite database to Postgres; may be interrupted and repeated."`
	Token   tokenCommand   `cmd:"" help:"Create, import, list and revoke API keys."`
	Secrets secretsCommand `cmd:"" help:"Rotate the keys that stored secrets are encrypted with."`

	Connect connectCommand `cmd:"" help:"Store your key of a vendor and try it."`

	Playbook playbookCommand `cmd:"" help:"Check playbooks, and try them in the terminal."`

	Numbers         numbersCommand    `cmd:"" group:"api" help:"Phone lines: list, get, available, buy, link, update, cancel, detach."`
	Calls           callsCommand      `cmd:"" group:"api" help:"Calls: list, get, create, end, events, transcript, recording."`
	Agents          agentsCommand     `cmd:"" group:"api" help:"Agents: list, get, create, update, delete, apply, drift, export."`
	Prompts         plainNoun         `cmd:"" group:"api" help:"Prompts: list, get, create, update, delete."`
	Actions         plainNoun         `cmd:"" group:"api" help:"Actions: list, get, create, update, delete."`
	Voices          plainNoun         `cmd:"" group:"api" help:"Voices: list, get, create, update, delete."`
	Webhooks        webhooksCommand   `cmd:"" group:"api" help:"Webhooks: list, get, create, update, delete, rotate-secret, test, listen."`
	Deliveries      deliveriesCommand `cmd:"" group:"api" help:"What webhooks were to be told: list, get, replay."`
	Connections     accountNoun       `cmd:"" group:"api" help:"Accounts at vendors: list, get, create, update, delete, and their steering pools."`
	VectorDatabases plainNoun         `cmd:"" group:"api" help:"Vector databases: list, get, create, update, delete."`
	Trunks          trunksCommand     `cmd:"" group:"api" help:"Carriers and telephone systems: add, list, get, create, update, delete, test."`
	Dnc             dncCommand        `cmd:"" group:"api" help:"Numbers that are never called: list, create, bulk, delete."`
	Environments    ownNoun           `cmd:"" group:"api" help:"Environments: list, get, create, update."`
	APIKeys         keysCommand       `cmd:"" name:"api-keys" group:"api" help:"API keys of an environment: list, get, create, import, update, revoke."`
	Members         plainNoun         `cmd:"" group:"api" help:"People: list, get, create, update, delete."`
	Refusals        listNoun          `cmd:"" group:"api" help:"Incoming calls that were refused, and why: list."`
	AuditLog        readNoun          `cmd:"" group:"api" help:"Who changed what: list, get."`
	Whoami          whoamiCommand     `cmd:"" group:"api" help:"Show whose key it is and what it may do."`
	Support         supportCommand    `cmd:"" group:"api" help:"Show what acts, and what is only stored and returned."`
	Usage           usageCommand      `cmd:"" group:"api" help:"Show the minutes of this month."`
	Metrics         metricsCommand    `cmd:"" group:"api" help:"Print the server's figures, in the text format of Prometheus."`
	Openapi         openapiCommand    `cmd:"" group:"api" help:"Print the document of the server's API."`
	Apply           applyCommand      `cmd:"" group:"files" help:"Bring prompts, actions, agents, trunks and numbers into the state of files."`
	Drift           driftCommand      `cmd:"" group:"files" help:"Show where the server differs from files, and fail if it does."`
	Export          exportCommand     `cmd:"" group:"files" help:"Write prompts, actions, agents, trunks and numbers as files."`

	Doctor  doctorCommand  `cmd:"" help:"Check ports, programs, the data directory and the vendors, and say what to do."`
	Standin standinCommand `cmd:"" help:"Take the place of a vendor: its protocol on loopback, with faults on demand."`
	Bench   benchCommand   `cmd:"" help:"Measure latency and cost a call on this machine."`
	Version versionCommand `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Complete   completeCommand   `cmd:"" hidden:""`
}

// app is what commands work with instead of the process's globals.
type app struct {
	ctx     context.Context
	out     io.Writer
	err     io.Writer
	environ []string
	// now is closed by an interrupt: stop at once; ctx ends by SIGTERM too,
	// which lets calls finish.
	now <-chan struct{}

	document *contract.Document // once contract has read it
}

// contract is the API's document, which takes a while to read and is read once.
func (a *app) contract() (*contract.Document, error) {
	if a.document != nil {
		return a.document, nil
	}
	document, err := contract.Load()
	a.document = document
	return document, err
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out a command line. Errors, warnings and logs may hold what others said,
// so nothing there controls the terminal.
func run(args []string, out, to io.Writer) int { return app{}.run(args, out, to) }

// run is run with what a knows already.
func (a app) run(args []string, out, to io.Writer) int {
	errs := plainWriter{to}
	ctx, now, stop := signals(func() {
		fmt.Fprintln(errs, "sidetone: stopped by force; what it was doing is not finished")
		os.Exit(forced)
	})
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("sidetone"), kong.Writers(out, errs),
		kong.Description("AI agents on phone lines: one binary that answers and places calls.\n\nStart with `sidetone demo`, then `sidetone serve`."),
		kong.UsageOnError(), kong.ExplicitGroups([]kong.Group{
			{Key: "api", Title: "Resources, over the API of a server:"}, {Key: "files", Title: "An environment as files:"},
		}), kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintln(errs, "sidetone:", err)
		return 2
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(errs, "sidetone:", err)
		fmt.Fprintf(errs, "Run `%s --help` for what there is.\n", reached(err))
		return 2
	}
	a.ctx, a.out, a.err, a.environ, a.now = ctx, out, errs, os.Environ(), now
	err = parsed.Run(&a)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	}
	fmt.Fprintln(errs, "sidetone:", err)
	return 1
}

// reached is the command that a line named before it went wrong.
func reached(err error) string {
	var misread *kong.ParseError
	if errors.As(err, &misread) && misread.Context.Selected() != nil {
		return misread.Context.Selected().FullPath()
	}
	return "sidetone"
}

// silent is a failure that has been explained already.
type silent string

func (s silent) Error() string { return string(s) }

const errSilent silent = "failed"

// forced is the exit status after one signal too many, as shells have it for
// INT.
const forced = 130

// signals returns a context that ends on TERM, INT or QUIT, and a channel that
// is closed when the wish is to stop at once: INT, or a second signal. One more
// signal after that calls force.
func signals(force func()) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	now := make(chan struct{})
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for hurry := false; ; {
			select {
			case <-done:
				return
			case s := <-ch:
				switch {
				case hurry:
					force()
				case s == syscall.SIGINT || ctx.Err() != nil:
					hurry = true
					close(now)
				}
				cancel()
			}
		}
	}()
	return ctx, now, func() {
		signal.Stop(ch)
		close(done)
		<-ended
		cancel()
	}
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, version)
	return err
}
