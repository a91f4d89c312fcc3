// Package jobs carries out durable work. A job of River, the queue, only wakes a
// worker up; what is to be done, and whether it was, is a row of package store
// that the worker claims before it touches the outside. A job that is lost or
// delivered twice therefore does no harm.
//
// Work begins when its transaction has committed: the store tells the Client,
// which begins it in turns and within Limits. River is for what is left, and for
// other nodes.
package jobs
