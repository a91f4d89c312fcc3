package loadgen

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor times in /proc: Linux reports them in
// hundredths of a second on every architecture.
const clockTick = 10 * time.Millisecond

// process reads one process's figures from /proc.
type process struct {
	pid int
	// root is "/proc", except in tests.
	root string
}

// cpu returns the processor time the process has used, user and system. It is
// exact to 10 ms.
func (p process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("%s/%d/stat", p.root, p.pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return parseStat(b)
}

// parseStat reads utime and stime, the 14th and 15th field of proc_pid_stat(5).
// The second field, the program's name, may itself hold spaces and brackets.
func parseStat(b []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[end+1:]))
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("read processor time: unexpected stat line %.80q", b)
	}
	user, err := strconv.ParseUint(fields[11], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("read user time: %w", err)
	}
	system, err := strconv.ParseUint(fields[12], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("read system time: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// rss returns the resident memory of the process in bytes, from smaps_rollup,
// which is exact, else from statm.
func (p process) rss() (int64, error) {
	if b, err := os.ReadFile(fmt.Sprintf("%s/%d/smaps_rollup", p.root, p.pid)); err == nil {
		if bytes, ok := parseRollup(b); ok {
			return bytes, nil
		}
	}
	b, err := os.ReadFile(fmt.Sprintf("%s/%d/statm", p.root, p.pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("read memory: unexpected statm line %.80q", b)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// parseRollup returns the Rss line of a smaps_rollup file, in bytes.
func parseRollup(b []byte) (int64, bool) {
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "Rss:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 53)
			return kilobytes << 10, err == nil
		}
	}
	return 0, false
}
