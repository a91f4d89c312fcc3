package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/wire"
	"github.com/sidetone/sidetone/phonenumber"
	"github.com/sidetone/sidetone/store"
)

// TrunkSetting is something that a trunk can be told besides its name.
type TrunkSetting struct {
	// Path is where it stands, such as media.sources.
	Path string
	// Secret says that it is sealed when it is stored, and masked when it is read.
	Secret bool
}

// Trunks is what the server knows of trunks.
type Trunks interface {
	// Settings lists what a trunk can be told: the same as an entry of sip.trunks in
	// the configuration file.
	Settings() []TrunkSetting
	// Check returns why a trunk of an environment cannot have these settings, the secret
	// ones among them, in a sentence that begins with a setting and shows no value.
	Check(name string, settings map[string]any) error
	// Configured says whether the configuration file has a trunk of that name, and of
	// numbers which it lists.
	Configured(name string) (found bool, lists func(e164 string) bool)
	// Changed makes the stored trunks act; it returns when they do.
	Changed(ctx context.Context) error
	// Try tests a trunk: the one with the id of a row, or the configuration's of that
	// name. echo is a number to call from, a number of the trunk; "" for the one that
	// is known to say back what it hears, if there is one.
	Try(ctx context.Context, idOrName, from, echo string) ([]TrunkStep, error)
}

// TrunkStep is one step of a test of a trunk.
type TrunkStep struct {
	// Step is options, register or call.
	Step string
	// Skipped says that there was nothing to do; Detail says why. Else Detail is what came
	// back, such as the status of the response.
	Skipped bool
	Detail  string
	// Latency is the time up to the response, or to the first sound.
	Latency time.Duration
	// Err says what went wrong, nil when nothing did, and Remedy what to do about it.
	Err    error
	Remedy string
}

func trunks() resource[sidetone.Trunk] {
	return resource[sidetone.Trunk]{
		noun: "trunk", fresh: sidetone.NewTrunk, decode: decodeTrunk, render: renderTrunk,
		id:      func(t sidetone.Trunk) string { return t.ID },
		secrets: trunkSecrets,
		find:    (*store.Tx).Trunk, list: (*store.Tx).Trunks, insert: insertTrunk,
		update: (*store.Tx).UpdateTrunk, remove: (*store.Tx).DeleteTrunk,
	}
}

// insertTrunk stores a new trunk unless there are many.
func insertTrunk(tx *store.Tx, t sidetone.Trunk) error {
	page, err := tx.Trunks(sidetone.PageQuery{Page: 1, Size: 1})
	if err == nil && page.Total >= sidetone.MaxTrunks {
		err = sidetone.Errorf(sidetone.Conflict, "the environment has %d trunks already, which is the most", sidetone.MaxTrunks)
	}
	return firstOf(err, tx.InsertTrunk(t))
}

// decodeTrunk reads a name and any settings; which there are, the server says.
func decodeTrunk(d *decoder) edit[sidetone.Trunk] {
	name := d.Text("name")
	given := map[string]any{}
	for _, m := range d.Members {
		if !slices.Contains([]string{"id", "user_id", "name"}, m.Name) {
			given[m.Name] = plainJSON(m.Value)
		}
	}
	return func(w work, t *sidetone.Trunk) error {
		before := *t
		name.Apply(&t.Name, "")
		if err := w.trunkName(*t, before); err != nil {
			return err
		}
		was, err := wholeTrunk(before)
		if err != nil {
			return err
		}
		now, err := w.changedTrunk(given, was)
		if err != nil {
			return err
		}
		if w.trunks != nil {
			if err := w.trunks.Check(t.Name, now); err != nil {
				return invalid("%s", err.Error()) // it names the setting
			}
		}
		if err := w.numbersKeepATrunk(t.ID, numbersOf(was), numbersOf(now)); err != nil {
			return err
		}
		t.Settings, t.Secrets = w.splitTrunk(now)
		t.Updated = w.tx.Now()
		return t.Validate()
	}
}

