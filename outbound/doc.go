// Package outbound is the one way out to every address that a customer's setting
// can name. It decides by the address that is dialled, not by the name, and
// follows no redirects.
package outbound
