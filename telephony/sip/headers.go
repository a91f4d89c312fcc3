package sip

import (
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// maxVariable is how much of a header becomes a variable, and maxAttestation
	// how much of one that says who vouches for the caller is kept: a signed token
	// has about 1 KiB.
	maxVariable, maxAttestation = 1024, 4096
	// maxName bounds who calls, who is called, and the call's id, as they are stored.
	maxName = 256
	// maxAttestations is how many of the latter are kept.
	maxAttestations = 8
)

// variables are the values of the headers that a trunk lists, by the name that it
// gives them. They are what the caller's side says.
func variables(req *sip.Request, listed map[string]string) map[string]string {
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if value := cleaned(joined(req, name), maxVariable); value != "" {
			if out == nil {
				out = make(map[string]string)
			}
			out[listed[name]] = value
		}
	}
	return out
}

// attestation is what an INVITE says about who vouches for the caller's number:
// the headers of STIR/SHAKEN (https://www.rfc-editor.org/rfc/rfc8224 and
// https://www.rfc-editor.org/rfc/rfc8588), those in which carriers tell of the
// outcome, and the parameter verstat (3GPP TS 24.229, 7.2A.20).
func attestation(req *sip.Request) map[string]string {
	out := make(map[string]string)
	for _, h := range req.Headers() {
		name := textproto.CanonicalMIMEHeaderKey(h.Name())
		if name == "Y" {
			name = "Identity"
		}
		if !attests(name) || out[name] != "" || len(out) >= maxAttestations {
			continue
		}
		if value := cleaned(joined(req, name), maxAttestation); value != "" {
			out[name] = value
		}
	}
	for _, name := range []string{"P-Asserted-Identity", "From"} {
		if value := verstat(joined(req, name)); value != "" {
			out["verstat"] = value
			break
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// attests says that a header says who vouches for the caller's number.
func attests(name string) bool {
	switch name {
	case "Identity", "P-Attestation-Indicator", "P-Origination-Id", "Attestation-Info", "Origination-Id":
		return true
	}
	return strings.HasPrefix(name, "X-") && slices.ContainsFunc([]string{"attest", "verstat", "origination", "origid", "stir", "shaken", "identity"},
		func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
}

// verstat is the parameter of that name in an address; "" when there is none.
func verstat(address string) string {
	for _, part := range strings.Split(address, ";")[1:] {
		if end := strings.IndexAny(part, ">,"); end >= 0 {
			part = part[:end]
		}
		if name, value, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(name), "verstat") {
			value, _, _ = strings.Cut(unquoted(value), "@")
			value, _, _ = strings.Cut(value, "?")
			return cleaned(value, 64)
		}
	}
	return ""
}

// joined are the values of a header, however often it is there.
func joined(req *sip.Request, name string) string {
	var values []string
	for _, h := range headersOf(req, name) {
		values = append(values, h.Value())
	}
	return strings.Join(values, ", ")
}

// cleaned is the text of a header without control characters, cut after limit
// bytes, at a whole character.
func cleaned(text string, limit int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// headersOut are the headers of a call: those that it is given, and the trunk's.
func headersOut(given map[string]string, trunk *Trunk) ([]header, error) {
	if err := telephony.CheckHeaders(given); err != nil {
		return nil, fmt.Errorf("headers%w", err)
	}
	all := make(map[string]string)
	if trunk != nil {
		for name, value := range trunk.HeadersOut {
			all[textproto.CanonicalMIMEHeaderKey(name)] = value
		}
	}
	for name, value := range given {
		all[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	var out []header
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, header{name, strings.TrimSpace(all[name])})
	}
	return out, nil
}

// ofHangup are those of headersOut that our BYE has, too.
func ofHangup(all []header) []header {
	return slices.DeleteFunc(slices.Clone(all), func(h header) bool { return !telephony.HangupHeader(h.name) })
}

// SetHeaders implements telephony.HeaderSetter.
func (l *leg) SetHeaders(headers map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := headersOut(headers, l.began)
	if err != nil {
		return err
	}
	l.hangup = ofHangup(all)
	return nil
}
