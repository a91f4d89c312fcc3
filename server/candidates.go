package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
)

// wish names somebody who may serve a part of a call.
type wish struct {
	// kind is the provider of a model, the type of a voice, or that of a transcriber.
	kind string
	// model is the vendor's name of the model of a language model; "" for its default.
	model string
	// config are the members of a voice or a transcriber.
	config json.RawMessage
	// mine are the credentials that the agent names for it.
	mine ownCredentials
	// property is that of the agent's which names it; "" for a setting.
	property string
}

// parseWish reads the form that settings have: a kind, and behind a slash the model or
// the voice. "" names nobody.
func parseWish(text, member string) (wish, bool) {
	kind, name, _ := strings.Cut(strings.TrimSpace(text), "/")
	w := wish{kind: kind}
	switch {
	case name == "":
	case member == "":
		w.model = name
	default:
		w.config, _ = json.Marshal(map[string]string{member: name}) // texts always marshal
	}
	return w, kind != ""
}

// member is a text of a wish's configuration; "" for none.
func (w wish) member(name string) string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(w.config, &members) // what is no object has no members
	var text string
	_ = json.Unmarshal(members[name], &text) // what is no text counts as none
	return text
}

// served is a driver that serves a wish.
type served[D any] struct {
	driver D
	source call.Source
	wish   wish
}

// lacking says why a wish is not served.
type lacking struct {
	kind, reason string
	// property is that of the agent's which names it, "" for a setting.
	property string
}

// seek opens the drivers that serve wishes, in their order, each kind and model once,
// and says why others do not serve. noun is what they are called, such as "voice".
func seek[D any](ctx context.Context, k keyring, c sidetone.Call, noun string, list map[string]vendor[D], wishes []wish, ch choice) (found []served[D], missing []lacking, err error) {
	var seen []string
	for _, w := range wishes {
		id := w.kind + " " + w.model + " " + string(w.config)
		if slices.Contains(seen, id) {
			continue
		}
		seen = append(seen, id)
		v, ok := list[w.kind]
		ch.Config = w.config
		switch {
		case !ok:
			missing = append(missing, lacking{kind: w.kind, property: w.property, reason: fmt.Sprintf("%s %q is not configured here", noun, w.kind)})
			continue
		case v.languages != nil && !slices.Contains(v.languages(cmp.Or(w.model, w.member("model"), w.member("model_id"))), language(ch.Language)):
			missing = append(missing, lacking{kind: w.kind, property: w.property, reason: fmt.Sprintf("%s %q does not serve language %q", noun, w.kind, ch.Language)})
			continue
		case c.HIPAA && !k.providers[v.supplier].HIPAA:
			missing = append(missing, lacking{kind: w.kind, property: w.property, reason: fmt.Sprintf("%s %q may not get a call that must comply with HIPAA: providers.%s.hipaa is not set", noun, w.kind, v.supplier)})
			continue
		}
		a, account, err := k.find(ctx, c.EnvironmentID, supplierOf(v.supplier), w.mine)
		if err != nil {
			return nil, nil, err
		}
		if account == "" {
			missing = append(missing, lacking{kind: w.kind, property: w.property, reason: fmt.Sprintf("%s %q is not configured here", noun, w.kind)})
			continue
		}
		found = append(found, served[D]{v.open(a, ch), call.Source{Vendor: v.supplier, Account: account}, w})
	}
	return found, missing, nil
}

// language is the main part of a language tag, English when there is none.
func language(tag string) string {
	main, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return cmp.Or(main, "en")
}

// why joins the reasons, each once.
func why(missing []lacking) string {
	var out []string
	for _, m := range missing {
		if !slices.Contains(out, m.reason) {
			out = append(out, m.reason)
		}
	}
	return strings.Join(out, ", ")
}

// closers collects the drivers of a call that hold connections.
type closers []io.Closer

func (c *closers) add(driver any) {
	if one, ok := driver.(io.Closer); ok {
		*c = append(*c, one)
	}
}

// close ends them; what a vendor says to that matters to nobody.
func (c closers) close() {
	for _, one := range c {
		_ = one.Close()
	}
}
