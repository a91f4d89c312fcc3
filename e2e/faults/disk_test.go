package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
)

// serveOnSmallDisk starts a server whose data directory is a file system of its
// own, which nobody else sees. within is that directory as this process reaches
// it.
func serveOnSmallDisk(t *testing.T, megabytes int, settings string) (n *node, within string) {
	t.Helper()
	n = &node{t: t, dir: t.TempDir()}
	n.config = filepath.Join(n.dir, "config.yaml")
	if err := os.WriteFile(n.config, []byte(settings+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(n.data(), 0o700); err != nil {
		t.Fatal(err)
	}
	n.wrap = smallDisk(n.data(), fmt.Sprintf("%dm", megabytes))
	n.start()
	return n, fmt.Sprintf("/proc/%d/root%s", n.cmd.Process.Pid, n.data())
}

// smallDisk is what to put before a command so that dir is a file system of its
// own for it.
func smallDisk(dir, size string) []string {
	wrap := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		wrap = append(wrap, "--map-root-user")
	}
	return append(wrap, "sh", "-c", `mount -t tmpfs -o size=`+size+` tmpfs "$0" && exec "$@"`, dir)
}

// fill takes all the space there is.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// A full disk: the live call goes on, new calls and changes are refused with
// the reason, and everything works again when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	n, within := serveOnSmallDisk(t, 24, "")
	number := n.number(echo)
	c := dial(t, n, "udp")
	c.invite(number)
	c.answered()
	id := n.live()
	wait(1500 * time.Millisecond) // something is recorded
	filler := filepath.Join(within, "filler")
	fill(t, filler)
	until(t, 30*time.Second, "the recording to stop", func() bool {
		return strings.Contains(n.out.String(), "recording stopped, the call goes on")
	})
	// What the database had set aside is used up first.
	status, body := 0, ""
	for _, size := range []int{20_000, 2000, 10, 10, 10} {
		for range 500 {
			status, body = n.post("/v1/agents/create", `{"prompt":{"content":"`+strings.Repeat("x", size)+`"}}`)
			if status/100 != 2 {
				break
			}
		}
	}
	if status/100 != 5 || !strings.Contains(body, `"message"`) {
		t.Errorf("a change on a full disk: %d %s", status, body)
	}
	if _, err := n.api.Numbers().List(t.Context(), client.Query{}); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	if status, body := n.request(http.MethodGet, "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "full") {
		t.Errorf("readyz on a full disk: %d %s", status, body)
	}
	refused := dial(t, n, "udp")
	refused.invite(number)
	if got := refused.refused(503); header(got, "Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	was := c.heard()
	until(t, 20*time.Second, "sound on a full disk", func() bool { return c.heard() > was+50 })
	c.bye()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	got := n.last(20 * time.Second)
	if got.ID != id || got.Status != "ended" || got.EndReason != "hangup" {
		t.Errorf("the call: %+v", got)
	}
	events := n.events(id)
	if last := events[len(events)-1]; last.Type != "ended" {
		t.Errorf("the last event is %+v", last)
	}
	if _, body := n.request(http.MethodGet, "/v1/calls?id="+id, ""); !strings.Contains(body, "no space left on device") {
		t.Errorf("the record does not say that the recording is incomplete: %s", body)
	} else if strings.Contains(body, n.dir) {
		t.Errorf("the record names a directory of the server: %s", body)
	}
	if pcm, _ := recorded(t, n, id); len(pcm) == 0 {
		t.Error("what was recorded before the disk was full is lost")
	}
	if status, body := n.post("/v1/agents/create", `{"prompt":{"content":"x"}}`); status/100 != 2 {
		t.Errorf("a change when there is space again: %d %s", status, body)
	}
	until(t, 10*time.Second, "the server to be ready again", func() bool {
		status, _ := n.request(http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	})
	if n.ended(0) {
		t.Fatalf("the server ended: %v", n.err)
	}
	n.healthy(number)
}

// A server that cannot start for want of space says so.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := launch(t, smallDisk(dir, "64k"), "serve", "--data", dir, "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0")
	if !p.ended(20*time.Second) || p.cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("ended with %v, want exit code 1", p.err)
	}
	if got := p.out.String(); !strings.Contains(got, "full") && !strings.Contains(got, "no space") {
		t.Errorf("%q does not name the full disk", got)
	}
}
