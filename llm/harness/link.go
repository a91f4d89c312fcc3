package harness

import (
	"context"
	"encoding/json"
	"errors"
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
)

// frame has what matters of all frames of both protocols.
type frame struct {
	// Type is of ConversationRelay, ResponseType of Retell.
	Type         string `json:"type"`
	ResponseType string `json:"response_type"`

	Token *string `json:"token"`
	Last  bool    `json:"last"`

	ResponseID      *int   `json:"response_id"`
	Content         string `json:"content"`
	ContentComplete bool   `json:"content_complete"`
	EndCall         bool   `json:"end_call"`
	Config          config `json:"config"`
}

type config struct {
	AutoReconnect bool `json:"auto_reconnect"`
	CallDetails   bool `json:"call_details"`
}

// link is an open socket and the goroutine that reads it, which also answers the
// program's pings.
type link struct {
	client *provider.Client
	socket *provider.Socket
	call   string
	frames chan frame
	cancel context.CancelFunc
	done   sync.WaitGroup
	lost   chan struct{} // closed when the socket is over
	err    error         // why, once lost is closed

	writing sync.Mutex
	pings   bool // of the reader
}

// open begins to read the socket of a call.
func open(c *provider.Client, s *provider.Socket, call string) *link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{client: c, socket: s, call: call, frames: make(chan frame, backlog), cancel: cancel, lost: make(chan struct{})}
	l.done.Go(func() {
		defer close(l.lost)
		l.err = l.read(ctx)
		s.Close()
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
		switch f.ResponseType {
		case "config":
			if err := l.configure(ctx, f.Config); err != nil {
				return err
			}
			continue
		case "ping_pong":
			continue
		}
		select {
		case l.frames <- f:
		default:
			return l.client.Fail(provider.Broken, "the program sends more than anybody reads")
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
	return l.send(ctx, map[string]any{"interaction_type": "call_details", "call": map[string]any{"call_id": l.call}})
}

// ping tells a program of Retell's protocol that we are there.
func (l *link) ping(ctx context.Context) {
	tick := time.NewTicker(pingTime)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if l.send(ctx, map[string]any{"interaction_type": "ping_pong", "timestamp": now.UnixMilli()}) != nil {
				return
			}
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

// stale drops the frames of an answer that nobody waits for any more.
func (l *link) stale() {
	for {
		select {
		case <-l.frames:
		default:
			return
		}
	}
}

// next returns the next frame.
func (l *link) next(ctx context.Context) (frame, error) {
	select {
	case f := <-l.frames:
		return f, nil
	default:
	}
	select {
	case f := <-l.frames:
		return f, nil
	case <-ctx.Done():
		return frame{}, l.ended(ctx)
	case <-l.lost:
		return frame{}, l.err
	}
}

// ended is the failure of a request whose time is over.
func (l *link) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return l.client.Fail(provider.Late, "the program did not answer in time")
}
