// Package jobs carries out durable work. A job of River, the queue, only wakes a
// worker up; what is to be done, and whether it was, is a row of package store
// that the worker claims before it touches the outside. A job that is lost or
// delivered twice therefore does no harm.
package jobs
