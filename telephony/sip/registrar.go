package sip

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// longestBinding and shortestBinding bound a registration.
	longestBinding  = time.Hour
	shortestBinding = 10 * time.Second
	// maxBindings bounds how many there are.
	maxBindings = 10000
)

// binding is where a registered number is reached.
type binding struct {
	peer    peer
	contact sip.Uri
	expires time.Time
}

// registrar holds the registrations in memory, one contact for each number.
type registrar struct {
	now      func() time.Time
	mu       sync.Mutex
	bindings map[string]binding
}

// find returns the live binding of a number.
func (r *registrar) find(number string) (binding, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.bindings[number]
	if ok && r.now().After(b.expires) {
		delete(r.bindings, number)
		return binding{}, false
	}
	return b, ok
}

// put stores or, without time, removes a binding; false when there are too
// many.
func (r *registrar) put(number string, b binding, lasts time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lasts <= 0 {
		delete(r.bindings, number)
		return true
	}
	if len(r.bindings) >= maxBindings {
		for key, old := range r.bindings {
			if r.now().After(old.expires) {
				delete(r.bindings, key)
			}
		}
		if len(r.bindings) >= maxBindings {
			return false
		}
	}
	b.expires = r.now().Add(lasts)
	r.bindings[number] = b
	return true
}

// onRegister treats a REGISTER of a local source or a digest user, who may
// register nothing but his own name
// (https://www.rfc-editor.org/rfc/rfc3261#section-10.3).
func (d *Driver) onRegister(tx *serverTx, who admission) {
	req := tx.req
	name := number(&req.To().Address)
	if scheme := req.To().Address.Scheme; scheme != "sip" && scheme != "sips" { // section 10.2
		tx.fail(&fault{status: 400, reason: "Bad Request: To must be a SIP address"})
		return
	}
	if who.trunk != "" || (who.user != "" && name != who.user) || name == "" {
		tx.fail(&fault{status: 403, reason: "Forbidden"})
		return
	}
	contact := contactOf(req)
	target, usable := remoteTarget(contact)
	if !usable && len(req.GetHeaders("Contact")) > 0 && (contact == nil || !contact.Address.Wildcard) {
		tx.fail(&fault{status: 400, reason: "Bad Request: Contact"})
		return
	}
	if contact == nil {
		_ = tx.respond(200, "OK", d.newTag(), nil, nil) // the far end repeats what it got no response to
		return
	}
	lasts := bindingTime(req, contact)
	all := req.GetHeaders("Contact")
	every := slices.ContainsFunc(all, func(h sip.Header) bool { return strings.TrimSpace(h.Value()) == "*" })
	if every && (lasts > 0 || len(all) > 1) { // section 10.3, step 6
		tx.fail(&fault{status: 400, reason: "Bad Request: Contact * is for Expires: 0 alone"})
		return
	}
	if lasts > 0 && lasts < shortestBinding {
		tx.fail(&fault{423, "Interval Too Brief", []header{{"Min-Expires", strconv.Itoa(int(shortestBinding / time.Second))}}})
		return
	}
	if !d.registrar.put(name, binding{peer: tx.peer, contact: target}, lasts) {
		tx.fail(&fault{503, "Service Unavailable", retryAfter()})
		return
	}
	var extra []header
	if lasts > 0 {
		d.moved(name, contact.Address, tx.peer)
		extra = []header{{"Contact", "<" + contact.Address.String() + ">;expires=" + strconv.Itoa(int(lasts/time.Second))}}
	}
	_ = tx.respond(200, "OK", d.newTag(), extra, nil) // the far end repeats what it got no response to
}

// moved lets the requests of the calls of a phone go to where it registers from: a
// router on the way may have given it another port since its last request. The contact
// tells the phone.
func (d *Driver) moved(user string, contact sip.Uri, to peer) {
	d.mu.Lock()
	calls := slices.Collect(maps.Values(d.calls))
	d.mu.Unlock()
	for _, l := range calls {
		l.mu.Lock()
		if l.user == user && l.target.Host == contact.Host && l.target.Port == contact.Port {
			l.peer = to
			l.noteDialog()
		}
		l.mu.Unlock()
	}
}

// bindingTime is how long a contact asks to be registered, at most an hour.
func bindingTime(req *sip.Request, contact *sip.ContactHeader) time.Duration {
	_, params := paramsOf(contact.Value())
	value, ok := param(params, "expires")
	if !ok {
		value = headerValue(req, "Expires")
	}
	seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return longestBinding
	}
	return min(time.Duration(seconds)*time.Second, longestBinding)
}
