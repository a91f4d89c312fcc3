// Package hearing is what the stand-ins of recognisers share: ears, the codings in
// which clients send sound, and a WebSocket that goes wrong on demand.
package hearing
