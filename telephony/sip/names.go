package sip

import (
	"net/url"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// anonymous is the number of a caller who hides it.
const anonymous = "anonymous"

// number is the number in a URI, as it was written: without parameters such as
// ext or isub, and without escapes. A local number whose context is a number with
// plus is written behind it (https://www.rfc-editor.org/rfc/rfc3966#section-5.1.5).
func number(u *sip.Uri) string {
	user := u.User
	if u.Scheme == "tel" {
		user = u.Raw()
	}
	user, params, _ := strings.Cut(user, ";")
	if plain, err := url.PathUnescape(user); err == nil {
		user = plain
	}
	if strings.HasPrefix(user, "+") || !strings.ContainsAny(user, "0123456789") {
		return user
	}
	for param := range strings.SplitSeq(params, ";") {
		name, context, _ := strings.Cut(param, "=")
		if strings.EqualFold(name, "phone-context") && strings.HasPrefix(context, "+") {
			return context + user
		}
	}
	return user
}

// caller is the number of who sent an INVITE: of From, or, on a trunk that is
// trusted to assert it, of P-Asserted-Identity
// (https://www.rfc-editor.org/rfc/rfc3325). Who hides it stays anonymous, whatever
// the trunk asserts.
func caller(req *sip.Request, trusted bool) string {
	from := number(&req.From().Address)
	switch {
	case hidden(req):
		return anonymous
	case trusted:
		if asserted := assertedNumber(req); asserted != "" {
			return asserted
		}
	}
	return from
}

// hidden says that a caller does not want to be known
// (https://www.rfc-editor.org/rfc/rfc3323#section-4.1).
func hidden(req *sip.Request) bool {
	from := &req.From().Address
	if strings.EqualFold(from.Host, "anonymous.invalid") || strings.EqualFold(number(from), anonymous) {
		return true
	}
	for _, h := range req.GetHeaders("Privacy") {
		for wish := range strings.FieldsFuncSeq(h.Value(), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if strings.EqualFold(wish, "id") || strings.EqualFold(wish, "user") {
				return true
			}
		}
	}
	return false
}

// assertedNumber is the first number that P-Asserted-Identity names, "" for none.
func assertedNumber(req *sip.Request) string {
	for _, h := range req.GetHeaders("P-Asserted-Identity") {
		for _, one := range addresses(h.Value()) {
			var uri sip.Uri
			var params sip.HeaderParams
			if _, err := sip.ParseAddressValue(one, &uri, &params); err != nil {
				continue
			}
			if n := number(&uri); strings.ContainsAny(n, "0123456789") {
				return n
			}
		}
	}
	return ""
}

// addresses takes a list of addresses apart.
func addresses(list string) []string {
	out := splitOutside(list, ',')
	for i, one := range out {
		out[i] = strings.TrimSpace(one)
	}
	return out
}

// remoteTarget is what requests are addressed to: a contact without what a
// Request-URI must not have, headers and method
// (https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1 and #section-19.1.1).
// False for one that is no address of SIP.
func remoteTarget(contact *sip.ContactHeader) (sip.Uri, bool) {
	if contact == nil || contact.Address.Wildcard || contact.Address.Host == "" || contact.Address.Port < 0 || contact.Address.Port > 65535 {
		return sip.Uri{}, false
	}
	target := *contact.Address.Clone()
	target.Headers = nil
	target.UriParams = slices.DeleteFunc(target.UriParams, func(p sip.HeaderKV) bool { return strings.EqualFold(p.K, "method") })
	return target, true
}

// contactOf is the first contact of a message, nil without one.
func contactOf(m sip.Message) *sip.ContactHeader {
	for _, h := range m.GetHeaders("Contact") {
		if contact, ok := h.(*sip.ContactHeader); ok {
			return contact
		}
	}
	return nil
}

// callerTarget is what requests to a caller are addressed to: its contact, else where
// its INVITE came from.
func callerTarget(req *sip.Request, p peer) sip.Uri {
	if target, ok := remoteTarget(contactOf(req)); ok {
		return target
	}
	target := sip.Uri{Scheme: "sip", Host: bracket(p.addr.Addr().String()), Port: int(p.addr.Port())}
	if p.reliable() {
		target.UriParams = sip.NewParams()
		target.UriParams.Add("transport", strings.ToLower(p.network()))
	}
	return target
}

// tidy mends what the parser makes of blanks around the parameters of Via, From and To,
// which it takes for parts of them, as where a header goes over several lines: these
// headers are sent back, and the tags are compared. The names of parameters that we
// change are in small letters then.
func tidy(msg sip.Message) {
	for _, h := range msg.GetHeaders("Via") {
		if via, ok := h.(*sip.ViaHeader); ok {
			via.Params = tidyParams(via.Params)
		}
	}
	if from := msg.From(); from != nil {
		from.Params = tidyParams(from.Params)
		from.Address.Host = strings.TrimSpace(from.Address.Host) // of one without angle brackets
	}
	if to := msg.To(); to != nil {
		to.Params = tidyParams(to.Params)
		to.Address.Host = strings.TrimSpace(to.Address.Host)
	}
}

func tidyParams(params sip.HeaderParams) sip.HeaderParams {
	out := params[:0]
	for _, p := range params {
		p.K, p.V = strings.Trim(p.K, " \t"), strings.Trim(p.V, " \t")
		if len(p.V) > 1 && p.V[0] == '"' && p.V[len(p.V)-1] == '"' && strings.ContainsAny(p.V, " \t") {
			p.V = p.V[1 : len(p.V)-1] // it is written with quotes because of the blank
		}
		if lower := strings.ToLower(p.K); slices.Contains([]string{"tag", "branch", "rport", "received"}, lower) {
			p.K = lower
		}
		if p.K != "" {
			out = append(out, p)
		}
	}
	return out
}
