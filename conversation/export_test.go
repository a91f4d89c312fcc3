package conversation

import "time"

// EvenWords is evenWords for the golden calls, which are outside the package
// because package script imports it.
func EvenWords(text string, total time.Duration) []Word { return evenWords(text, total) }
