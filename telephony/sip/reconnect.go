package sip

import "context"

// transmit sends the INVITE; when the connection is gone, by a new one.
func (a *attempt) transmit() error {
	err := a.d.transport.send(a.to.peer, a.raw)
	if err == nil || !a.to.peer.reliable() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectFor)
	defer cancel()
	return a.reconnect(ctx)
}

// reconnect sends the INVITE once more by a new connection, in place of one that was
// lost before anything came. It is the same transaction: a far end that had it already
// takes it for a repetition. It is tried once.
func (a *attempt) reconnect(ctx context.Context) error {
	if a.heard || a.reconnected || a.to.at.transport == "" {
		return a.to.peer.lostError()
	}
	a.reconnected = true
	p, err := a.d.reach(ctx, a.to.trunk, a.to.at)
	if err != nil {
		return err
	}
	a.to.peer = p
	a.l.mu.Lock()
	a.l.peer = p
	a.l.mu.Unlock()
	return a.d.transport.send(p, a.raw)
}

// lost is closed when the connection is. After a provisional response a far end may
// respond on a connection of its own
// (https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2): that is waited for when it
// rang, or when there is no other target to go to.
func (a *attempt) lost() <-chan struct{} {
	if a.rang || a.heard && a.to.patience == 0 {
		return nil
	}
	return a.to.peer.lost()
}
