// Package delivery sends what webhooks are told: it finds the webhooks for which
// something is due, leases one at a time from the store, and sends until nothing is due,
// each call's messages in their order.
//
// What is to be sent, and what became of it, is in the store alone. A process that ends
// loses nothing; a message whose outcome it did not store is sent again, with the same
// webhook-id.
package delivery
