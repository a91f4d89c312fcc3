package api

import (
	"net/http"
	"strings"

	"github.com/sidetone/sidetone"
)

// outcome is how an error code looks on the wire.
type outcome struct {
	status int
	name   string
	// retry is the Retry-After in seconds; "" for none.
	retry string
}

// outcomeOf is the only table from codes to statuses.
func outcomeOf(code sidetone.Code) outcome {
	switch code {
	case sidetone.Invalid:
		return outcome{http.StatusBadRequest, "Bad Request", ""}
	case sidetone.Unauthenticated:
		return outcome{http.StatusUnauthorized, "Unauthorized", ""}
	case sidetone.Forbidden:
		return outcome{http.StatusForbidden, "Forbidden", ""}
	case sidetone.NotFound:
		return outcome{http.StatusNotFound, "Not Found", ""}
	case methodNotAllowed:
		return outcome{http.StatusMethodNotAllowed, "Method Not Allowed", ""}
	case sidetone.Conflict:
		return outcome{http.StatusConflict, "Conflict", ""}
	case sidetone.TooLarge:
		return outcome{http.StatusRequestEntityTooLarge, "Payload Too Large", ""}
	case badRange:
		return outcome{http.StatusRequestedRangeNotSatisfiable, "Range Not Satisfiable", ""}
	case sidetone.Unprocessable:
		return outcome{http.StatusUnprocessableEntity, "Unprocessable Entity", ""}
	case sidetone.Limited:
		return outcome{http.StatusTooManyRequests, "Too Many Requests", "1"}
	case sidetone.Unavailable:
		return outcome{http.StatusServiceUnavailable, "Service Unavailable", "2"}
	default:
		return outcome{http.StatusInternalServerError, "Internal Server Error", ""}
	}
}

// The codes that exist only in HTTP.
const (
	methodNotAllowed sidetone.Code = "method_not_allowed"
	badRange         sidetone.Code = "bad_range"
)

// body renders err as the form has it.
func (f errorForm) body(err error) (outcome, any) {
	o := outcomeOf(sidetone.CodeOf(err))
	message := sidetone.MessageOf(err)
	body := map[string]any{"message": message, "error": o.name, "statusCode": o.status}
	if f == detailErrors {
		body["detail"] = detail(o, message)
	}
	return o, body
}

// detail is the message, or with 422 the list of problems that the ancestor's
// clients parse then.
func detail(o outcome, message string) any {
	if o.status != http.StatusUnprocessableEntity {
		return message
	}
	var out []object
	for part := range strings.SplitSeq(message, "; ") {
		location, _, _ := strings.Cut(part, " ")
		loc := append([]string{"body"}, strings.Split(location, ".")...)
		out = append(out, object{{"loc", loc}, {"msg", part}, {"type", "value_error"}})
	}
	return out
}

// invalid is a 400 with a formatted message that starts with the path.
func invalid(format string, args ...any) error {
	return sidetone.Errorf(sidetone.Invalid, format, args...)
}

// problems joins several messages into one 400; nil when there are none.
func problems(messages []string) error {
	if len(messages) == 0 {
		return nil
	}
	return invalid("%s", strings.Join(messages, "; "))
}

// missing is the 404 of a path whose value names no resource here.
func missing(path, noun string) error {
	return sidetone.Errorf(sidetone.NotFound, "%s names no %s in this environment", path, noun)
}

// named turns a NotFound of the store into one that names the property, and
// leaves every other error alone.
func named(err error, path, noun string) error {
	if sidetone.CodeOf(err) == sidetone.NotFound {
		return missing(path, noun)
	}
	return err
}

// below puts path in front of each problem of an invalid or missing value.
func below(path string, err error) error {
	code := sidetone.CodeOf(err)
	if code != sidetone.Invalid && code != sidetone.NotFound {
		return err
	}
	parts := strings.Split(sidetone.MessageOf(err), "; ")
	for i := range parts {
		parts[i] = path + "." + parts[i]
	}
	return sidetone.Errorf(code, "%s", strings.Join(parts, "; "))
}
