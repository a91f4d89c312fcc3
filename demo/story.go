// Package demo tells the story of `make demo`: a server on an empty directory,
// an agent on a number, a caller who rings it, and a call placed by the agent.
// Server and callers are processes of their own, and everything between them
// goes through the public ports.
package demo

import (
	_ "embed" // the playbooks
)

//go:embed clinic.txt
var clinicPrompt string

//go:embed reminder.txt
var reminderPrompt string

//go:embed tty.txt
var ttyPrompt string

// story is what is said in one demo.
type story struct {
	title    string
	voice    string // type of the agents' voice
	prompt   string
	greeting string
	lines    []string // the caller's, as `sidetone phone --say` takes them
	expect   []string // a word of the agent's answer to each of them
	flags    []string // further flags of the callers
	reminder string   // what the agent says when it calls
	answer   []string // the called one's lines
}

// spoken is the demo in speech, over the codec that the callers offer.
func spoken(codec string) story {
	line := "G.722 at 16 kHz"
	if codec == "PCMU" || codec == "PCMA" {
		line = "G.711 at 8 kHz"
	}
	return story{
		title: "speech: " + line + ", flite and pocketsphinx", voice: "voice_flite", prompt: clinicPrompt,
		greeting: "Sunny Hill clinic, how can I help you?",
		lines: []string{
			"How do I make an appointment?",
			"Tuesday morning would be good.",
			"My name is Robert Johnson.",
			"That is right.",
			"What are your opening hours?",
			"@2s Excuse me, is there any parking at the clinic?",
			"No, that is all. Good bye.",
		},
		expect:   []string{"day", "name", "robert", "booked", "open", "parking", "goodbye"},
		reminder: "Hello, Sunny Hill clinic. You come on Tuesday, is that right?",
		answer:   []string{"That is right."},
	}
}

// typed is the demo in the tones of text telephones: at most 240 characters in
// all, because each takes 176 ms.
func typed() story {
	return story{
		title: "text telephones: Baudot tones over G.711, no speech program", voice: "voice_tty", prompt: ttyPrompt,
		greeting: "clinic.",
		lines:    []string{"hours?", "book.", "bob.", "bye."},
		expect:   []string{"open", "name", "bob", "bye"},
		flags:    []string{"--tty"},
		reminder: "bob: 10 15 ok?",
		answer:   []string{"bye."},
	}
}
