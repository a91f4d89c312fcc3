package server

import (
	"fmt"
	"io"
	"strings"
)

// printHints prints what a newcomer does next: curl, the softphone, a desk
// phone.
func printHints(w io.Writer, r Ready, c Config) error {
	key := r.APIKey
	if key == "" {
		key = "<the one printed at the first start; stop the server and run `sidetone token create` for another>"
	}
	lines := []string{
		"Sidetone is ready.",
		"",
		"  API      " + r.HTTP,
		"  SIP      " + r.SIP + " (UDP and TCP)",
		"  API key  " + key,
		"",
		"Next, in another shell:",
		"  export SIDETONE_URL=" + r.HTTP + " SIDETONE_KEY=" + key,
		"  alias api='curl -sS -H \"Authorization: Bearer $SIDETONE_KEY\" -H \"Content-Type: application/json\"'",
		"",
		"  # an agent, a number, and the agent on the number",
		`  api $SIDETONE_URL/v1/agents/create -d '{"prompt":{"content":"You are a friendly receptionist."},"initial_message":"Hello, how can I help?"}'`,
		`  api "$SIDETONE_URL/v1/numbers/available?limit=3"`,
		`  api $SIDETONE_URL/v1/numbers/buy -d '{"phone_number":"+14155550100"}'`,
		`  api "$SIDETONE_URL/v1/numbers/update?phone_number=%2B14155550100" -d '{"inbound_agent":"AGENT_ID","example_context":{}}'`,
		"",
		"  # call it",
		"  bin/sidetone call --server " + r.SIP + " --say 'I would like to book an appointment' +14155550100",
		"",
		"  # from a desk phone or Linphone: let it in with one account in sidetone.yaml",
		"  #   sip: {addr: 0.0.0.0:5060, advertise: THIS_HOST, users: [{name: desk, password: CHANGE_ME}]}",
		"  # then register desk@THIS_HOST and dial the number. Details: docs/calling-in.md",
	}
	if !strings.HasPrefix(c.SIP.Addr, "127.") {
		lines = append(lines, "", "  SIP listens beyond this machine: only trunks, users and listed sources are answered.")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
