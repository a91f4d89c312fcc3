package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/support"
)

func renderEnvironment(e sidetone.Environment) object {
	o := object{"id": e.ID, "user_id": e.AccountID, "name": e.Name}
	setText(o, "default_agent", e.DefaultAgentID)
	setText(o, "default_country", e.DefaultCountry)
	for name, value := range choices(&e) {
		setText(o, name, *value)
	}
	if len(e.DialCountries) > 0 {
		o["dial_countries"] = e.DialCountries
	}
	o["record_transfers"] = e.RecordTransfers
	setTime(o, "created_at", e.Created)
	return o
}

// choices are whom the agents of an environment use, by property.
func choices(e *sidetone.Environment) map[string]*string {
	return map[string]*string{"default_model": &e.DefaultModel, "default_voice": &e.DefaultVoice, "default_transcriber": &e.DefaultTranscriber,
		"fallback_model": &e.FallbackModel, "fallback_voice": &e.FallbackVoice, "fallback_transcriber": &e.FallbackTranscriber}
}

// choose changes whom the agents of an environment use, and refuses who is not known.
func (w work) choose(d *decoder, e *sidetone.Environment) error {
	kinds := map[string][2]string{"default_model": {"agent", "provider"}, "fallback_model": {"agent", "llm_fallback.provider"},
		"default_voice": {"voice", "type"}, "fallback_voice": {"voice", "type"},
		"default_transcriber": {"agent", "transcriber.type"}, "fallback_transcriber": {"agent", "transcriber.type"}}
	into := choices(e)
	for _, property := range slices.Sorted(maps.Keys(into)) {
		given := d.Text(property)
		given.Apply(into[property], "")
		kind, name, slash := strings.Cut(given.Value, "/")
		ok, possible := w.table.Possible(kinds[property][0], kinds[property][1], kind)
		acts := func(one string) bool {
			e, _ := w.table.Find(kinds[property][0], kinds[property][1], one)
			return e.Status == support.Acts
		}
		ok, possible = ok && kind != "" && acts(kind) && (!slash || name != ""), slices.DeleteFunc(slices.Clone(possible), func(one string) bool { return !acts(one) })
		if strings.HasSuffix(property, "_model") {
			ok, possible = ok || given.Value == "auto", append([]string{"auto"}, possible...)
		}
		for _, unfit := range unfit(property) {
			ok = ok && kind != unfit
			possible = slices.DeleteFunc(slices.Clone(possible), func(one string) bool { return one == unfit })
		}
		if given.Value != "" && !ok {
			return invalid("%s must begin with one of %s", property, strings.Join(possible, ", "))
		}
	}
	return nil
}

// unfit are those whom agents may name and an environment may not in that place: they
// test the line, or are for text telephones, which speech cannot go over to.
func unfit(property string) []string {
	return map[string][]string{"default_model": {"echo", "bench"}, "fallback_voice": {"voice_tty"}, "fallback_transcriber": {"tty"}}[property]
}

// whoAmI says what the bearer is and may do.
func (s *server) whoAmI(r *request) (any, error) {
	kind := r.who.Actor()
	o := object{
		"type": string(kind.Kind), "user_id": r.who.AccountID, "scopes": r.who.Scopes.Names(),
		"profile": r.view.profile.Name, "account_wide": r.who.AccountWide,
	}
	setText(o, "id", kind.ID)
	setText(o, "label", kind.Label)
	err := s.read(r, func(w work) error {
		e, err := w.tx.Environment()
		if err != nil {
			return err
		}
		o["environment"] = renderEnvironment(e)
		if r.who.MemberID == "" {
			return nil
		}
		m, err := w.tx.Member(r.who.MemberID)
		o["member"] = renderMember(m)
		return err
	})
	return o, err
}

// visible returns the environment with id if the request may see it.
func (s *server) visible(r *request, id string) (sidetone.Environment, error) {
	if id != r.who.EnvironmentID && !r.who.AccountWide {
		return sidetone.Environment{}, missing("id", "environment")
	}
	e, err := s.Store.EnvironmentByID(r.ctx, id)
	if err == nil && e.AccountID != r.who.AccountID {
		return sidetone.Environment{}, missing("id", "environment")
	}
	return e, named(err, "id", "environment")
}

func (s *server) getEnvironment(r *request) (any, error) {
	e, err := s.visible(r, r.query.Get("id"))
	return renderEnvironment(e), err
}

// listEnvironments lists the account's environments, or only the key's own.
func (s *server) listEnvironments(r *request) (any, error) {
	q, err := pageQuery(r.query)
	if err != nil {
		return nil, err
	}
	only := r.who.EnvironmentID
	if r.who.AccountWide {
		only = ""
	}
	page, err := s.Store.EnvironmentsOf(r.ctx, r.who.AccountID, only, q)
	return renderPage(page, renderEnvironment), err
}

func (s *server) createEnvironment(r *request) (any, error) {
	if err := wide(r); err != nil {
		return nil, err
	}
	d := newDecoder(r.view.profile, r.body)
	e := sidetone.Environment{AccountID: r.who.AccountID, Name: d.Text("name").Value}
	d.country("default_country").Apply(&e.DefaultCountry, "")
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return s.outsideTransaction(r, func() (any, error) {
		made, err := s.Store.CreateEnvironment(r.ctx, e)
		if err == nil {
			err = s.environmentWarnings(r, made, true)
		}
		return renderEnvironment(made), err
	})
}

// wide refuses keys that may act in their own environment only.
func wide(r *request) error {
	if !r.who.AccountWide {
		return sidetone.Errorf(sidetone.Forbidden, "Forbidden: this needs a key with account_wide")
	}
	return nil
}

func (s *server) updateEnvironment(r *request) (any, error) {
	e, err := s.visible(r, r.query.Get("id"))
	if err != nil {
		return nil, err
	}
	d := newDecoder(r.view.profile, r.body)
	name, agent, country := d.Text("name"), d.Text("default_agent"), d.country("default_country")
	dialled, recorded := d.countries("dial_countries"), d.Bool("record_transfers")
	if err := d.Err(); err != nil {
		return nil, err
	}
	there := *r
	there.who.EnvironmentID = e.ID
	err = s.write(&there, func(w work) error {
		if e, err = w.tx.Environment(); err != nil {
			return err
		}
		name.Apply(&e.Name, "")
		agent.Apply(&e.DefaultAgentID, "")
		country.Apply(&e.DefaultCountry, "")
		dialled.Apply(&e.DialCountries, nil)
		recorded.Apply(&e.RecordTransfers, false)
		if err := firstOf(w.choose(d, &e), e.Validate()); err != nil {
			return err
		}
		if agent.Set && e.DefaultAgentID != "" {
			if _, err := w.tx.Agent(e.DefaultAgentID); err != nil {
				return named(err, "default_agent", "agent")
			}
		}
		return w.tx.UpdateEnvironment(e)
	})
	if err == nil {
		err = s.environmentWarnings(r, e, false)
	}
	return renderEnvironment(e), err
}

// environmentWarnings notes what of an environment does not act.
func (s *server) environmentWarnings(r *request, e sidetone.Environment, made bool) error {
	if s.LackingEnvironment == nil {
		return nil
	}
	found, err := s.LackingEnvironment(r.ctx, e, made)
	for _, w := range found {
		if _, sent := r.sent[w.Property]; made || sent {
			r.ignored = append(r.ignored, w)
		}
	}
	return err
}
