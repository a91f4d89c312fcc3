package timing

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a test whose outcome is looked at.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, "failed: "+fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func TestOnlyAMachineInTimeIsJudged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		m := Start(r)
		<-time.After(time.Second) // in the bubble every tick is on time
		m.Errorf("took %d s", 7)
		m.mu.Lock()
		m.late = append(m.late, 250*time.Millisecond)
		m.mu.Unlock()
		m.Errorf("took %d s", 8)
		if got := strings.Join(r.said, "\n"); got != "failed: took 7 s\nnot judged, because the machine was up to 250ms late: took 8 s" {
			t.Errorf("got %q", got)
		}
	})
}
