package harness

import (
	"context"
	"strings"
)

// Try opens a socket and closes it, without a call: the program has to be there and to
// take the credential.
func (d *Driver) Try(ctx context.Context) error {
	address := d.o.URL
	if d.o.Protocol == Retell {
		address = strings.TrimRight(address, "/") + "/" + "test"
	}
	socket, err := d.o.Client.Dial(ctx, address, nil)
	if err == nil {
		socket.Close()
	}
	return err
}
