package dialect

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/sidetone/sidetone/api/wire"
)

// freeMaps are the properties for which {} is a value, and into which
// WithoutEmpty does not look.
func freeMaps() []string {
	return []string{"context", "example_context", "telephony_params", "config"}
}

// WithoutEmpty returns o without the members whose value is {}, at every depth.
// Free maps stay, unless the request is partial: an update, where {} changes
// nothing.
func WithoutEmpty(o wire.Object, partial bool) wire.Object {
	out := wire.Object{}
	for _, m := range o {
		inner, isObject := m.Value.(wire.Object)
		free := slices.Contains(freeMaps(), m.Name)
		switch {
		case isObject && len(inner) == 0 && (partial || !free):
		case free:
			out = append(out, m)
		default:
			out = append(out, wire.Member{Name: m.Name, Value: withoutEmptyInside(m.Value, partial)})
		}
	}
	return out
}

func withoutEmptyInside(value any, partial bool) any {
	switch v := value.(type) {
	case wire.Object:
		return WithoutEmpty(v, partial)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = withoutEmptyInside(item, partial)
		}
		return out
	default:
		return value
	}
}

// Changed removes from a request what the client was shown and sends back as it
// is. Some profiles show less than there is - a type that the client knows instead
// of the true one, texts instead of values, seconds without fraction: sent back unchanged,
// that must change nothing. shown renders the resource as the client sees it now;
// it is called only for such profiles. What cannot be compared counts as changed.
func (p Profile) Changed(request wire.Object, shown func() map[string]any) wire.Object {
	if !p.KnownTypes && !p.TextMaps {
		return request
	}
	text, err := wire.Encode(shown())
	if err != nil {
		return request
	}
	before, err := wire.Parse(text)
	if err != nil {
		return request
	}
	return changed(request, before)
}

// changed is now without the members that was has, too. The id stays: it says
// what an object is about. So do actions: what changes in each is for it to tell.
func changed(now, was wire.Object) wire.Object {
	out := wire.Object{}
	for _, m := range now {
		before, known := was.Get(m.Name)
		switch {
		case m.Name == "id" || m.Name == "actions" || !known:
		case Same(m.Value, before), m.Name == "collect_fields" && SameContent(m.Value, before):
			continue
		case m.Name == "config" && staysAction(now, was):
			m.Value = changedConfig(m.Value, before)
		case slices.Contains(relations(), m.Name):
			if !hasID(m.Value) && SameContent(m.Value, before) {
				continue
			}
			m.Value = changedRelation(m.Name, m.Value, before)
		}
		out = append(out, m)
	}
	return out
}

// staysAction says that was is an action, and that now gives it no other type, which
// would keep nothing of its configuration.
func staysAction(now, was wire.Object) bool {
	before, _ := was.Get("type")
	text, _ := before.(string)
	after, given := now.Get("type")
	return strings.HasPrefix(text, "action_") && (!given || Same(after, before))
}

// changedConfig is the configuration of an action without the members that are as they
// were. The secret stays: whether it is sent again decides whether it may go elsewhere.
func changedConfig(value, before any) any {
	now, isObject := value.(wire.Object)
	was, wasObject := before.(wire.Object)
	if !isObject || !wasObject {
		return value
	}
	return slices.DeleteFunc(slices.Clone(now), func(m wire.Member) bool {
		shown, known := was.Get(m.Name)
		return m.Name != "signature_secret" && known && Same(m.Value, shown)
	})
}

// relations are the members that are resources of their own.
func relations() []string {
	return []string{"prompt", "voice", "webhook", "vector_database", "openai_account_connection"}
}

// changedRelation is what an object, the member name, changes in the resource that
// stands there. One without id and with a type may be a new one of the very type
// that the client was shown for another: all that it says counts.
func changedRelation(name string, value, before any) any {
	now, isObject := value.(wire.Object)
	was, wasObject := before.(wire.Object)
	if !isObject || !wasObject {
		return value
	}
	oldID, _ := was.Get("id")
	id, named := now.Get("id")
	switch {
	case named && !Same(id, oldID):
		return value // another resource
	case !named && now.Has("type") && slices.Contains([]string{"voice", "openai_account_connection"}, name):
		return value
	}
	return changed(now, was)
}

func hasID(value any) bool {
	o, _ := value.(wire.Object)
	id, _ := o.Get("id")
	return id != nil
}

// SameContent compares two values of requests as Same does, but for the ids of the
// resources that they are and name, and members without a value: clients exist that
// drop both.
func SameContent(a, b any) bool { return Same(contentOf(a), contentOf(b)) }

func contentOf(value any) any {
	switch v := value.(type) {
	case wire.Object:
		out := wire.Object{}
		for _, m := range v {
			switch {
			case m.Name == "id" || m.Name == "user_id" || m.Value == nil:
				continue
			case m.Name == "actions" || m.Name == "prompt_template" || slices.Contains(relations(), m.Name):
				m.Value = contentOf(m.Value)
			}
			out = append(out, m)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = contentOf(item)
		}
		return out
	default:
		return value
	}
}

// Same compares two values of requests whatever their order of members and form of numbers.
// Members that are {} do not count: the normaliser removed them from the request.
func Same(a, b any) bool {
	return reflect.DeepEqual(comparableForm(withoutEmptyInside(a, true)), comparableForm(withoutEmptyInside(b, true)))
}

// comparableForm is value with maps for objects and numbers of 64 bits.
func comparableForm(value any) any {
	switch v := value.(type) {
	case wire.Object:
		out := make(map[string]any, len(v))
		for _, m := range v {
			out[m.Name] = comparableForm(m.Value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = comparableForm(item)
		}
		return out
	case json.Number:
		if n, err := v.Float64(); err == nil {
			return n
		}
		return v
	default:
		return v
	}
}
