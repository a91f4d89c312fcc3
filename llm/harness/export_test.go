package harness

import "context"

// Lost waits until the socket is over.
func (d *Driver) Lost(ctx context.Context) {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	select {
	case <-l.lost:
	case <-ctx.Done():
	}
}
