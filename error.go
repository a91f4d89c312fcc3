package sidetone

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an Error for machines.
type Code string

// The codes; the API's error table maps each to one HTTP status.
const (
	Invalid         Code = "invalid"
	Unauthenticated Code = "unauthenticated"
	Forbidden       Code = "forbidden"
	NotFound        Code = "not_found"
	Conflict        Code = "conflict"
	TooLarge        Code = "too_large"
	Unprocessable   Code = "unprocessable"
	Limited         Code = "limited"
	Unavailable     Code = "unavailable"
	Internal        Code = "internal"
)

// Error is an error a customer may see: a code and a safe message. The cause is
// for the log only.
type Error struct {
	// Code classifies the error.
	Code Code
	// Message is safe to show and starts with the path of the property it
	// concerns, if any.
	Message string
	// Problems are the sentences, each with its own path, when the message joins
	// several; nil for one.
	Problems []string
	// Cause is the technical reason, never shown; may be nil.
	Cause error
}

// Error returns the message and, for the log, the cause.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an Error with a formatted, customer-safe message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Joined returns an Error with the code about several problems, at least one. Each
// is a customer-safe sentence that starts with its path; the message joins them
// with "; ".
func Joined(code Code, problems []string) *Error {
	e := &Error{Code: code, Message: strings.Join(problems, "; ")}
	if len(problems) > 1 {
		e.Problems = problems
	}
	return e
}

// ProblemsOf returns the sentences of err's message, one for each problem. They are
// not to be modified.
func ProblemsOf(err error) []string {
	if e, ok := errors.AsType[*Error](err); ok && e.Problems != nil {
		return e.Problems
	}
	return []string{MessageOf(err)}
}

// CodeOf returns the code of the first Error in err's chain; Internal when
// there is none, "" when err is nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// MessageOf returns the customer-safe message of err: that of the first Error
// in its chain, else a generic one.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal error"
}
