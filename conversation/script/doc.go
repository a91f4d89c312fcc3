// Package script gives the inputs and outputs of a conversation a text form, and
// journals of a call's inputs a file format. What is written here is read back
// as the same value, whatever bytes its texts contain.
//
// An input is one line, without its time:
//
//	caller quiet ago=0.200 length=1.000
//	heard flushed "tell me a story" ago=0.120
//	model text 1 "There was a king. "
//	voice sound 1 2.000 done 0:5@0.000:0.480 6:9@0.480:0.700
//
// An output is one line too, except AskModel, whose messages are on lines of
// their own:
//
//	Say 1 gen=1 "There was a king."
//	AskModel 2
//	    user "tell me a story"
//	    assistant "There was a king." interrupted
//
// A text is in double quotes with the escapes of Go. A word (a name, an
// identifier, a reason) needs quotes only when it is empty or has a blank, a
// quote, a backslash or a character outside ASCII. A duration is in seconds with
// up to nine decimals. Members with a name or of their own word, such as ago= and
// done, are left out when they are zero; the order of members is fixed.
//
// A journal has one input per line behind its time in microseconds since the
// call's beginning:
//
//	2200000 caller quiet ago=0.200 length=1.000
package script
