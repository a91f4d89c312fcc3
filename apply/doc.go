// Package apply brings an environment into the state that files describe:
// prompts, actions, agents and numbers as YAML documents. It reads files, plans
// (a pure comparison with what the server has), carries the plan out and
// exports what is there as files again.
//
// A resource is identified by its kind and key: the key is unique in an
// environment, chosen by people, and never changes while the id behind it may.
// A number's key is the number. Resources without a key belong to nobody's
// files and are left alone.
package apply
