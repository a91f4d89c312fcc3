// Package api is the HTTP interface: a REST contract compatible with the
// Fluents Hosted API, and a few operations of our own.
//
// A request passes three stages, each pure and tested alone. The normaliser
// brings the dialects of known clients into one form; the validator holds the
// result against openapi.yaml, the same file that is served; the handler
// decodes nouns and changes by allow-lists, runs one store transaction and
// renders the outcome. How things are rendered is data, the profile.
//
// The whole interface is one readable list: see server.routes.
package api
