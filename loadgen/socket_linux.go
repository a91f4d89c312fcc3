package loadgen

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// stampPackets asks the kernel to stamp every packet received on the socket
// with the handle fd.
func stampPackets(fd uintptr) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("switch on receive timestamps: %w", err)
	}
	return nil
}

// stampOf returns the kernel's receive time in a packet's control data. ok is
// false when there is none.
func stampOf(control []byte) (stamp time.Time, ok bool) {
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return time.Time{}, false
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SO_TIMESTAMPNS && len(data) >= 16 {
			seconds := binary.NativeEndian.Uint64(data)
			nanos := binary.NativeEndian.Uint64(data[8:])
			return time.Unix(int64(seconds), int64(nanos)), true
		}
		control = rest
	}
	return time.Time{}, false
}

// ticks calls tick at every millisecond of now until ctx ends. It holds an
// operating system thread of its own: the runtime's timers wake half a
// millisecond late in the median, clock_nanosleep a twentieth.
func ticks(ctx context.Context, c clock, tick func(at time.Duration)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var base unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &base); err != nil {
		return
	}
	elapsed := c.now()
	zero := base.Nano() - int64(elapsed)
	for at := elapsed.Truncate(time.Millisecond); ctx.Err() == nil; {
		at += time.Millisecond
		until := unix.NsecToTimespec(zero + int64(at))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil) == unix.EINTR {
		}
		tick(at)
	}
}
