// Package journals keeps the journals of calls (package journal) in files beside their
// recordings: compressed, sealed and bounded, so that no call waits for the disk and a
// killed process loses half a second.
//
// A file is a line that names its format, a salt, and chunks. A chunk is the length of
// what follows (3 bytes) with a CRC-32 of length and number (4 bytes), and DEFLATE
// (RFC 1951) with a dictionary, sealed by vault.Chunks with the chunk's number and the
// call's id. Each is readable alone. While the call lives its chunks are stored
// uncompressed; when it is over one compressed chunk takes their place. A file that was cut is read to the end of its last
// whole chunk; anything else that is wrong with it is an error. When another process goes on
// with the call (Resume), a new file with its own salt takes the place of the old one.
package journals
