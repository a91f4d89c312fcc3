package support

import (
	"fmt"
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ warnings, length, want, more int }{
		{0, 10, 0, 0}, {1, 10, 1, 0}, {16, 10, 16, 0}, {17, 10, 16, 2}, {100, 10, 16, 85}, {5, 1000, 5, 1}, {4, 1000, 4, 0}, {1, 5000, 1, 1},
	} {
		var warnings []Warning
		for range c.warnings {
			warnings = append(warnings, Warning{"a", Hint, strings.Repeat("x", c.length)})
		}
		got, sum := Headers(warnings), 0
		for _, text := range got {
			sum += len(text)
		}
		last := "a; hint; " + strings.Repeat("x", c.length)
		if c.more > 0 {
			last = fmt.Sprintf("and %d more, see GET /v1/support", c.more)
		}
		if len(got) != c.want || sum > maxHeaderBytes || len(got) > 0 && got[len(got)-1] != last {
			t.Errorf("%+v: got %d of %d bytes, last %.60q", c, len(got), sum, append(got, "")[max(0, len(got)-1)])
		}
	}
}
