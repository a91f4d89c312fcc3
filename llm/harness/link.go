package harness

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sidetone/sidetone/provider"
)

const (
	// backlog is how many frames may wait to be read; a program that sends more
	// between two requests has no flow that anybody could follow.
	backlog = 256
	// pingTime is the time between two ping_pong of Retell, when the program asks for
	// them.
	pingTime = 2 * time.Second
	// pongTime is how long a program may then say nothing itself.
	pongTime = 5 * time.Second
)

// link is an open socket and the goroutine that reads it, which also answers the
// program's pings.
type link struct {
	driver *Driver
	client *provider.Client
	socket *provider.Socket
	cancel context.CancelFunc
	done   sync.WaitGroup
	lost   chan struct{} // closed when the socket is over
	err    error         // why, once lost is closed
	heard  chan struct{} // a frame came, for ping

	waiting sync.Mutex
	frames  []frame       // guarded by waiting
	more    chan struct{} // there are some
	writing sync.Mutex
	pings   bool // of the reader
}

// open begins to read a socket.
func open(d *Driver, s *provider.Socket) *link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{driver: d, client: d.o.Client, socket: s, cancel: cancel,
		lost: make(chan struct{}), heard: make(chan struct{}, 1), more: make(chan struct{}, 1)}
	l.done.Go(func() {
		l.err = l.read(ctx)
		close(l.lost)
		s.Close()
		d.ended(l)
	})
	return l
}

// over reports whether the socket has ended.
func (l *link) over() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// close ends the socket and waits for the reader.
func (l *link) close() {
	l.cancel()
	l.socket.Close()
	l.done.Wait()
}

// read takes frames until the socket ends.
func (l *link) read(ctx context.Context) error {
	for {
		raw, _, err := l.socket.Read(ctx)
		if err != nil {
			return err
		}
		var f frame
		if err := json.Unmarshal(raw, &f); err != nil {
			return l.client.Fail(provider.Broken, "a frame of the program is not what it should be: %v", err)
		}
		select {
		case l.heard <- struct{}{}:
		default:
		}
		switch f.ResponseType {
		case "config":
			if err := l.configure(ctx, f.Config); err != nil {
				return err
			}
		case "ping_pong":
			continue
		}
		if err := l.driver.arrived(l, f); err != nil {
			return err
		}
	}
}

// configure does what a program of Retell's protocol asks for when it begins.
func (l *link) configure(ctx context.Context, c config) error {
	if c.AutoReconnect && !l.pings {
		l.pings = true
		l.done.Go(func() { l.ping(ctx) })
	}
	if !c.CallDetails {
		return nil
	}
	return l.send(ctx, l.driver.o.Call.details())
}

// ping tells a program of Retell's protocol that we are there, and ends the socket of
// one that says nothing itself.
func (l *link) ping(ctx context.Context) {
	tick := time.NewTicker(pingTime)
	defer tick.Stop()
	silent := time.NewTimer(pongTime)
	defer silent.Stop()
	for {
		select {
		case now := <-tick.C:
			if l.send(ctx, map[string]any{"interaction_type": "ping_pong", "timestamp": now.UnixMilli()}) != nil {
				return
			}
		case <-l.heard:
			silent.Reset(pongTime)
		case <-silent.C:
			l.socket.Close()
			return
		case <-l.lost:
			return
		case <-ctx.Done():
			return
		}
	}
}

// send writes a frame.
func (l *link) send(ctx context.Context, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return l.client.Fail(provider.Rejected, "the frame has no JSON: %v", err)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.socket.Text(ctx, raw)
}

// put adds a frame to those that wait.
func (l *link) put(f frame) error {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	if len(l.frames) == backlog {
		return l.client.Fail(provider.Broken, "the program sends more than anybody reads")
	}
	l.frames = append(l.frames, f)
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// get takes the first frame that waits.
func (l *link) get() (f frame, ok bool) {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	if len(l.frames) == 0 {
		return f, false
	}
	f, l.frames = l.frames[0], l.frames[1:]
	return f, true
}

// drop removes what is left of an answer that nobody waits for any more.
func (l *link) drop() {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	l.frames = slices.DeleteFunc(l.frames, func(f frame) bool { return f.said() || f.late() })
}

// wakes reports whether a frame waits that the program is to be asked for.
func (l *link) wakes() bool {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	return slices.ContainsFunc(l.frames, func(f frame) bool { return !f.late() && !f.quiet() })
}

// next returns the next frame.
func (l *link) next(ctx context.Context) (frame, error) {
	for {
		if f, ok := l.get(); ok {
			return f, nil
		}
		select {
		case <-l.more:
		case <-ctx.Done():
			return frame{}, l.ended(ctx)
		case <-l.lost:
			if f, ok := l.get(); ok {
				return f, nil
			}
			return frame{}, l.err
		}
	}
}

// ended is the failure of a request whose time is over.
func (l *link) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return l.client.Fail(provider.Late, "the program did not answer in time")
}
