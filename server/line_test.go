package server

import (
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/metrics"
)

func TestLinesAreCounted(t *testing.T) {
	t.Parallel()
	var r metrics.Registry
	count := countLines(&r)
	count(sidetone.LineQuality{Near: &sidetone.Reception{MOS: 4.3}, Far: &sidetone.Reception{MOS: 1}})
	count(sidetone.LineQuality{Near: &sidetone.Reception{MOS: 4.41}})
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`sidetone_call_line_mos_bucket{end="near",le="4.25"} 0`, `sidetone_call_line_mos_bucket{end="near",le="4.5"} 2`,
		`sidetone_call_line_mos_bucket{end="far",le="1.5"} 1`, `sidetone_call_line_mos_count{end="far"} 1`} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
