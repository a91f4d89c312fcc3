package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedColumnsWork sorts and filters each list by each column that the
// document names for it, and by one that it does not.
func TestDocumentedColumnsWork(t *testing.T) {
	both(t, func(b *bench) {
		c := newCallTest(b)
		c.create(`"`+c.agent+`"`, "").want(201)
		lists := 0
		for path, item := range b.doc.Paths.Map() {
			if item.Get == nil || !strings.HasSuffix(path, "/list") {
				continue
			}
			lists++
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
		if lists != 4 {
			b.t.Errorf("%d lists were tested", lists)
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
	case "outbound_only", "is_outgoing":
		operand = true
	case "created", "updated", "start_time", "end_time":
		operand = "2026-11-01T10:00:00.000Z"
	}
	raw, err := json.Marshal(map[string]any{column: operand})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
