// Package call runs live calls. An Exchange admits the calls of this node; a
// Session runs one: it feeds the pure conversation machine and carries out what
// the machine wishes.
//
// One goroutine owns a session's machine and all its state. Helpers (leg
// reader, recogniser, model, synthesiser) only post typed inputs to its inbox.
// Audio never passes through it: leg -> detector, recorder and recogniser;
// synthesiser -> Player -> Wheel -> leg. All calls of a node share one Wheel.
//
// Time comes from a Clock; nothing here reads the system's.
package call
