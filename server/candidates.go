package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/support"
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

// parseModel reads the setting of a model; auto is one of a server on this machine.
func parseModel(text string) (wish, bool) {
	w, ok := parseWish(text, "")
	if w.kind == autoModel {
		w.kind = "ollama"
	}
	if w.model == autoModel {
		w.model = ""
	}
	return w, ok
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
	reason string
	// property is that of the agent's which names it, "" for a setting.
	property string
	// fallback says that one before it serves.
	fallback bool
	// private says that it is configured and must not get the call.
	private bool
}

// sought is what was found for a part of a call.
type sought[D any] struct {
	// first is who was wished for first.
	first   wish
	found   []served[D]
	missing []lacking
}

// serves says that one of a kind was found.
func (s sought[D]) serves(kind string) bool {
	return slices.ContainsFunc(s.found, func(f served[D]) bool { return f.wish.kind == kind })
}

// instead says who serves in the place of those before it that do not, and which
// fallbacks do not; verb is what it does, such as "speaks".
func (s sought[D]) instead(verb string) (out []string) {
	var before, after []lacking
	for _, m := range s.missing {
		if m.fallback {
			after = append(after, m)
		} else {
			before = append(before, m)
		}
	}
	if len(before) > 0 {
		out = append(out, fmt.Sprintf("%s: %s %s instead", why(before), s.found[0].wish.kind, verb))
	}
	if len(after) > 0 {
		out = append(out, why(after))
	}
	return out
}

// seek opens the drivers that serve wishes, in their order, each kind and model once,
// and says why others do not serve; drivers gets those opened. noun is what they are
// called, such as "voice".
func seek[D any](ctx context.Context, k keyring, c sidetone.Call, noun string, list map[string]vendor[D], wishes []wish, ch choice, drivers *closers) (sought[D], error) {
	out := sought[D]{}
	var seen []string
	for i, w := range wishes {
		if i == 0 {
			out.first = w
		}
		id := w.kind + " " + w.model + " " + string(w.config)
		if slices.Contains(seen, id) {
			continue
		}
		seen = append(seen, id)
		s, why, err := serve(ctx, k, c, list, w, ch)
		switch {
		case err != nil:
			return sought[D]{}, err
		case why != "":
			out.missing = append(out.missing, lacking{property: w.property, reason: fmt.Sprintf("%s %q %s", noun, w.kind, why),
				fallback: len(out.found) > 0, private: c.HIPAA && list[w.kind].supplier != "" && !k.providers[list[w.kind].supplier].HIPAA})
		default:
			out.found = append(out.found, s)
			if s.source.Vendor != "" { // the server's own outlive the call
				drivers.add(s.driver)
			}
		}
	}
	return out, nil
}

// serve opens the driver that serves a wish, or says why none does.
func serve[D any](ctx context.Context, k keyring, c sidetone.Call, list map[string]vendor[D], w wish, ch choice) (s served[D], why string, err error) {
	const unknown = "is not configured here"
	v, ok := list[w.kind]
	ch.Config = support.Taken(w.kind, w.config)
	switch {
	case !ok:
		return s, unknown, nil
	case v.languages != nil && !slices.Contains(v.languages(cmp.Or(w.model, w.member("model"), w.member("model_id"))), language(ch.Language)):
		return s, fmt.Sprintf("does not serve language %q", ch.Language), nil
	case v.supplier == "":
		return served[D]{driver: v.open(access{}, ch), wish: w}, "", nil
	case c.HIPAA && !k.providers[v.supplier].HIPAA:
		return s, fmt.Sprintf("may not get a call that must comply with HIPAA: providers.%s.hipaa is not set", v.supplier), nil
	}
	a, account, err := k.find(ctx, c.EnvironmentID, supplierOf(v.supplier), w.mine)
	if bad := unfit(""); errors.As(err, &bad) {
		return s, "does not serve: " + bad.Error(), nil
	}
	if err != nil || account == "" {
		return s, unknown, err
	}
	if w.config == nil { // of a model, which the account may name
		w.model = cmp.Or(w.model, a.Settings["model"])
	}
	return served[D]{v.open(a, ch), call.Source{Vendor: v.supplier, Account: account, Key: a.mark()}, w}, "", nil
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
