package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says how to use it.
func (completionCommand) Help() string {
	return "bash: source <(sidetone completion bash)\n\nzsh: source <(sidetone completion zsh)\n\nfish: sidetone completion fish | source"
}

// Run prints the script that makes the shell ask this program.
func (c completionCommand) Run(a *app) error {
	script, ok := completionScripts()[c.Shell]
	if !ok {
		return fmt.Errorf("no completion for the shell %q", c.Shell)
	}
	_, err := fmt.Fprint(a.out, script)
	return err
}

// completionScripts are the scripts by the names of the shells.
func completionScripts() map[string]string {
	return map[string]string{
		"zsh": `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_sidetone() {
  local -a words_found
  words_found=("${(@f)$(sidetone complete -- "${(@)words[2,CURRENT]}")}")
  if (( ${#words_found} )) && [[ -n ${words_found[1]} ]]; then compadd -- "${words_found[@]}"; else _files; fi
}
compdef _sidetone sidetone
`,
		"fish": `complete -c sidetone -f -a '(sidetone complete -- (commandline -opc)[2..] (commandline -ct))'
complete -c sidetone -s f -l file -l config -l data -l ready-file -l wav -l record -r -F
`,
		"bash": `_sidetone() {
  local IFS=$'\n'
  COMPREPLY=($(sidetone complete -- "${COMP_WORDS[@]:1:COMP_CWORD}"))
}
complete -o default -F _sidetone sidetone
`,
	}
}

type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:"all"`
}

// Run prints what the last of the words could become, a line each.
func (c completeCommand) Run(a *app, k *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range candidates(k.Model.Node, words) {
		if _, err := fmt.Fprintln(a.out, candidate); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns what the last word can become: subcommands, or flags when
// it begins with a hyphen, or the values of the flag before it.
func candidates(node *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	flags := slices.Clone(node.Flags)
	for _, word := range before {
		if child := childOf(node, word); child != nil {
			node = child
			flags = append(flags, node.Flags...)
		}
	}
	var all []string
	switch flag := flagOf(flags, before); {
	case flag != nil && !flag.IsBool():
		all = flag.EnumSlice()
	case strings.HasPrefix(last, "-"):
		for _, f := range flags {
			if !f.Hidden {
				all = append(all, "--"+f.Name)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
		for _, p := range node.Positional {
			all = append(all, p.EnumSlice()...)
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" || !strings.HasPrefix(s, last) })
	slices.Sort(all)
	return slices.Compact(all)
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name || slices.Contains(child.Aliases, name) {
			return child
		}
	}
	return nil
}

// flagOf is the flag that waits for its value, nil for none.
func flagOf(flags []*kong.Flag, before []string) *kong.Flag {
	if len(before) == 0 {
		return nil
	}
	for _, f := range flags {
		if word := before[len(before)-1]; word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}
