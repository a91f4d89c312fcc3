// Package server puts Sidetone together: configuration, the list of drivers,
// start order, readiness, drain and shutdown. It is the only place that knows
// all parts.
package server
