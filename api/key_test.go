package api

import (
	"testing"
)

// TestResourceKeys walks through what files rely on: a key finds its resource, belongs
// to one of a kind, and can be taken over once it is given up.
func TestResourceKeys(t *testing.T) {
	both(t, func(b *bench) {
		first := b.do("POST /v1/prompts/create", `{"content":"p","key":"front-desk"}`).want(201)
		if first.text("key") != "front-desk" {
			t.Errorf("the prompt is %s", first.raw)
		}
		b.do("POST /v1/agents/create", `{"prompt":"`+first.text("id")+`","key":"front-desk"}`).want(201) // another kind
		b.do("POST /v1/prompts/create", `{"content":"q","key":"front-desk"}`).fails(409, "key belongs to another prompt")
		second := b.do("POST /v1/prompts/create", `{"content":"q"}`).want(201)
		b.do("POST /v1/prompts/update?id="+second.text("id"), `{"key":"front-desk"}`).fails(409, "key belongs to another prompt")
		b.do("POST /v1/agents/create", `{"prompt":{"content":"p","key":"front-desk"}}`).want(409)
		b.do("POST /v1/prompts/create", `{"content":"q","key":"a b"}`).
			fails(400, "key must be at most 128 letters, digits, dots, hyphens and underscores, the first a letter or a digit")
		page := b.do("GET /v1/prompts/list?filters=%7B%22key%22:%22front-desk%22%7D", "").want(200)
		if items, _ := page.at("items").([]any); len(items) != 1 {
			t.Errorf("the key finds %s", page.raw)
		}
		b.do("POST /v1/prompts/update?id="+first.text("id"), `{"key":null}`).want(201)
		b.do("POST /v1/prompts/update?id="+second.text("id"), `{"key":"front-desk"}`).want(201)
	})
}
