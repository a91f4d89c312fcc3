package call

import (
	"cmp"
	"context"
	"strconv"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/provider"
)

// metered returns a context whose requests count as the candidate's.
func (c *candidates) metered(ctx context.Context, i int) context.Context {
	return provider.WithMeter(ctx, c.meters[i])
}

// parts are the candidates of the call, by part.
func (s *Session) parts() []*candidates {
	if s.ear == nil { // nobody was to serve it yet
		return nil
	}
	return []*candidates{s.ear.candidates, s.mind.candidates, s.mouth.candidates}
}

// serving says who serves each part when the call begins, a vendor or local, and the name
// of the model.
func (s *Session) serving() (vendors map[string]string, model string) {
	vendors = map[string]string{}
	if s.plan.Echo {
		return vendors, ""
	}
	for _, c := range s.parts() {
		i := c.begins()
		if i < 0 {
			continue
		}
		vendors[string(c.part)] = who(c.source(i))
		if c.part == partModel {
			model = s.plan.Models[i].Name
		}
	}
	return vendors, model
}

// addServing adds to an event's data who serves from now on.
func (s *Session) addServing(data map[string]any) {
	vendors, model := s.serving()
	if len(vendors) == 0 {
		return
	}
	data["vendors"] = vendors
	if model != "" {
		data["model"] = model
	}
}

// addNews adds to an event's data which hosts got something for the first time since
// the event before, and how vendors name the requests that they have answered since.
func (s *Session) addNews(data map[string]any) map[string]any {
	var reached, requests []map[string]string
	for _, c := range s.parts() {
		for i, m := range c.meters {
			news, who := m.News(), c.source(i).Vendor
			for _, host := range news.Hosts {
				reached = append(reached, map[string]string{"part": string(c.part), "vendor": who, "host": host})
			}
			for _, id := range news.Requests {
				requests = append(requests, map[string]string{"part": string(c.part), "vendor": who, "id": id})
			}
		}
	}
	if len(reached)+len(requests) > 0 && data == nil {
		data = map[string]any{}
	}
	for _, r := range requests {
		s.comment("request " + strconv.Quote(r["id"]) + " of " + r["part"] + " " + r["vendor"])
	}
	if len(reached) > 0 {
		data["reached"] = reached
	}
	if len(requests) > 0 {
		data["requests"] = requests
	}
	return data
}

// used is what each vendor, and the server itself, was used for in the call.
func (s *Session) used() []sidetone.Used {
	var all []sidetone.Used
	for _, c := range s.parts() {
		for i, m := range c.meters {
			if total := m.Total(); total.Requests > 0 {
				all = sidetone.AddUsed(all, UsedOf(string(c.part), c.source(i), total))
			}
		}
	}
	return all
}

// UsedOf is what a source was used for as a part of a call: recogniser, model or voice.
func UsedOf(part string, s Source, m provider.Metered) sidetone.Used {
	u := sidetone.Used{Part: part, Vendor: cmp.Or(s.Vendor, local), Account: s.Account, Hosts: m.Hosts, Requests: m.Requests}
	for unit, n := range m.Used {
		if u.Units == nil {
			u.Units = map[string]float64{}
		}
		u.Units[string(unit)] = n
	}
	return u
}
