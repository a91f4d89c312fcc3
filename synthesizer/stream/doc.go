// Package stream keeps the promises of synthesizer.Driver for vendors that send
// sound as they make it: what silence surrounds it, how loud it is, where its
// words lie, how long a vendor may stay silent. It also keeps the WebSockets of
// drivers open between utterances. A driver adds its vendor's protocol.
package stream
