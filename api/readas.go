package api

import (
	"encoding/json"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
	"github.com/sidetone/sidetone/api/wire"
)

// withSecrets are the members of an agent that hold secrets.
func withSecrets() []string {
	return []string{"actions", "voice", "vector_database", "openai_account_connection"}
}

// hasMask says that a text in value looks like a mask.
func hasMask(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.HasPrefix(v, maskMark)
	case wire.Object:
		for _, m := range v {
			if hasMask(m.Value) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if hasMask(item) {
				return true
			}
		}
	}
	return false
}

// agentReadAs is the only agent of the environment that clients of the profile read
// as sent, as far as it names hosts, addresses, accounts and secrets; found is false
// for none and for several. Ids do not count.
func (w work) agentReadAs(p dialect.Profile, sent wire.Object) (out sidetone.Snapshot, found bool, err error) {
	names := append(withSecrets(), "webhook", "context_endpoint")
	query := sidetone.PageQuery{Page: 1, Size: 100}
	for {
		page, err := w.tx.Agents(query)
		if err != nil {
			return out, false, err
		}
		for _, agent := range page.Items {
			snapshot, err := w.snapshot(agent)
			if err != nil {
				return out, false, err
			}
			shown, err := asSent(renderAgent(view{profile: p}, snapshot))
			if err != nil || !dialect.SameContent(sent.Only(names...), shown.Only(names...)) {
				continue
			}
			if found {
				return sidetone.Snapshot{}, false, nil
			}
			out, found = snapshot, true
		}
		if !page.HasMore {
			return out, found, nil
		}
		query.Page, query.Cursor = 0, page.NextCursor
	}
}

// builtInReadAs is the reference to the built-in voice that clients of the profile
// read as a voice without id; r's own when there is none.
func (w work) builtInReadAs(r relation[sidetone.Voice]) (wire.Reference, error) {
	if r.ref.Fields == nil || r.ref.ByID {
		return r.ref, nil
	}
	// They are as old as the environment.
	page, err := w.tx.Voices(sidetone.PageQuery{Page: 1, Size: 100, SortColumn: "created"})
	for _, voice := range page.Items {
		if voice.BuiltIn && voices().isShown(r.profile, r.ref.Fields, voice) {
			return wire.Reference{Set: true, ByID: true, ID: voice.ID}, nil
		}
	}
	return r.ref, err
}

// memberOf is the text called name of a JSON object, "" for none.
func memberOf(object []byte, name string) string {
	members := map[string]any{}
	_ = json.Unmarshal(object, &members) // what is no object has no members
	text, _ := members[name].(string)
	return text
}

// memberObject is the object that names lead to from object to object; nil for none.
func memberObject(object []byte, names ...string) []byte {
	for _, name := range names {
		var members map[string]json.RawMessage
		_ = json.Unmarshal(object, &members) // what is no object has no members
		object = members[name]
	}
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	return object
}

// hosts are the texts of a configuration that say where requests go, by path.
func hosts(config []byte) map[string]string {
	var value any
	_ = json.Unmarshal(config, &value) // what is no JSON names no host
	out := map[string]string{}
	addHosts(out, "", value)
	return out
}

func addHosts(out map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			addHosts(out, path+"."+name, member)
		}
	case []any:
		for _, item := range v {
			addHosts(out, path+"[]", item)
		}
	case string:
		name := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
		for _, part := range []string{"url", "uri", "host", "endpoint", "domain", "server", "base", "region", "resource"} {
			if strings.Contains(name, part) || strings.Contains(v, "://") {
				out[path] += v + " "
				return
			}
		}
	}
}