// trunkName refuses the name of another trunk.
func (w work) trunkName(t, before sidetone.Trunk) error {
	if t.Name == before.Name || t.Name == "" {
		return nil
	}
	if w.trunks != nil {
		if taken, _ := w.trunks.Configured(t.Name); taken {
			return sidetone.Errorf(sidetone.Conflict, "name belongs to a trunk of the server's configuration")
		}
	}
	other, err := w.tx.TrunkByName(t.Name)
	switch {
	case err == nil && other.ID != t.ID:
		return sidetone.Errorf(sidetone.Conflict, "name belongs to another trunk")
	case err != nil && sidetone.CodeOf(err) != sidetone.NotFound:
		return err
	}
	return nil
}

// changedTrunk is what the settings are when a request said given of them: null clears
// one, the mask of a secret keeps it, and members of objects change one by one. A secret
// is not carried to another host.
func (w work) changedTrunk(given, was map[string]any) (map[string]any, error) {
	change := merged(nil, nil)
	for name, value := range given {
		full, err := unmasked(wire.Clip(name), copied(value), was[name])
		if err != nil {
			return nil, err
		}
		change[name] = full
	}
	now := merged(was, change)
	if text(was["host"]) == text(now["host"]) && text(was["outbound_proxy"]) == text(now["outbound_proxy"]) {
		return now, nil
	}
	var problems []string
	for _, path := range w.secretSettings() {
		sent, isSent := at(given, path)
		change := sidetone.Optional[sidetone.Secret]{Value: sidetone.Secret(text(sent)), Set: isSent}
		a, _ := at(was, path)
		b, _ := at(now, path)
		if err := notCarried(path, change, sidetone.Secret(text(a)), sidetone.Secret(text(b))); err != nil {
			problems = append(problems, sidetone.MessageOf(err))
		}
	}
	return now, wire.Problems(problems)
}

// copied is a value of its own, for a transaction may run twice.
func copied(value any) any {
	if o, ok := value.(map[string]any); ok {
		out := make(map[string]any, len(o))
		for name, member := range o {
			out[name] = copied(member)
		}
		return out
	}
	return value
}

// secretSettings are the paths of those that are sealed.
func (w work) secretSettings() []string {
	if w.trunks == nil {
		return nil
	}
	var out []string
	for _, s := range w.trunks.Settings() {
		if s.Secret {
			out = append(out, s.Path)
		}
	}
	return out
}

// splitTrunk divides settings into those that are stored as they are and the secrets.
func (w work) splitTrunk(all map[string]any) (settings []byte, secrets sidetone.Secret) {
	open, hidden := merged(nil, all), map[string]any{}
	for _, path := range w.secretSettings() {
		if value, ok := at(open, path); ok {
			put(hidden, path, value)
			put(open, path, nil)
		}
	}
	settings, _ = json.Marshal(open)
	sealed, _ := json.Marshal(hidden) // both were JSON
	return settings, sidetone.Secret(sealed)
}

// wholeTrunk are the settings of a row, the secret ones among them.
func wholeTrunk(t sidetone.Trunk) (map[string]any, error) {
	settings, secrets := map[string]any{}, map[string]any{}
	if err := json.Unmarshal(t.Settings, &settings); err != nil {
		return nil, sidetone.Errorf(sidetone.Internal, "the trunk's settings cannot be read")
	}
	if t.Secrets != "" && json.Unmarshal([]byte(t.Secrets.Reveal()), &secrets) != nil {
		return nil, sidetone.Errorf(sidetone.Internal, "the trunk's secrets cannot be read")
	}
	return JoinTrunk(settings, secrets), nil
}

// JoinTrunk are all settings of a trunk: those that are stored as they are and the
// secrets, each where it stands among them.
func JoinTrunk(settings, secrets map[string]any) map[string]any { return merged(settings, secrets) }

// merged is base changed by over: null removes, objects are merged. Neither is modified.
func merged(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range over {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(out, name)
		case isObject:
			below, _ := out[name].(map[string]any)
			out[name] = merged(below, inner)
		default:
			out[name] = value
		}
	}
	return out
}

