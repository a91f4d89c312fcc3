package server

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/process"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// hints is the state that the printed next commands depend on.
type hints struct {
	Ready
	// program is how this one was called; token makes another API key.
	program, token string
	// number is one to call: of ours if owned, else one to buy; answered says
	// that an agent is on it.
	number          string
	owned, answered bool
	// public says that SIP listens beyond this machine.
	public bool
	// talks is whom agents use that name nobody.
	talks settings
}

// hints reads that state.
func (s *server) hints(ctx context.Context, r Ready) (hints, error) {
	program := s.options.Program
	if program == "" {
		program = "sidetone"
	}
	h := hints{Ready: r, program: process.Quote(program), public: !s.config.SIP.onLoopback()}
	h.token = s.tokenCommand()
	if err := h.findOwn(ctx, s.store); err != nil {
		return h, fmt.Errorf("look for a number to call: %w", err)
	}
	var err error
	if h.talks, err = s.firstTalks(ctx); err != nil {
		return h, err
	}
	if h.number != "" {
		return h, nil
	}
	free, err := s.shop.Search(ctx, telephony.NumberQuery{AreaCode: "415", Limit: 1})
	if err != nil || len(free) == 0 {
		return h, err
	}
	h.number = free[0].Number
	return h, nil
}

// firstTalks is whom agents of the first environment use that name nobody.
func (s *server) firstTalks(ctx context.Context) (settings, error) {
	all, err := s.store.Environments(ctx)
	if err != nil || len(all) == 0 || s.providers == nil {
		return settings{}, err
	}
	return s.providers.settings(ctx, all[0].ID)
}

// tokenCommand is the command line that makes another key for this server.
func (s *server) tokenCommand() string {
	program := s.options.Program
	if program == "" {
		program = "sidetone"
	}
	out := process.Quote(program) + " token create"
	if s.options.ConfigFile != "" {
		out += " --config " + process.Quote(s.options.ConfigFile)
	}
	return out + " --data " + process.Quote(s.config.Data)
}

// findOwn looks for a simulated number of the first environment, preferably one
// that an agent answers.
func (h *hints) findOwn(ctx context.Context, s *store.Store) error {
	all, err := s.Environments(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	return s.Read(ctx, all[0].ID, func(tx *store.Tx) error {
		page, err := tx.Numbers(sidetone.PageQuery{Page: 1, Size: 100})
		for _, n := range page.Items {
			if !n.Active || n.Provider != "simulated" || n.OutboundOnly {
				continue
			}
			answered := n.InboundAgentID != ""
			if h.number == "" || answered && !h.answered {
				h.number, h.owned, h.answered = n.Number, true, answered
			}
		}
		return err
	})
}

// print writes what a newcomer does next: an agent on a number, a call, what was
// said in it, a desk phone.
func (h hints) print(w io.Writer) error {
	key, shown := h.APIKey, h.APIKey
	if key == "" {
		key = "YOUR_KEY"
		shown = "was shown when it was made. To get another one, run in another shell\n" +
			"             " + h.token
	}
	lines := []string{
		"Sidetone is ready.",
		"",
		"  API      " + h.HTTP,
		"  SIP      " + h.SIP + " (UDP and TCP)",
		"  API key  " + shown,
	}
	if who := h.talks.told(); who != "" {
		lines = append(lines, "  Talks    agents that name nobody "+who)
	}
	lines = append(lines,
		"",
		"Next, in another shell:",
		"  export SIDETONE_URL="+h.HTTP+" SIDETONE_API_KEY="+key)
	lines = append(lines, h.steps()...)
	lines = append(lines,
		"",
		"  # from a desk phone or Linphone: let it in with one account in sidetone.yaml",
		"  #   sip: {addr: 0.0.0.0:5060, advertise: THIS_HOST, users: [{name: desk, password: CHANGE_ME}]}",
		"  # then register desk@THIS_HOST and dial the number. Details: docs/calling-in.md")
	if h.public {
		lines = append(lines, "", "  SIP listens beyond this machine: only trunks, users and listed sources are answered.")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// told says in words whom agents use that name nobody; "" for the server's own.
func (s settings) told() string {
	var out []string
	for _, part := range []struct{ verb, who string }{{"think with ", s.model}, {"speak with ", s.voice}, {"listen with ", s.recogniser}} {
		switch part.who {
		case "":
		case autoModel:
			out = append(out, "have no model (auto found neither Ollama nor llama.cpp on this machine)")
		default:
			out = append(out, part.verb+part.who)
		}
	}
	return strings.Join(out, ", ")
}

// deskPlaybook is what the agent does without a model, deskPrompt what it is told when
// there is one.
const (
	deskPlaybook = `  playbook: desk
  when caller says: appointment, book
    ask day as day: Which day?
    say: You asked for $day.
  otherwise:
    say: You can ask for an appointment.`
	deskPrompt = `  You answer the telephone of a dentist. Be brief and kind. Appointments are
  free on Tuesday at nine and on Thursday at two.`
)

// deskFiles are an agent and its number as `sidetone apply` reads them, up to the
// end of a here-document.
const deskFiles = `kind: prompt
key: desk
content: |
PROMPT
---
kind: agent
key: desk
name: Desk
prompt: desk
initial_message: Hello, how can I help?
---
kind: number
number: "NUMBER"
buy: true
inbound_agent: desk
END`

// steps are the commands up to the first call, without what is done already.
func (h hints) steps() []string {
	var out []string
	say := func(lines ...string) { out = append(out, lines...) }
	if !h.answered {
		say("", "  # an agent with a playbook, and a number that it answers", h.program+" apply -f - <<'END'")
		prompt := deskPlaybook
		if h.talks.model != "" && h.talks.model != autoModel {
			prompt = deskPrompt
		}
		say(strings.Split(strings.NewReplacer("NUMBER", h.number, "PROMPT", prompt).Replace(deskFiles), "\n")...)
	}
	say("", "  # call it", "  "+h.program+" phone --server "+h.SIP+" --say 'I would like to book an appointment' --say tuesday "+h.number,
		"", "  # the calls so far, and what was said in one of them", "  "+h.program+" calls list", "  "+h.program+" calls transcript ID")
	return out
}
