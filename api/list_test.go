package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentedColumnsWork sorts and filters each list by each column that the
// document names for it, and by one that it does not.
func TestDocumentedColumnsWork(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		c.create(`"`+c.agent+`"`, "").want(201)
		b.do("POST /v1/members/create", `{"subject":"ada"}`).want(201)
		b.furnish()
		b.do("POST /v1/trunks/create", `{"name":"acme"}`).want(201)
		b.do("POST /v1/dnc_numbers/create", `{"phoneNumber":"+12025550166"}`).want(201)
		b.delivery(b.env.ID)
		lists := 0
		for path, item := range b.doc.Paths.Map() {
			if item.Get == nil || !strings.HasSuffix(path, "/list") && path != "/v1/refusals" || item.Get.Parameters.GetByInAndName("query", "sort_column") == nil {
				continue
			}
			lists++
			if path == "/v1/refusals" {
				b.refusal(b.env.ID)
			}
			sortable, filterable := names(t, item.Get.Extensions["x-sort-columns"]), names(t, item.Get.Extensions["x-filter-columns"])
			for _, column := range sortable {
				for _, desc := range []string{"true", "false"} {
					if got := b.do("GET "+path+"?sort_column="+column+"&sort_desc="+desc, ""); got.want(200).at("total") == 0.0 {
						b.t.Errorf("%s is empty", path)
					}
				}
			}
			for _, column := range filterable {
				b.do("GET "+path+"?filters="+url.QueryEscape(filterOn(t, column)), "").want(200)
				if !slices.Contains(sortable, column) {
					b.do("GET "+path+"?sort_column="+column, "").want(400)
				}
			}
			b.do("GET "+path+"?filters="+url.QueryEscape(`{"shoe_size":1}`), "").want(400)
		}
		if lists != 17 {
			b.t.Errorf("%d lists were tested", lists)
		}
	})
}

// TestListsContinueByCursor reads each list in steps of one by its cursors, and
// presents cursors that are not its own.
func TestListsContinueByCursor(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		for range 2 {
			b.number()
			c.create(`"`+b.agent(`{"prompt":{"content":"Be kind."}}`)+`"`, "").want(201)
		}
		for _, name := range []string{"ada", "bob"} {
			b.do("POST /v1/members/create", `{"subject":"`+name+`"}`).want(201)
			b.do("POST /v1/api_keys/create", `{"label":"`+name+`"}`).want(201)
			b.do("POST /v1/environments/create", `{"name":"`+name+`"}`).want(201)
			b.do("POST /v1/trunks/create", `{"name":"`+name+`"}`).want(201)
			b.furnish()
			b.refusal(b.env.ID)
			b.delivery(b.env.ID)
		}
		_, foreign := b.newEnvironment("other")
		cursors := map[string]string{}
		for path, item := range b.doc.Paths.Map() {
			if item.Get == nil || item.Get.Parameters.GetByInAndName("query", "cursor") == nil || strings.Contains(path, "dnc_") {
				continue // those are in camel case; their list is made by the same code
			}
			all := b.do("GET "+path+"?size=100&sort_column=created", "").want(200)
			next, seen := "", []any{}
			for page := 1.0; page == 1 || next != ""; page++ {
				got := b.do("GET "+path+"?size=1&sort_column=created&page=7&cursor="+next, "")
				if page == 1 {
					got = b.do("GET "+path+"?size=1&sort_column=created", "")
				}
				if got.want(200).at("page") != page {
					b.t.Errorf("%s: page %v is %v", path, page, got.at("page"))
				}
				seen = append(seen, got.at("items").([]any)...)
				next = got.text("next_cursor")
				if page == 1 {
					cursors[path] = next
				}
			}
			if diff := cmp.Diff(all.at("items"), any(seen)); diff != "" {
				b.t.Errorf("%s by cursor: %s", path, diff)
			}
		}
		for path, cursor := range cursors {
			for other := range cursors {
				if other != path {
					b.do("GET "+other+"?sort_column=created&cursor="+cursor, "").fails(404, "cursor not found")
				}
			}
			b.do("GET "+path+"?cursor="+cursor, "").fails(404, "cursor not found") // another order
			b.do("GET "+path+"?cursor=made-up", "").fails(404, "cursor not found")
			b.send("GET "+path+"?sort_column=created&cursor="+cursor, "", http.Header{"Authorization": {"Bearer " + foreign}}).
				fails(404, "cursor not found")
		}
		if len(cursors) < 4 {
			b.t.Errorf("%d lists were read", len(cursors))
		}
	})
}