// at finds the value at a dotted path.
func at(o map[string]any, path string) (any, bool) {
	name, rest, deeper := strings.Cut(path, ".")
	value, ok := o[name]
	if !deeper || !ok {
		return value, ok
	}
	inner, _ := value.(map[string]any)
	return at(inner, rest)
}

// put sets the value at a dotted path, nil to remove it.
func put(o map[string]any, path string, value any) {
	name, rest, deeper := strings.Cut(path, ".")
	switch {
	case deeper:
		inner, _ := o[name].(map[string]any)
		inner = merged(inner, nil)
		put(inner, rest, value)
		o[name] = inner
	case value == nil:
		delete(o, name)
	default:
		o[name] = value
	}
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// plainJSON is a value of a request's body as package json reads it.
func plainJSON(value any) any {
	var out any
	if b, err := wire.Encode(value); err == nil {
		_ = json.Unmarshal(b, &out) // it was JSON
	}
	return out
}

// numbersOf are the numbers that settings list.
func numbersOf(settings map[string]any) []string {
	list, _ := settings["numbers"].([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if e164, err := phonenumber.Read(text(item), ""); err == nil {
			out = append(out, e164)
		}
	}
	return out
}

// numbersKeepATrunk refuses to take the last trunk from numbers that the environment has.
func (w work) numbersKeepATrunk(id string, was, now []string) error {
	lost := slices.DeleteFunc(was, func(n string) bool { return slices.Contains(now, n) })
	var users []string
	for _, e164 := range lost {
		n, err := w.tx.NumberByPhone(e164)
		if err != nil || n.Provider != "sip" {
			continue // nobody's, or of another carrier
		}
		listed, err := w.listedElsewhere(id, e164)
		if err != nil {
			return err
		}
		if !listed {
			users = append(users, "number "+e164)
		}
	}
	if len(users) > 0 {
		return sidetone.Errorf(sidetone.Conflict, "the trunk is used by %s: cancel it, or list it on another trunk first", strings.Join(users, ", "))
	}
	return nil
}

// listedElsewhere says whether a trunk other than the one with id lists a number.
func (w work) listedElsewhere(id, e164 string) (bool, error) {
	if w.trunks != nil {
		if _, lists := w.trunks.Configured(""); lists != nil && lists(e164) {
			return true, nil
		}
	}
	page, err := w.tx.Trunks(sidetone.PageQuery{Page: 1, Size: sidetone.MaxTrunks})
	for _, t := range page.Items {
		var settings map[string]any
		if t.ID != id && json.Unmarshal(t.Settings, &settings) == nil && slices.Contains(numbersOf(settings), e164) {
			return true, nil
		}
	}
	return false, err
}

// trunkSecrets are the secrets of a row by their paths.
func trunkSecrets(t sidetone.Trunk) map[string]sidetone.Secret {
	out := map[string]sidetone.Secret{}
	var walk func(prefix string, o map[string]any)
	walk = func(prefix string, o map[string]any) {
		for name, value := range o {
			switch v := value.(type) {
			case map[string]any:
				walk(prefix+name+".", v)
			case string:
				out[prefix+name] = sidetone.Secret(v)
			}
		}
	}
	var secrets map[string]any
	_ = json.Unmarshal([]byte(t.Secrets.Reveal()), &secrets) // a broken row shows none
	walk("", secrets)
	return out
}

func renderTrunk(v view, t sidetone.Trunk) object {
	var settings map[string]any
	_ = json.Unmarshal(t.Settings, &settings) // a broken row shows what can be shown
	o, own := merged(settings, nil), v.of(t.ID)
	for path, secret := range trunkSecrets(t) {
		shown := object{}
		own.setSecret(shown, path, secret)
		put(o, path, shown[path])
	}
	o["id"], o["user_id"], o["name"] = t.ID, v.account, t.Name
	return o
}

// byName lets the query name a trunk by its name instead of its id.
func (s *server) byName(op operation) operation {
	return func(r *request) (any, error) {
		if name := r.query.Get("name"); name != "" && !r.query.Has("id") {
			var t sidetone.Trunk
			err := s.readConfiguration(r, func(w work) (err error) {
				t, err = w.tx.TrunkByName(name)
				return named(err, "name", "trunk")
			})
			if err != nil {
				return nil, err
			}
			r.query = url.Values{"id": {t.ID}}
		}
		if !r.query.Has("id") {
			return nil, invalid("id is required, or name")
		}
		return op(r)
	}
}

// acting makes what an operation stored act before it is answered.
func (s *server) acting(op operation) operation {
	return func(r *request) (any, error) {
		out, err := op(r)
		if s.Trunks == nil || err != nil {
			return out, err
		}
		if err := s.Trunks.Changed(r.ctx); err != nil {
			return nil, unavailable("the trunk is stored and does not act yet", err)
		}
		return out, nil
	}
}

// deleteTrunk removes the trunk that the query names, unless numbers need it.
func (s *server) deleteTrunk(r *request) (any, error) {
	id := r.query.Get("id")
	err := s.write(r, func(w work) error {
		t, err := w.tx.Trunk(id)
		if err != nil {
			return named(err, "id", "trunk")
		}
		all, err := wholeTrunk(t)
		if err != nil {
			all = nil // a broken row is deleted all the same
		}
		return firstOf(w.numbersKeepATrunk(id, numbersOf(all), nil), w.tx.DeleteTrunk(id))
	})
	return object{"id": id, "deleted": true}, err
}

// testTrunk asks the far end of a trunk. The configuration's trunks are for
// administrators.
func (s *server) testTrunk(r *request) (any, error) {
	if s.Trunks == nil {
		return nil, sidetone.Errorf(sidetone.Unavailable, "trunks are tested by a running server only")
	}
	name, echo := r.query.Get("name"), r.query.Get("echo")
	if echo != "" {
		if err := s.mayCall(r, echo); err != nil {
			return nil, err
		}
	}
	if configured, _ := s.Trunks.Configured(name); configured && !r.query.Has("id") {
		if !r.who.Has(sidetone.ScopeAdmin) {
			return nil, sidetone.Errorf(sidetone.Forbidden, "Forbidden: to test a trunk of the server's configuration needs the scope %s", sidetone.ScopeAdmin)
		}
		return s.tryTrunk(r, object{"name": name}, name, "", echo)
	}
	return s.byName(func(r *request) (any, error) {
		var t sidetone.Trunk
		err := s.readConfiguration(r, func(w work) (err error) {
			t, err = w.tx.Trunk(r.query.Get("id"))
			return named(err, "id", "trunk")
		})
		if err != nil {
			return nil, err
		}
		return s.tryTrunk(r, object{"id": t.ID, "name": t.Name}, t.ID, "", echo)
	})(r)
}

// mayCall refuses a number that the request's key, or anybody, must not call.
func (s *server) mayCall(r *request, number string) error {
	if !r.who.Has(sidetone.ScopeCalls) {
		return sidetone.Errorf(sidetone.Forbidden, "Forbidden: to call a number needs the scope %s", sidetone.ScopeCalls)
	}
	e164, err := phonenumber.Read(number, "")
	if err != nil {
		return nil // an extension of the customer's own, such as 600: lists have none
	}
	return s.read(r, func(w work) error {
		_, err := w.tx.MayCall(e164)
		if no := (*phonenumber.Forbidden)(nil); errors.As(err, &no) {
			err = sidetone.Errorf(sidetone.Conflict, "echo %s", no)
		}
		return err
	})
}

func (s *server) tryTrunk(r *request, out object, idOrName, from, echo string) (any, error) {
	steps, err := s.Trunks.Try(r.ctx, idOrName, from, echo)
	if err != nil {
		return nil, err
	}
	ok, checks := true, make([]object, len(steps))
	for i, step := range steps {
		checks[i] = object{"step": step.Step, "ok": step.Err == nil}
		setText(checks[i], "detail", step.Detail)
		switch {
		case step.Skipped:
			checks[i]["skipped"] = true
		case step.Err == nil:
			checks[i]["latency_ms"] = step.Latency.Milliseconds()
		default:
			ok = false
			checks[i]["error"] = step.Err.Error()
			setText(checks[i], "remedy", step.Remedy)
		}
	}
	out["ok"], out["checks"] = ok, checks
	return out, nil
}
