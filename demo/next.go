package demo

import "github.com/sidetone/sidetone/process"

// nextSteps says what the demo left where, and what to do with it and after it;
// call is the one to look at.
func (s *show) nextSteps(call string) {
	s.printf(`
What the demo left, in %[1]s (delete it when you like):
  sidetone.db, master.key   the agent, its number, both calls and their events; the key of stored secrets
  recordings/               a stereo WAV file of each call
  server.log, ready.json    what the server logged; its API key

Look at it again:
  export SIDETONE_API_KEY=$(%[2]s token create --data %[1]s --label me)
  %[2]s serve --data %[1]s
and in another shell, with the same key:
  %[2]s calls transcript %[3]s
  %[2]s calls events %[3]s

Next:
  make run              a server of your own; it prints how to put an agent on a number and call it
  docs/1-start.md       the same step by step, and what it prints
  docs/calling-in.md    call in with a softphone, a desk phone or a carrier
  docs/support.md       what works in this version, and what is only stored
`, process.Quote(s.dir), process.Quote(s.o.Program), call)
}
