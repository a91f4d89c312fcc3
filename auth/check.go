package auth

import (
	"fmt"
	"strings"
)

// check refuses settings that would accept too much.
func check(issuers []Issuer) error {
	seen := map[string]bool{}
	for n, i := range issuers {
		at := fmt.Sprintf("auth.jwt[%d]", n)
		switch {
		case i.Name == "":
			return fmt.Errorf("%s.issuer must be the iss claim of the tokens", at)
		case seen[i.Name]:
			return fmt.Errorf("%s.issuer is given twice", at)
		case i.Audience == "":
			return fmt.Errorf("%s.audience must be what the aud claim of the tokens contains", at)
		case len(i.Keys) == 0 && i.JWKS == "":
			return fmt.Errorf("%s needs keys or a jwks file", at)
		case i.Environment == "" && i.EnvironmentClaim == "":
			return fmt.Errorf("%s needs an environment, or claims.environment", at)
		case i.Leeway < 0 || i.Leeway > maxLeeway:
			return fmt.Errorf("%s.leeway must be between 0 and %s", at, maxLeeway)
		}
		seen[i.Name] = true
	}
	return checkPrefixes(issuers)
}

// checkPrefixes sees to it that no issuer can name another one's subjects.
func checkPrefixes(issuers []Issuer) error {
	for n, one := range issuers {
		for m, other := range issuers {
			if n != m && strings.HasPrefix(one.SubjectPrefix, other.SubjectPrefix) {
				return fmt.Errorf("auth.jwt[%d].subject_prefix must not begin another one's: with several issuers each needs its own", m)
			}
		}
	}
	return nil
}
