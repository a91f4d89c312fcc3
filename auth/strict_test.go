package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
)

// signed makes a token of header and claims as they are, signed with the HMAC key.
func signed(header, claims string) string {
	text := segment(header) + "." + segment(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A token that parsers could read differently is refused although its signature
// is right.
func TestAmbiguousTokensAreRefused(t *testing.T) {
	t.Parallel()
	v := verifier(t, issuerOf(hmacKey()))
	body, err := json.Marshal(claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	const header = `{"alg":"HS256","kid":"h"}`
	text := string(body)
	more := func(members string) string { return strings.TrimSuffix(text, "}") + "," + members + "}" }
	good := signed(header, text)
	if _, err := v.Verify(good, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(signed(header, more(`"a":[{"b":1},{"b":1}],"c":{"a":{"a":"a"}},"d":"d"`)), ""); err != nil {
		t.Errorf("names that differ by place: %v", err)
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	for name, token := range map[string]string{
		"spare bits":           good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1]),
		"a line break":         good[:len(good)-1] + "\n" + good[len(good)-1:],
		"padding":              good + "=",
		"crit":                 signed(`{"alg":"HS256","kid":"h","crit":["b64"],"b64":true}`, text),
		"a header name twice":  signed(`{"alg":"HS256","kid":"h","kid":"h"}`, text),
		"deep in the header":   signed(`{"alg":"HS256","kid":"h","x":{"a":1,"a":1}}`, text),
		"a claim twice":        signed(header, more(`"sub":"ada"`)),
		"a claim as an escape": signed(header, more(`"\u0073ub":"eve"`)),
		"deep in the claims":   signed(header, more(`"x":[[{"a":1,"b":2,"a":1}]]`)),
		"not UTF-8":            signed(header, more("\"x\":\"\xff\"")),
		"more behind":          signed(header, text+"{}"),
		"a list":               signed(header, "["+text+"]"),
		"cut":                  signed(header, text[:len(text)-1]),
		"too deep":             signed(header, more(`"x":`+strings.Repeat("[", maxNesting)+strings.Repeat("]", maxNesting))),
		"too much":             signed(header, more(`"x":[`+strings.Repeat("1,", maxTokens)+`1]`)),
	} {
		if _, err := v.Verify(token, ""); sidetone.CodeOf(err) != sidetone.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}
