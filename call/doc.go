// Package call runs live calls. An Exchange admits the calls of this node; a
// Session runs one: it feeds the pure conversation machine and carries out what
// the machine wishes.
//
// One goroutine owns a session's machine and all its state. Helpers (leg
// reader, recogniser, model, synthesiser) only post typed inputs to its inbox.
// Audio never passes through it: a party's reader takes what comes from its leg
// to the recorder, the detector and the recogniser; the synthesiser fills the
// party's Player, which a Wheel empties into the leg. The calls of a node share
// a few Wheels, one for each processor core.
//
// Time comes from a Clock; nothing here reads the system's.
package call
