package loadgen

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	// srtpKey and srtpSalt are the lengths of a master key and its salt, srtpTag that of
	// a packet's authentication, of suite, which is the one that is offered
	// (RFC 4568, section 6.2).
	srtpKey, srtpSalt, srtpTag = 16, 14, 10
	suite                      = "AES_CM_128_HMAC_SHA1_80"
	// lateBy is how many packets may be late without counting as replayed.
	lateBy = 256
)

// masterKey is a key of SRTP and its salt, as a description carries them.
type masterKey []byte

// newMasterKey returns a random key.
func newMasterKey() masterKey {
	k := make(masterKey, srtpKey+srtpSalt)
	_, _ = rand.Read(k) // it never fails
	return k
}

// attribute is the line of a description that gives the key away (RFC 4568, section 9.1).
func (k masterKey) attribute() string {
	return "a=crypto:1 " + suite + " inline:" + base64.StdEncoding.EncodeToString(k) + "\r\n"
}

// agreedKey returns the far end's key from an answer that encrypts with our suite. ok is
// false for any other answer.
func agreedKey(sdp []byte) (k masterKey, ok bool) {
	secure := false
	for line := range strings.Lines(string(sdp)) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "m="):
			secure = !ok && len(fields) > 2 && fields[0] == "m=audio" && fields[2] == "RTP/SAVP"
		case secure && strings.HasPrefix(line, "a=crypto:1 ") && len(fields) == 3 && fields[1] == suite:
			text, inline := strings.CutPrefix(fields[2], "inline:")
			key, err := base64.StdEncoding.DecodeString(text)
			if inline && err == nil && len(key) == srtpKey+srtpSalt {
				k, ok = key, true
			}
		}
	}
	return k, ok
}

// cipher encrypts what a call sends and decrypts what it receives, in place (RFC 3711).
// Sealing and opening may run at the same time, each on one goroutine. A nil cipher
// leaves packets as they are.
type cipher struct {
	out, in             *srtp.Context
	outHeader, inHeader rtp.Header // reused
}

// newCipher returns that of a call with our key and the far end's.
func newCipher(ours, theirs masterKey) (*cipher, error) {
	var c cipher
	for _, one := range []struct {
		context **srtp.Context
		key     masterKey
	}{{&c.out, ours}, {&c.in, theirs}} {
		context, err := srtp.CreateContext(one.key[:srtpKey], one.key[srtpKey:], srtp.ProtectionProfileAes128CmHmacSha1_80,
			srtp.SRTPReplayProtection(lateBy))
		if err != nil {
			return nil, fmt.Errorf("prepare srtp: %w", err)
		}
		*one.context = context
	}
	return &c, nil
}

// seal encrypts and authenticates a packet, whose memory has room for the tag.
func (c *cipher) seal(packet []byte) ([]byte, error) {
	if c == nil {
		return packet, nil
	}
	return c.out.EncryptRTP(packet, packet, &c.outHeader)
}

// open decrypts a packet. An error says that its tag is wrong, or that it came before.
func (c *cipher) open(packet []byte) ([]byte, error) {
	if c == nil {
		return packet, nil
	}
	return c.in.DecryptRTP(packet, packet, &c.inHeader)
}
