package sip

import (
	"net/netip"
	"slices"
)

// roster is the trunks and users of one moment. It is never modified:
// SetTrunks replaces them whole.
type roster struct {
	trunks []Trunk
	users  []User
}

// SetTrunks replaces the trunks and the users. From then on calls come and go by
// the new ones, and where a trunk was before it went elsewhere nobody calls as the
// trunk; calls that are under way keep what they began with, so that the BYE of a call
// on a trunk that is gone is still sent, and its challenge answered with the password
// of before. An error changes nothing. It may be called at any time.
func (d *Driver) SetTrunks(trunks []Trunk, users []User) error {
	cfg := Config{Trunks: slices.Clone(trunks), Users: slices.Clone(users)}
	if err := cfg.checkTrunks(); err != nil {
		return err
	}
	d.mu.Lock()
	d.roster.Store(&roster{cfg.Trunks, cfg.Users})
	d.followRoster()
	d.mu.Unlock()
	d.findAddresses()
	select {
	case d.look <- struct{}{}:
	default: // it is to look already
	}
	return nil
}

// trunk returns the trunk of that name, nil when there is none.
func (d *Driver) trunk(name string) *Trunk {
	now := d.roster.Load()
	for i := range now.trunks {
		if now.trunks[i].Name == name {
			return &now.trunks[i]
		}
	}
	return nil
}

// knows says whether a source belongs to a trunk, the local one included.
func (d *Driver) knows(addr netip.Addr) bool {
	addr = addr.WithZone("")
	trusted := d.whereabouts.known(addr)
	now := d.roster.Load().trunks
	for i := range now {
		if t := &now[i]; contains(t.Addresses, addr) || trusted && d.callsFromTargets(t, addr) {
			return true
		}
	}
	return contains(d.cfg.LocalSources, addr)
}

// callsFromTargets reports whether a trunk that lists no addresses has a target there.
func (d *Driver) callsFromTargets(t *Trunk, addr netip.Addr) bool {
	return len(t.Addresses) == 0 && d.whereabouts.has(t.destination(), addr)
}

// trunksOf returns the trunks that a source may belong to, "" being the local one:
// those of the operator that list it first, then the local one, then those of the
// operator that list none and have a target there, then those of customers, who may
// have the same carrier or claim any address.
func (d *Driver) trunksOf(addr netip.Addr) []string {
	addr = addr.WithZone("")
	var listing, targets, theirs []string
	anywhere := d.whereabouts.known(addr)
	now := d.roster.Load().trunks
	for i := range now {
		t := &now[i]
		listed := contains(t.Addresses, addr)
		switch {
		case !listed && (!anywhere || !d.callsFromTargets(t, addr)):
		case t.Customer:
			theirs = append(theirs, t.Name)
		case listed:
			listing = append(listing, t.Name)
		default:
			targets = append(targets, t.Name)
		}
	}
	if contains(d.cfg.LocalSources, addr) {
		listing = append(listing, "")
	}
	return slices.Concat(listing, targets, theirs)
}

// choose says to which of several trunks a call to a number belongs: the one that
// the number does, else the first.
func (d *Driver) choose(called string, among []string) string {
	if len(among) > 1 && d.cfg.Choose != nil {
		if name, ok := d.cfg.Choose(called, among); ok && slices.Contains(among, name) {
			return name
		}
	}
	return among[0]
}

// Check reports what of trunks and users a driver would not take.
func Check(trunks []Trunk, users []User) error {
	cfg := Config{Trunks: slices.Clone(trunks), Users: slices.Clone(users)}
	return cfg.checkTrunks()
}
