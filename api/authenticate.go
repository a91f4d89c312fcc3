package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/sidetone/sidetone"
)

// TokenVerifier checks JSON Web Tokens. auth.Verifier implements it.
type TokenVerifier interface {
	// Verify returns what a good token says; every other text is Unauthenticated,
	// or Limited when too many wrong signatures came from the same client. from is
	// the client's address, with or without a port.
	Verify(token, from string) (sidetone.Identity, error)
}

// maxBearer is the longest bearer that is looked up, in bytes.
const maxBearer = 8 << 10

// environmentHeader names another environment of the account, for keys that may
// act in all of them.
const environmentHeader = "Sidetone-Environment"

// authenticate finds who presents the bearer: the operator's command line, the
// owner of an API key, or whom a JSON Web Token speaks of. Nothing tells why a
// bearer is refused.
func (s *server) authenticate(r *http.Request) (sidetone.Principal, error) {
	token, ok := bearer(r.Header)
	if !ok {
		return sidetone.Principal{}, unauthenticated()
	}
	who, err := s.principal(r, token)
	if sidetone.CodeOf(err) == sidetone.Unauthenticated {
		return sidetone.Principal{}, unauthenticated()
	}
	if err != nil {
		return sidetone.Principal{}, err
	}
	return s.elsewhere(r, who)
}

// bearer returns the only bearer of a request.
func bearer(h http.Header) (string, bool) {
	given := h["Authorization"]
	if len(given) != 1 || len(given[0]) > maxBearer+len("Bearer ") {
		return "", false
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func (s *server) principal(r *http.Request, token string) (sidetone.Principal, error) {
	who, err := s.holder(r, token)
	if s.Tokens == nil || sidetone.CodeOf(err) != sidetone.Unauthenticated {
		return who, err
	}
	return s.speaker(r, token)
}

// holder is who holds the key. What is longer than any key is not hashed.
func (s *server) holder(r *http.Request, key string) (sidetone.Principal, error) {
	if len(key) > sidetone.MaxImportedKey {
		return sidetone.Principal{}, unauthenticated()
	}
	hash := sha256.Sum256([]byte(key))
	if s.Operator != "" && subtle.ConstantTimeCompare(hash[:], s.operatorHash[:]) == 1 {
		return s.operator(r)
	}
	return s.Store.Authenticate(r.Context(), hash)
}

// speaker is whom the JSON Web Token speaks of.
func (s *server) speaker(r *http.Request, token string) (sidetone.Principal, error) {
	identity, err := s.Tokens.Verify(token, s.clientAddress(r))
	if err != nil {
		return sidetone.Principal{}, err
	}
	return s.Store.Identify(r.Context(), identity)
}

// operator is the command line on this machine, in the first environment unless
// it names another.
func (s *server) operator(r *http.Request) (sidetone.Principal, error) {
	all, err := s.Store.Environments(r.Context())
	if err != nil {
		return sidetone.Principal{}, err
	}
	if len(all) == 0 {
		return sidetone.Principal{}, sidetone.Errorf(sidetone.NotFound, "there is no environment yet; `sidetone serve` makes the first one")
	}
	return sidetone.Principal{EnvironmentID: all[0].ID, AccountID: all[0].AccountID, Scopes: sidetone.OperatorScopes(),
		AccountWide: true, Operator: true, Label: "command line"}, nil
}

// elsewhere moves a request to the environment that it names. One that does not
// exist, and one that the key has no business in, are the same.
func (s *server) elsewhere(r *http.Request, who sidetone.Principal) (sidetone.Principal, error) {
	id := r.Header.Get(environmentHeader)
	if id == "" || id == who.EnvironmentID {
		return who, nil
	}
	unknown := sidetone.Errorf(sidetone.NotFound, "%s names no environment of this account", environmentHeader)
	if !who.AccountWide {
		return who, unknown
	}
	e, err := s.Store.EnvironmentByID(r.Context(), id)
	switch {
	case sidetone.CodeOf(err) == sidetone.NotFound, err == nil && e.AccountID != who.AccountID && !who.Operator:
		return who, unknown
	case err != nil:
		return who, err
	}
	who.HomeID, who.EnvironmentID, who.AccountID = who.EnvironmentID, e.ID, e.AccountID
	return who, nil
}

func unauthenticated() error {
	return &sidetone.Error{Code: sidetone.Unauthenticated, Message: "Unauthorized: a known API key is needed as Authorization: Bearer KEY"}
}
