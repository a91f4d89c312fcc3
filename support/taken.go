package support

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// bounds are the numbers that a vendor takes. The zero value means anything, also what
// is no number.
type bounds struct {
	low, high float64
	whole     bool
}

// takes says what of its members a type of a voice or a transcriber reads.
type takes struct {
	kind string
	// model is what the names of the models begin with that it is about; "" for those
	// that no row before is about.
	model string
	// names call the same: the first one that is given counts.
	names   []string
	members map[string]bounds
}

// anyVoice are the members that name the speaker of a voice of any type.
func anyVoice() []string { return []string{"voice", "voice_id", "voice_name", "speaker"} }

// takenBy is the only list of the members that drivers of speech read, as the vendors'
// pages bound them: see docs/vendors.md.
func takenBy() []takes {
	anything, names := bounds{}, anyVoice()
	model := map[string]bounds{"model_id": anything}
	speech := map[string]bounds{"model_id": anything, "speed": {0.25, 4, false}}
	mist := map[string]bounds{"model_id": anything, "speed_alpha": {math.SmallestNonzeroFloat64, math.MaxFloat64, false}}
	terms := map[string]bounds{"model": anything, "key_terms": anything}
	silence := bounds{1, 60000, true}
	return []takes{
		{"voice_flite", "", names, nil},
		{"voice_tty", "", nil, nil},
		{"voice_eleven_labs", "", names, map[string]bounds{"model_id": anything, "stability": {0, 1, false}, "similarity_boost": {0, 1, false}}},
		{"voice_openai", "", names, speech},
		{"voice_kokoro", "", names, speech},
		{"voice_deepgram", "", append(names, "model_id"), nil},
		{"voice_cartesia", "", names, model},
		{"voice_azure", "", names, map[string]bounds{"pitch": {-50, 50, true}, "rate": {-50, 100, true}}},
		{"voice_rime", "mist", names, mist},
		{"voice_rime", "v1", names, mist},
		{"voice_rime", "", names, model},
		{"pocketsphinx", "", nil, nil},
		{"tty", "", nil, nil},
		{"transcriber_deepgram", "flux", nil, map[string]bounds{"model": anything, "key_terms": anything, "eot_threshold": {0.5, 1, false},
			"eager_eot_threshold": {0.3, 0.9, false}, "eot_timeout_ms": {500, 60000, true}, "force_end_turn": anything}},
		{"transcriber_deepgram", "", nil, map[string]bounds{"model": anything, "key_terms": anything, "endpointing": anything}},
		{"transcriber_assembly_ai", "", nil, map[string]bounds{"model": anything, "key_terms": anything, "eot_threshold": {0, 1, false},
			"min_turn_silence": silence, "max_turn_silence": silence}},
		{"transcriber_openai", "", nil, terms},
		{"transcriber_whisper", "", nil, terms},
	}
}

// known are the members that some driver of speech reads.
func known() map[string]bool {
	out := map[string]bool{}
	for _, t := range takenBy() {
		for _, name := range slices.Concat(slices.Collect(maps.Keys(t.members)), t.names) {
			out[name] = true
		}
	}
	return out
}

// takesOf is what a type reads of members; false for a type without a driver.
func takesOf(kind string, members map[string]any) (takes, bool) {
	model, _ := members["model"].(string)
	if id, ok := members["model_id"].(string); ok && model == "" {
		model = id
	}
	rows := takenBy()
	i := slices.IndexFunc(rows, func(t takes) bool { return t.kind == kind && strings.HasPrefix(model, t.model) })
	if i < 0 {
		return takes{}, false
	}
	return rows[i], true
}

// Takes says that the driver of a transcriber's type reads a member.
func Takes(kind, member string) bool {
	return slices.ContainsFunc(takenBy(), func(t takes) bool { _, ok := t.members[member]; return t.kind == kind && ok })
}

