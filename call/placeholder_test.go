package call

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
)

func TestFillPlaceholders(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, context, want string }{
		{"plain", `{}`, "plain"},
		{"Hi ${name}!", `{"name":"Ann"}`, "Hi Ann!"},
		{"Hi ${name}!", `{}`, "Hi !"},
		{"Hi ${name}!", `broken`, "Hi !"},
		{"${a}${b} ${c", `{"a":1,"b":true}`, "1true ${c"},
		{"${o}", `{"o":{"x":[1]}}`, `{"x":[1]}`},
	}
	for _, c := range cases {
		if got := fillPlaceholders(c.text, []byte(c.context)); got != c.want {
			t.Errorf("fillPlaceholders(%q, %s): got %q, want %q", c.text, c.context, got, c.want)
		}
	}
}

func TestUnfilled(t *testing.T) {
	t.Parallel()
	got := unfilled([]byte(`{"name":"Ann","empty":"","null":null}`), "${name} ${city} ${empty} ${null", "${null} ${city} ${} ${x")
	if diff := cmp.Diff([]string{"city", "null", ""}, got); diff != "" {
		t.Error(diff)
	}
	if got := unfilled(nil, "plain"); got != nil {
		t.Errorf("got %q", got)
	}
}

// TestNoIdleChecks: an agent that is told to ask never hangs up without asking.
func TestNoIdleChecks(t *testing.T) {
	t.Parallel()
	c := sidetone.Call{}
	c.Snapshot.Agent.AskIfHumanPresentOnIdle = true
	for count, want := range map[int]bool{0: false, 1: true, 3: true} {
		c.Snapshot.Agent.MaxIdleChecks = count
		if m := machineConfig(c, Plan{}); m.AskOnIdle != want || m.MaxIdleChecks != count {
			t.Errorf("%d checks: got %v, %d", count, m.AskOnIdle, m.MaxIdleChecks)
		}
	}
}

// TestIdleTimeOfQueues: an agent that may wait in a queue is patient unless it says
// how long.
func TestIdleTimeOfQueues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode     string
		idle     time.Duration
		patience time.Duration
	}{{"default", 0, 10 * time.Minute}, {"off", 0, 0}, {"default", 7 * time.Second, 7 * time.Second}, {"off", 7 * time.Second, 7 * time.Second}} {
		row := sidetone.Call{}
		row.Snapshot.Agent.IVRNavigationMode, row.Snapshot.Agent.IdleTime = c.mode, c.idle
		if got := machineConfig(row, Plan{}).IdleTime; got != c.patience {
			t.Errorf("%s, %v: got %v, want %v", c.mode, c.idle, got, c.patience)
		}
	}
}
