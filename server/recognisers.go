package server

import "github.com/sidetone/sidetone/transcriber"

// recognisers are the recognisers of vendors, by the type of a transcriber.
func recognisers() map[string]vendor[transcriber.Driver] { return nil }
