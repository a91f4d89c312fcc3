// Package journal is the written course of a call's machine: a header from which
// conversation.New makes the same machine again, each input with its time before the
// machine has acted on it, and marks of the outputs that it gave. Replay runs a machine
// through the inputs and compares the outputs. The package is pure: no clock, no file.
//
// A journal is text, one thing a line:
//
//	sidetone journal 1
//	{"call":"...","build":"...","config":{...}, ...}
//	2200000 caller quiet ago=0.200 length=1.000
//	= Arm:x3 AskModel:q9
//	# 2210000 asked openai, request req_1
//	61000000 line hungup normal
//	= Note:0a
//	end 61000000 3f2a91bc55e01d77
//
// Inputs have the form of package conversation/script behind their time in microseconds
// since the call's beginning. The line of marks belongs to the input before it and is
// left out when there were no outputs. A mark is the kind of an output and 12 bits of a
// digest of the texts of all outputs up to it: what the outputs said is not stored, as
// the inputs give it again. As the digest goes on, an output whose mark is the same by
// accident is noticed at the next one, and at the last line at the latest. Comment lines hold what the session did and the machine did
// not see. The last line says that the journal is whole, and has all 64 bits of the
// digest; "full" instead of "end" says that a limit ended the journal before the call.
// One without either was cut: its call goes on, or its process died. Past gives the machine
// of such a call and a Writer with which its journal goes on, as one with "line resumed".
package journal
