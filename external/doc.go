// Package external runs actions that are requests to a customer's own server: it holds
// what the model gives against the action's schema, asks in the shape that the server
// knows, and makes data for the model of what comes back.
package external
