// Package aftercall finds out what a call that is over tells: what is asked of a language
// model, how its answer is read, and what is recognised without one. What was said in the
// call reaches the model as data, and what comes back has a type and a size; a caller who
// gives the model orders can make it err, and no more.
package aftercall
