// Package provider is what the drivers of vendors share: how a request fails,
// one HTTP request, a stream of server-sent events, and a WebSocket. Nothing in
// it tries anything again: whoever runs the call decides that.
package provider
