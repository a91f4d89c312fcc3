package server

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
	"github.com/sidetone/sidetone/telephony"
)

// hints is what a newcomer's next commands depend on.
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
}

// hints looks up what there is.
func (s *server) hints(ctx context.Context, r Ready) (hints, error) {
	program := s.options.Program
	if program == "" {
		program = "sidetone"
	}
	h := hints{Ready: r, program: quote(program), public: !strings.HasPrefix(s.config.SIP.Addr, "127.")}
	h.token = s.tokenCommand()
	if err := h.findOwn(ctx, s.store); err != nil {
		return h, fmt.Errorf("look for a number to call: %w", err)
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

// tokenCommand is the command line that makes another key for this server.
func (s *server) tokenCommand() string {
	program := s.options.Program
	if program == "" {
		program = "sidetone"
	}
	out := quote(program) + " token create"
	if s.options.ConfigFile != "" {
		out += " --config " + quote(s.options.ConfigFile)
	}
	return out + " --data " + quote(s.config.Data)
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

// print writes what a newcomer does next: curl, the softphone, a desk phone.
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
		"",
		"Next, in another shell:",
		"  export SIDETONE_URL=" + h.HTTP + " SIDETONE_API_KEY=" + key,
		`  api() { curl -sS -H "Authorization: Bearer $SIDETONE_API_KEY" -H "Content-Type: application/json" "$@"; }`,
	}
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

// steps are the commands up to the first call, without what is done already.
func (h hints) steps() []string {
	var out []string
	say := func(lines ...string) { out = append(out, lines...) }
	if !h.answered {
		say("", "  # an agent, a number, and the agent on the number",
			`  AGENT=$(api $SIDETONE_URL/v1/agents/create -d '{"prompt":{"content":"You are a friendly receptionist."},"initial_message":"Hello, how can I help?"}' \`,
			`    | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4); echo "agent $AGENT"`)
		if !h.owned {
			say(`  api $SIDETONE_URL/v1/numbers/buy -d '{"phone_number":"` + h.number + `"}'`)
		}
		say(`  api "$SIDETONE_URL/v1/numbers/update?phone_number=` + url.QueryEscape(h.number) + `" -d '{"inbound_agent":"'$AGENT'","example_context":{}}'`)
	}
	say("", "  # call it", "  "+h.program+" call --server "+h.SIP+" --say 'I would like to book an appointment' "+h.number,
		"", "  # the calls so far", `  api "$SIDETONE_URL/v1/calls/list?size=5"`)
	return out
}

// quote writes a word as a shell takes it.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
