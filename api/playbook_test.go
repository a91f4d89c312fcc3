package api

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	goodPlaybook = `"playbook: desk\n\notherwise:\n  say: Hello."`
	badPlaybook  = `"playbook: desk\n\notherwise:\n  shout: Hello."`
	whatIsWrong  = `content has a mistake: line 4, column 3: expected "say:", "ask", "do", "if" or "hang up"`
	noRule       = `expected "when caller says:", "when interrupted:", "at the start:" or "otherwise:"`
)

// A prompt that begins with a playbook is parsed when it is stored, wherever it
// comes in; free text is not.
func TestPlaybooksAreCheckedWhenStored(t *testing.T) {
	both(t, func(b *bench) {
		b.do("POST /v1/prompts/create", `{"content":`+badPlaybook+`}`).fails(400, whatIsWrong)
		prompt := b.do("POST /v1/prompts/create", `{"content":`+goodPlaybook+`}`).want(201).text("id")
		b.do("POST /v1/prompts/update?id="+prompt, `{"content":`+badPlaybook+`}`).fails(400, whatIsWrong)
		b.do("POST /v1/prompts/update?id="+prompt, `{"content":"Be kind."}`).want(201)
		b.do("POST /v1/prompts/create", `{"content":"Be kind.\nplaybook: be quick"}`).want(201) // may be meant for another model
		b.do("POST /v1/prompts/create", `{"content":"\ufeffplaybook: x\nshout"}`).fails(400, `content has a mistake: line 2, column 1: `+noRule)

		bad := `{"prompt":{"content":` + badPlaybook + `}}`
		b.do("POST /v1/agents/create", bad).fails(400, "prompt."+whatIsWrong)
		agent := b.agent(`{"prompt":{"content":"p"}}`)
		b.do("POST /v1/agents/update?id="+agent, bad).fails(400, "prompt."+whatIsWrong)
		c := newCallTest(b)
		c.create(bad, "").fails(400, "agent.prompt."+whatIsWrong)
		b.do("POST /v1/numbers/update?phone_number="+c.number[1:], `{"example_context":{},"inbound_agent":`+bad+`}`).
			fails(400, "inbound_agent.prompt."+whatIsWrong)
	})
}

// A playbook further down in a prompt that cannot be read is stored, and whoever stores
// or names it is told where the mistake is, without what the prompt says.
func TestUnreadablePlaybooksAreWarnedAbout(t *testing.T) {
	both(t, func(b *bench) {
		const (
			lower   = `{"content":"A clinic.\n\nplaybook: SECRET\notherwise:\n  say: $SECRET"}`
			inline  = `{"prompt":` + lower + `}`
			warning = "content; unreadable; The playbook cannot be read, and without another model calls are refused: line 5, column 8: nothing asks for this field."
		)
		number := b.number()
		fine := b.do("POST /v1/prompts/create", `{"content":`+goodPlaybook+`}`).want(201)
		prompt, agent := b.do("POST /v1/prompts/create", lower).want(201).text("id"), b.agent(inline)
		update := "POST /v1/numbers/update?phone_number=" + number[1:]
		call := `{"to_number":"+12025550199","from_number":"` + number + `","agent":`
		b.shop.stock(5)
		for _, c := range []struct{ target, body, prefix string }{
			{"POST /v1/prompts/create", lower, ""},
			{"POST /v1/prompts/update?id=" + fine.text("id"), lower, ""},
			{"POST /v1/prompts/update?id=" + prompt, `{"label":"L"}`, ""},
			{"POST /v1/agents/create", inline, "prompt."},
			{"POST /v1/agents/create", `{"prompt":"` + prompt + `"}`, "prompt."},
			{"POST /v1/agents/update?id=" + agent, inline, "prompt."},
			{update, `{"example_context":{},"inbound_agent":` + inline + `}`, "inbound_agent.prompt."},
			{update, `{"example_context":{},"inbound_agent":"` + agent + `"}`, "inbound_agent.prompt."},
			{"POST /v1/numbers/buy", `{"area_code":"202","inbound_agent":` + inline + `}`, "inbound_agent.prompt."},
			{"POST /v1/calls/create", call + inline + `}`, "agent.prompt."},
			{"POST /v1/calls/create", call + `"` + agent + `"}`, "agent.prompt."},
		} {
			for range 2 { // the second one is a replay where the operation heeds the key
				got := b.with(c.target+c.body, c.target, c.body).made().header.Values("Sidetone-Warning")
				if !slices.Equal(got, []string{c.prefix + warning}) {
					b.t.Errorf("%s %s: got %q", c.target, c.body, got)
				}
			}
		}
		if got := warningsOf(b.do("POST /v1/prompts/create", `{"content":"Nice.\nplaybook: x\notherwise:\n  say: Hello."}`).want(201)); got != nil {
			b.t.Errorf("a playbook that can be read: got %q", got)
		}
	})
}

// What was stored before prompts were checked stays readable, and may be sent
// back as it was read.
func TestStoredPlaybooksWithMistakesStay(t *testing.T) {
	both(t, func(b *bench) {
		before := httptest.NewServer(New(Config{Store: b.store}))
		b.t.Cleanup(before.Close)
		now := b.url
		b.url = before.URL
		prompt := b.do("POST /v1/prompts/create", `{"content":`+badPlaybook+`}`).want(201).text("id")
		agent := b.agent(`{"prompt":"` + prompt + `"}`)
		b.url = now
		if got := b.do("GET /v1/support?agent="+agent, "").want(200); !strings.Contains(string(got.raw), `"property":"prompt.content","status":"kept","reason":"unreadable"`) {
			b.t.Errorf("what acts of an agent that cannot think: %s", got.raw)
		}
		b.do("GET /v1/prompts?id="+prompt, "").want(200)
		b.do("POST /v1/prompts/update?id="+prompt, `{"content":`+badPlaybook+`,"label":"L"}`).want(201)
		b.do("POST /v1/prompts/update?id="+prompt, `{"content":`+badPlaybook[:len(badPlaybook)-1]+`!"}`).fails(400, whatIsWrong)
	})
}
