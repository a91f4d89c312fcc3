package ladder

import (
	"strings"
	"testing"
)

// TestMask looks for what must not be stored, and for what must stay.
func TestMask(t *testing.T) {
	t.Parallel()
	const invite = "INVITE sip:1@b.example SIP/2.0\r\n"
	for name, c := range map[string]struct{ text, want string }{
		"digest": {invite + "Authorization: Digest username=\"u\", realm=\"r, x\", nonce=\"n\", uri=\"sip:b\", response=\"SECRET\", cnonce=\"SECRET\", nc=00000001, qop=auth\r\n\r\n",
			invite + "Authorization: Digest username=\"u\", realm=\"r, x\", nonce=\"n\", uri=\"sip:b\", response=***, cnonce=***, nc=00000001, qop=auth\r\n\r\n"},
		"proxy, other spelling":    {invite + "PROXY-authorization : digest response = SECRET,nonce=n\r\n\r\n", invite + "PROXY-authorization : digest response=***, nonce=n\r\n\r\n"},
		"folded":                   {invite + "Authorization: Digest realm=\"r\",\r\n\tresponse=\"SECRET\"\r\nCSeq: 1 INVITE\r\n\r\n", invite + "Authorization: Digest realm=\"r\", response=***\r\nCSeq: 1 INVITE\r\n\r\n"},
		"folded before the scheme": {invite + "Authorization:\r\n Digest response=\"SECRET\"\r\n\r\n", invite + "Authorization: Digest response=***\r\n\r\n"},
		"basic":                    {invite + "Authorization: Basic SECRET=\r\n\r\n", invite + "Authorization: Basic ***\r\n\r\n"},
		"bearer":                   {invite + "Authorization: Bearer SECRET\r\n\r\n", invite + "Authorization: Bearer ***\r\n\r\n"},
		"without a scheme":         {invite + "Authorization: SECRET\r\n\r\n", invite + "Authorization: ***\r\n\r\n"},
		"quote without an end":     {invite + "Authorization: Digest x=\"SECRET, nonce=SECRET\r\n\r\n", invite + "Authorization: Digest x=***\r\n\r\n"},
		"challenge":                {"SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true\r\n\r\n", "SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", stale=true\r\n\r\n"},
		"authentication info":      {"SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=\"SECRET\", nextnonce=\"SECRET\"\r\n\r\n", "SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=***, nextnonce=***\r\n\r\n"},
		"password in addresses": {"INVITE sips:u:SECRET@b SIP/2.0\r\nFrom: \"sip:x\" <sip:a:SECRET@c:5060>;tag=1\r\nTo: <SIP:d@e:5061>\r\n\r\n",
			"INVITE sips:u:***@b SIP/2.0\r\nFrom: \"sip:x\" <sip:a:***@c:5060>;tag=1\r\nTo: <SIP:d@e:5061>\r\n\r\n"},
		"keys of sound": {invite + "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^31 inline:SECRET\r\nk=base64:SECRET\na=CRYPTO:2 X inline:SECRET KDR=1\r\na=rtpmap:0 PCMU/8000",
			invite + "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*********** inline:******\r\nk=*************\na=CRYPTO:2 X inline:****** *****\r\na=rtpmap:0 PCMU/8000"},
		"keys with blanks": {invite + "\r\na= crypto:1 AES inline:SECRET\n \ta=\tCrypto : 2 AES inline:SECRET\na =crypto:3 AES inline:SECRET\nA=CRYPTO:4\tAES\t \tinline:SECRET|1:4\n\x00a=crypto:5\u00a0AES\vinline:SECRET",
			invite + "\r\na= crypto:1 AES inline:******\n \ta=\tCrypto : 2 AES inline:******\na =crypto:3 AES inline:******\nA=CRYPTO:4\tAES\t \tinline:**********\n\x00a=crypto:5\u00a0AES\vinline:******"},
		"keys in other places": {invite + "\r\na=crypto:1 inline:SECRET\na=crypto:1 AES\rinline:SECRET\ncrypto:1 AES INLINE:SECRET\nk = clear:SECRET\n\ta= key-mgmt:mikey SECRET\na=x-crypto:1 AES inline:SECRET",
			invite + "\r\na=crypto:1 inline:******\na=crypto:1 AES\rinline:******\ncrypto:1 AES INLINE:******\nk = ************\n\ta= ************** ******\na=x-crypto:1 AES inline:******"},
		"mikey":            {invite + "\r\na=key-mgmt:mikey SECRET", invite + "\r\na=************** ******"},
		"only a line feed": {"INFO sip:b SIP/2.0\nCSeq: 1 INFO\n\nSignal=5", "INFO sip:b SIP/2.0\r\nCSeq: 1 INFO\r\n\r\nSignal=*"},
		"dtmf-relay":       {"INFO sip:1@b SIP/2.0\r\n\r\nSignal= 5\r\nDuration=160\r\n", "INFO sip:1@b SIP/2.0\r\n\r\nSignal= *\r\nDuration=160\r\n"},
		"dtmf":             {"INFO sip:1@b SIP/2.0\r\n\r\n5", "INFO sip:1@b SIP/2.0\r\n\r\n*"},
		"other body":       {"MESSAGE sip:1@b SIP/2.0\r\n\r\n5", "MESSAGE sip:1@b SIP/2.0\r\n\r\n5"},
	} {
		if got := mask([]byte(c.text)); got != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

// FuzzMask puts a secret where it must not be seen between what strangers send.
func FuzzMask(f *testing.F) {
	f.Add("X: y", "realm=\"a\"", "v=0")
	f.Add("Via: \"", ",,\"\\", "a=crypto:")
	f.Fuzz(func(t *testing.T, header, param, line string) {
		if strings.ContainsAny(header+param, "\r\n\"\\") || strings.ContainsAny(line, "\r\n") || strings.Contains(header+param+line, "SECRET") {
			return
		}
		text := "INVITE sip:b SIP/2.0\r\n" + header + "\r\nAuthorization: Digest " + param + ", response=\"SECRET\"\r\n\r\n" + line + "\r\na=crypto:1 A inline:SECRET\r\n"
		if got := mask([]byte(text)); strings.Contains(got, "SECRET") {
			t.Errorf("%q is shown as %q", text, got)
		}
	})
}
