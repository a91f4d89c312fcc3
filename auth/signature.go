package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// sizeES256 is the length of an ES256 signature, in bytes ([RFC 7518] section
// 3.4).
//
// [RFC 7518]: https://www.rfc-editor.org/rfc/rfc7518
const sizeES256 = 64

// costly says that a look at a signature of the key takes tens of microseconds.
func (k key) costly() bool { _, secret := k.material.([]byte); return !secret }

// signed reports whether the signature of a token is the key's. A token that
// passes is parsed and verified as a whole after that: this only spares the work
// for those that do not.
func (k key) signed(g glimpse) bool {
	signature, err := base64.RawURLEncoding.DecodeString(g.signature)
	if err != nil {
		return false
	}
	switch material := k.material.(type) {
	case []byte:
		mac := hmac.New(sha256.New, material)
		_, _ = mac.Write([]byte(g.signed)) // never fails
		return hmac.Equal(mac.Sum(make([]byte, 0, sha256.Size)), signature)
	case *rsa.PublicKey:
		digest := sha256.Sum256([]byte(g.signed))
		return rsa.VerifyPKCS1v15(material, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if len(signature) != sizeES256 {
			return false
		}
		digest := sha256.Sum256([]byte(g.signed))
		r, s := new(big.Int).SetBytes(signature[:sizeES256/2]), new(big.Int).SetBytes(signature[sizeES256/2:])
		return ecdsa.Verify(material, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(material, []byte(g.signed), signature)
	default:
		return false
	}
}
