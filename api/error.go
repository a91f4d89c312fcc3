package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/contract"
	"github.com/sidetone/sidetone/api/dialect"
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
	case tooSlow:
		return outcome{http.StatusRequestTimeout, "Request Timeout", ""}
	case sidetone.Conflict:
		return outcome{http.StatusConflict, "Conflict", ""}
	case sidetone.TooLarge:
		return outcome{http.StatusRequestEntityTooLarge, "Payload Too Large", ""}
	case badEncoding:
		return outcome{http.StatusUnsupportedMediaType, "Unsupported Media Type", ""}
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
	badEncoding      sidetone.Code = "bad_encoding"
	tooSlow          sidetone.Code = "too_slow"
)

// errorBody renders err, of a request for op, in the form that a profile wants.
func errorBody(form dialect.ErrorForm, op contract.Operation, err error) (outcome, object) {
	code := sidetone.CodeOf(err)
	if form == dialect.DetailErrors && code == sidetone.Invalid {
		code = sidetone.Unprocessable // the ancestor's status for what does not validate
	}
	o := outcomeOf(code)
	message := sidetone.MessageOf(err)
	body := object{"message": message, "error": o.name, "statusCode": o.status}
	if form == dialect.DetailErrors {
		body["detail"] = detail(o, op, err)
	}
	return o, body
}

// detail is the message, or with 422 the list of problems that the ancestor's
// clients parse then.
func detail(o outcome, op contract.Operation, err error) any {
	if o.status != http.StatusUnprocessableEntity {
		return sidetone.MessageOf(err)
	}
	var out []object
	for _, part := range sidetone.ProblemsOf(err) {
		location, _, _ := strings.Cut(part, " ")
		path := strings.Split(location, ".")
		where := "body"
		if op.HasParameter(path[0]) {
			where = "query"
		}
		out = append(out, object{"loc": append([]string{where}, path...), "msg": part, "type": "value_error"})
	}
	return out
}

// invalid is a 400 with a formatted message that starts with the path.
func invalid(format string, args ...any) error {
	return sidetone.Errorf(sidetone.Invalid, format, args...)
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
	problems := slices.Clone(sidetone.ProblemsOf(err))
	for i := range problems {
		problems[i] = path + "." + problems[i]
	}
	return sidetone.Joined(code, problems)
}