func names(t *testing.T, extension any) []string {
	t.Helper()
	var out []string
	for _, name := range extension.([]any) {
		out = append(out, name.(string))
	}
	if len(out) == 0 {
		t.Error("a list documents no columns")
	}
	return out
}

// filterOn is a filter with an operand of the column's kind.
func filterOn(t *testing.T, column string) string {
	t.Helper()
	var operand any = "x"
	switch column {
	case "outbound_only", "is_outgoing", "certain", "active":
		operand = true
	case "created", "updated", "createdAt", "updatedAt", "created_at", "updated_at", "start_time", "end_time",
		"revoked", "revoked_at":
		operand = "2026-11-01T10:00:00.000Z"
	}
	raw, err := json.Marshal(map[string]any{column: operand})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestFiltersByWhatAnswersShow filters by names of members of the answers: what is
// shown is found, what is not shown is not.
func TestFiltersByWhatAnswersShow(t *testing.T) {
	both(t, func(b *bench) {
		number := b.number()
		b.number()
		b.do("POST /v1/numbers/update?phone_number="+number[1:], `{"example_context":{},"tags":["front \"desk\"","vip"]}`).want(201)
		b.do("POST /v1/prompts/create", `{"content":"p","tags":["vip"]}`).want(201)
		b.do("POST /v1/prompts/create", `{"content":"p"}`).want(201)
		b.do("POST /v1/voices/create", `{"type":"voice_azure","voice_name":"n"}`).want(201)
		b.do("POST /v1/vector_databases/create", `{"index":"i","api_key":"k","api_environment":"e"}`).want(200)
		revoked := b.do("POST /v1/api_keys/create", `{}`).want(201).text("id")
		b.do("POST /v1/api_keys/revoke?id="+revoked, "").want(201)
		for _, c := range []struct {
			list, filters string
			want          float64
		}{
			{"numbers", `{"active":true}`, 2}, {"numbers", `{"active":false}`, 0},
			{"numbers", `{"tags":"vip"}`, 1}, {"numbers", `{"tags":{"contains":"front \"desk\""}}`, 1}, {"numbers", `{"tags":"desk"}`, 0},
			{"numbers", `{"tags":"VIP"}`, 0}, {"numbers", `{"tags":{"ne":"vip"}}`, 1}, {"numbers", `{"tags":{"in":["no","vip"]}}`, 1},
			{"numbers", `{"carrier_state":"unverified"}`, 0},
			{"prompts", `{"tags":"vip"}`, 1}, {"voices", `{"type":"voice_azure"}`, 1}, {"vector_databases", `{"type":"vector_database_pinecone"}`, 1},
			{"api_keys", `{"active":false}`, 1}, {"api_keys", `{"active":true}`, 1}, {"api_keys", `{"revoked_at":{"gt":"2000-01-01T00:00:00Z"}}`, 1},
			{"environments", `{"created_at":{"gt":"2000-01-01T00:00:00Z"}}`, 1},
		} {
			got := b.do("GET /v1/"+c.list+"/list?filters="+url.QueryEscape(c.filters), "").want(200)
			if got.at("total") != c.want || float64(len(got.at("items").([]any))) != c.want {
				b.t.Errorf("%s %s: got %v, want %v", c.list, c.filters, got.at("total"), c.want)
			}
		}
		b.do("GET /v1/numbers/list?filters="+url.QueryEscape(`{"tags":{"gt":"a"}}`), "").fails(400, `filters.tags cannot be compared with "gt"`)
		b.do("GET /v1/numbers/list?filters="+url.QueryEscape(`{"tags":5}`), "").fails(400, "filters.tags must be a text")
		b.do("GET /v1/numbers/list?filters="+url.QueryEscape(`{"tags":null}`), "").fails(400, "filters.tags must be a text")
	})
}
