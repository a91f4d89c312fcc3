package server

import "github.com/sidetone/sidetone/synthesizer"

// voices are the voices of vendors, by type.
func voices() map[string]vendor[synthesizer.Driver] { return nil }
