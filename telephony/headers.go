package telephony

import (
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxHeaders is how many headers a call may be placed with, MaxHeader how many
	// bytes one value may have, and MaxAllHeaders names and values together.
	MaxHeaders    = 16
	MaxHeader     = 1024
	MaxAllHeaders = 4096
)

// CheckHeaders says why a call cannot be placed with these headers, as the end of
// a sentence that begins with their place: "["+name+"] must ...". Headers that
// make the dialog, route, prove who we are or describe the body are never set from
// outside; X-, User-to-User ([RFC 7433]), Diversion ([RFC 5806]) and History-Info
// ([RFC 7044]) may be.
//
// [RFC 7433]: https://www.rfc-editor.org/rfc/rfc7433
// [RFC 5806]: https://www.rfc-editor.org/rfc/rfc5806
// [RFC 7044]: https://www.rfc-editor.org/rfc/rfc7044
func CheckHeaders(headers map[string]string) error {
	if len(headers) > MaxHeaders {
		return fmt.Errorf(" must have at most %d headers", MaxHeaders)
	}
	size, seen := 0, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, canonical := headers[name], textproto.CanonicalMIMEHeaderKey(name)
		size += len(name) + len(value)
		switch {
		case !sendable(name):
			return fmt.Errorf("[%q] must be X- and a name, User-to-User, Diversion or History-Info", clipped(name))
		case seen[canonical]:
			return fmt.Errorf("[%q] must be there once, in whatever case", name)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("[%q] must have no line ends and no other control characters", name)
		case strings.TrimSpace(value) == "" || len(value) > MaxHeader:
			return fmt.Errorf("[%q] must have 1 to %d bytes", name, MaxHeader)
		}
		seen[canonical] = true
	}
	if size > MaxAllHeaders {
		return fmt.Errorf(" must have at most %d bytes in all", MaxAllHeaders)
	}
	return nil
}

// HangupHeader says that a header of CheckHeaders has a meaning at the end of a
// call as well: it goes with our BYE.
func HangupHeader(name string) bool {
	return hasPrefixFold(name, "X-") || strings.EqualFold(name, "User-to-User")
}

// sendable says that a header may be set from outside.
func sendable(name string) bool {
	if len(name) > 64 || !token(name) {
		return false
	}
	return hasPrefixFold(name, "X-") && len(name) > len("X-") ||
		slices.ContainsFunc([]string{"User-to-User", "Diversion", "History-Info"}, func(known string) bool { return strings.EqualFold(name, known) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// token says that a text is one by RFC 3261, section 25.1.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && !strings.ContainsRune("-.!%*_+`'~", r)
	})
}

// CheckHeaderIn says why the value of a header that a caller sends cannot become a
// variable: the name is none, or the header proves who somebody is and is not for
// an agent's ears. The error is the end of a sentence that begins with the name.
func CheckHeaderIn(name, variable string) error {
	for _, never := range []string{"Authorization", "Proxy-Authorization"} {
		if strings.EqualFold(name, never) {
			return fmt.Errorf("must not be a header with credentials")
		}
	}
	if !token(name) || len(name) > 64 {
		return fmt.Errorf("must be the name of a header")
	}
	word := variable != "" && len(variable) <= 64 && !strings.ContainsFunc(variable, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if !word {
		return fmt.Errorf("must name a variable of letters, digits and _")
	}
	return nil
}

func clipped(name string) string {
	if len(name) > 64 {
		return strings.ToValidUTF8(name[:64], "") + "..."
	}
	return name
}