// Taken are the members of a voice or a transcriber that the driver of a type reads:
// what it has no use for, and what its vendor would refuse, is left out.
func Taken(kind string, config json.RawMessage) json.RawMessage {
	var members map[string]any
	if json.Unmarshal(config, &members) != nil {
		return config // what is no object has no members
	}
	for _, w := range untaken(kind, members) {
		delete(members, w.Property)
	}
	out, err := json.Marshal(members)
	if err != nil {
		return config // what was decoded always marshals
	}
	return out
}

// Untaken warns about the members that Taken leaves out, and about those of the
// fallback, as "fallback.speed".
func Untaken(kind string, members map[string]any) []Warning {
	out := untaken(kind, members)
	fallback, _ := members["fallback"].(map[string]any)
	other, _ := fallback["type"].(string)
	for _, w := range untaken(other, fallback) {
		out = append(out, Warning{"fallback." + w.Property, w.Reason, w.Sentence})
	}
	if !empty(fallback["key_terms"]) && Takes(other, "key_terms") {
		out = append(out, Warning{"fallback.key_terms", NotTaken, "A fallback expects the key_terms of the transcriber itself."})
	}
	if !empty(fallback["fallback"]) {
		out = append(out, Warning{"fallback.fallback", NotTaken, "A fallback has no fallback of its own: that of the environment comes after it."})
	}
	return out
}

func untaken(kind string, members map[string]any) (out []Warning) {
	t, ok := takesOf(kind, members)
	if !ok {
		return nil
	}
	all, named := known(), ""
	for _, name := range t.names {
		if text, _ := members[name].(string); text != "" && named == "" {
			named = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if why := t.why(name, named, members[name]); why != "" && all[name] && !empty(members[name]) {
			out = append(out, Warning{name, NotTaken, why})
		}
	}
	return out
}

// why a member is not read; "" for one that is. named is the member that
// names the speaker.
func (t takes) why(name, named string, value any) string {
	if slices.Contains(t.names, name) {
		if name == named || named == "" {
			return ""
		}
		return fmt.Sprintf("%s names the voice: this does nothing.", named)
	}
	b, ok := t.members[name]
	switch n, number := value.(float64); {
	case !ok && t.model != "" || !ok && modelled(t.kind):
		return fmt.Sprintf("%s does not take it with this model.", t.kind)
	case !ok:
		return t.kind + " does not take it."
	case b == bounds{}:
		return ""
	case !number || n < b.low || n > b.high || b.whole && n != math.Trunc(n):
		return fmt.Sprintf("%s takes %s: its default is used instead.", t.kind, b)
	}
	return ""
}

// modelled says that models of a type take different members.
func modelled(kind string) bool {
	return slices.ContainsFunc(takenBy(), func(t takes) bool { return t.kind == kind && t.model != "" })
}

// String says in words which numbers they are.
func (b bounds) String() string {
	what := "a number"
	if b.whole {
		what = "a whole number"
	}
	if b.high == math.MaxFloat64 {
		return what + " above 0"
	}
	return fmt.Sprintf("%s from %v to %v", what, b.low, b.high)
}

// onlyBy says which types take a member, for the table.
func onlyBy(member string) string {
	var out []string
	for _, t := range takenBy() {
		b, ok := t.members[member]
		if !ok && !slices.Contains(t.names, member) {
			continue
		}
		who := t.kind
		switch {
		case everyModel(t.kind, member):
		case t.model != "":
			who += " (" + t.model + ")"
		default:
			who += " (other models)"
		}
		if b != (bounds{}) {
			who += ": " + b.String()
		}
		out = append(out, who)
	}
	return "Taken by " + strings.Join(slices.Compact(out), "; ") + "."
}

// everyModel says that no model of a type leaves a member out.
func everyModel(kind, member string) bool {
	return !slices.ContainsFunc(takenBy(), func(t takes) bool {
		_, ok := t.members[member]
		return t.kind == kind && !ok && !slices.Contains(t.names, member)
	})
}
