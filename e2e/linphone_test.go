package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/process/processtest"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// startLinphone starts a linphonec with files in place of a sound card: it plays tone.wav
// and keeps what it hears in heard.wav, both in dir. It reads commands from a terminal
// only.
func startLinphone(t *testing.T, dir string) (command func(string), wrote *processtest.Output, wait func() error) {
	t.Helper()
	writeWAV(t, filepath.Join(dir, "tone.wav"), sound{8000, audio.Sine(8000, 20*8000, 440, -12)})
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	port := telephonytest.Ports(t, 20)
	writeText(t, filepath.Join(dir, "rc"), fmt.Sprintf("[sip]\nsip_port=%d\nsip_tcp_port=0\nuse_ipv6=0\n[rtp]\naudio_rtp_port=%d\n", port, port+4))
	cmd := exec.CommandContext(t.Context(), "script", "-qfc", "linphonec -c rc -d 6", "/dev/null")
	wrote = &processtest.Output{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, cleanEnv("HOME="+dir, "SHELL=/bin/sh"), wrote, wrote
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait = sync.OnceValue(cmd.Wait)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = wait() // of a test that gave up
		if t.Failed() {
			t.Logf("linphonec wrote:\n%s", tail(wrote.String(), 4000))
		}
	})
	return func(line string) {
		t.Helper()
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}, wrote, wait
}

// Linphone calls without a sound card, talks, listens and hangs up. It wants a network
// with a way out, which this one only seems to have.
func TestLinphoneCalls(t *testing.T) {
	t.Parallel()
	if elsewhere(t, "ip", "script", "linphonec") {
		return
	}
	run(t, within(t, 20*time.Second), ".", "sh", "-c", `ip link set lo up && ip link add out0 type veth peer name out1 && ip addr add 198.51.100.9/24 dev out0 &&
		ip link set out0 up && ip link set out1 up && ip route add default via 198.51.100.1`)
	paced := timing.Start(t)
	ctx := within(t, 60*time.Second)
	s := start(t)
	number := s.place(t, client.Agent{InitialMessage: greeting, Voice: s.voice(t, "voice_flite")})
	dir := t.TempDir()
	command, wrote, wait := startLinphone(t, dir)
	command("ipv6 disable")
	command("soundcard use files")
	command("play " + filepath.Join(dir, "tone.wav"))
	command("record " + filepath.Join(dir, "heard.wav"))
	await(t, ctx, "Linphone's network", func() bool { return strings.Contains(wrote.String(), "SIP network reachability state is now [UP]") })
	command("call sip:" + number + "@" + s.sip)
	await(t, ctx, "the call", func() bool { return strings.Contains(wrote.String(), "connected.") })
	<-time.After(6 * time.Second)
	command("terminate")
	c := s.ended(t, ctx, 1)
	if c.EndReason != "hangup" {
		t.Errorf("stored: %+v", c)
	}
	command("quit")
	_ = wait() // what it heard is judged
	raw, err := os.ReadFile(filepath.Join(dir, "heard.wav"))
	if err != nil {
		t.Fatal(err)
	}
	heard := sound{rate: 8000} // its header does not know the length
	for i := 44; i+1 < len(raw); i += 2 {
		heard.pcm = append(heard.pcm, int16(binary.LittleEndian.Uint16(raw[i:])))
	}
	checkSound(t, ctx, s, c, heard, paced)
}
