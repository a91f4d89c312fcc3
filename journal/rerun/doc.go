// Package rerun runs a call again with another configuration beside its own.
//
// Up to the first output that differs the inputs of the journal are exact, as the agent
// has done the same. What follows is simulated, from what the call shows of those who
// took part in it:
//
//   - The caller (caller.go) says the same, and keeps the distance to what it followed: the
//     end of what the agent said before, its beginning when it is spoken over, or else the
//     caller's own words before.
//   - The model answers an equal question as in the call. To another one it gives the
//     answer of Options.Model, or none: then its part is left out.
//   - The voice (voice.go) speaks an equal text as in the call, and another one as fast as
//     it spoke in the call. Who sends the sound (player.go) does so without delay.
//   - A tool has the same result for an equal call, else one that says that it is not known.
//   - Timers are those of the machine, on time.
//   - A process that died in the call dies as long after the caller's words before, and the
//     next one goes on with the call as long after that. Between them nothing happens, and
//     what was under way is lost. A line that the agent has ended closes anyway.
//
// The package is pure: no clock, no file, no goroutine, and the same journal gives the
// same report.
package rerun
