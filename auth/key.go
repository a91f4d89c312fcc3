package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/go-jose/go-jose/v4"

	"github.com/sidetone/sidetone"
)

// Least sizes of keys: of an HMAC secret in bytes ([RFC 7518] section 3.2), of
// an RSA modulus in bits (section 3.3).
//
// [RFC 7518]: https://www.rfc-editor.org/rfc/rfc7518
const (
	minSecret = 32
	minRSA    = 2048
)

// Key is a configured key.
type Key struct {
	// ID is the kid of tokens signed with the key; "" for tokens without one.
	ID string
	// Algorithm is HS256, RS256, ES256 or EdDSA.
	Algorithm string
	// Secret is the key of HS256, at least 32 bytes.
	Secret sidetone.Secret
	// File is the path of a PEM file with the public key, or a certificate, of
	// the others.
	File string
}

// key is a key with the one algorithm it is for.
type key struct {
	id        string
	algorithm jose.SignatureAlgorithm
	material  any
}

// keyring holds the keys of an issuer.
type keyring []key

func configuredKeys(keys []Key) (keyring, error) {
	var ring keyring
	for _, k := range keys {
		material := any([]byte(k.Secret.Reveal()))
		if k.Algorithm != string(jose.HS256) {
			var err error
			if material, err = readPEM(k.File); err != nil {
				return nil, fmt.Errorf("read key %q: %w", k.ID, err)
			}
		}
		one, err := newKey(k.ID, k.Algorithm, material)
		if err != nil {
			return nil, fmt.Errorf("use key %q: %w", k.ID, err)
		}
		for _, other := range ring {
			if other.id == one.id && other.algorithm == one.algorithm {
				return nil, fmt.Errorf("key %q for %s is given twice", k.ID, k.Algorithm)
			}
		}
		ring = append(ring, one)
	}
	return ring, nil
}

// newKey ties material to an algorithm, the material's own when that is "".
func newKey(id, algorithm string, material any) (key, error) {
	var natural jose.SignatureAlgorithm
	switch m := material.(type) {
	case []byte:
		natural = jose.HS256
		if len(m) < minSecret {
			return key{}, fmt.Errorf("the secret must have %d bytes or more", minSecret)
		}
	case *rsa.PublicKey:
		natural = jose.RS256
		if m.N.BitLen() < minRSA {
			return key{}, fmt.Errorf("the RSA key must have %d bits or more", minRSA)
		}
	case *ecdsa.PublicKey:
		natural = jose.ES256
		if m.Curve != elliptic.P256() {
			return key{}, fmt.Errorf("the curve is %s, ES256 needs P-256", m.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		natural = jose.EdDSA
	default:
		return key{}, fmt.Errorf("%T is no public key for HS256, RS256, ES256 or EdDSA", material)
	}
	if algorithm != "" && algorithm != string(natural) {
		return key{}, fmt.Errorf("the key is one for %s, not for %s", natural, algorithm)
	}
	return key{id: id, algorithm: natural, material: material}, nil
}

// readPEM reads the first public key or certificate of a file.
func readPEM(path string) (any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PUBLIC KEY":
			return x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			return x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			return certificate.PublicKey, nil
		}
	}
	return nil, fmt.Errorf("%s holds no PEM public key or certificate", path)
}

// parseSet reads a JWKS document. Keys for encryption or other algorithms are
// left out; a private key is an error.
func parseSet(text []byte) (keyring, error) {
	var set keySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read the key set: %w", err)
	}
	var ring keyring
	for n, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || k.Use != "" && k.Use != "sig" {
			continue
		}
		if _, symmetric := k.Key.([]byte); !symmetric && !k.IsPublic() {
			return nil, fmt.Errorf("key %d of the set is a private key", n)
		}
		one, err := newKey(k.KeyID, k.Algorithm, k.Key)
		if err != nil {
			continue
		}
		ring = append(ring, one)
	}
	if len(ring) == 0 {
		return nil, fmt.Errorf("none of the %d keys of the set is for HS256, RS256, ES256 or EdDSA", len(set.Keys))
	}
	return ring, nil
}
