package server

import "github.com/sidetone/sidetone/llm"

// models are the language models of vendors, by the provider that an agent names.
func models() map[string]vendor[llm.Driver] { return nil }
