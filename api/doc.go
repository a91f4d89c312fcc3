// Package api is the HTTP interface: a REST contract compatible with the
// Fluents Hosted API, and a few operations of our own.
//
// A request passes its stages in request.go: authentication, permission, the
// normaliser and the validator of package contract, the handler. A handler takes
// typed members out of the body, runs one store transaction and returns what to
// render. Package dialect has, as data, what older clients send and see otherwise;
// package wire has the JSON.
//
// The whole interface is one readable list: server.routes.
package api
