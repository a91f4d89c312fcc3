package harness

import "context"

// Try opens a socket and closes it, without a call: the program has to be there and to
// take the credential.
func (d *Driver) Try(ctx context.Context) error {
	address, err := d.address("test")
	if err != nil {
		return err
	}
	socket, err := d.o.Client.Dial(ctx, address, nil)
	if err == nil {
		socket.Close()
	}
	return err
}
