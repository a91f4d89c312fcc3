// Package sidetone holds the nouns of the product: accounts, environments, API
// keys, numbers, agents, prompts, voices, calls, transcripts and events, with
// their changes, defaults and rules.
//
// The types know nothing of JSON, SQL or the network: package api renders and
// decodes them, package store keeps them.
package sidetone
