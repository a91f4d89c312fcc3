package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
)

// Checker holds the bodies of requests against the embedded document before they
// are sent, as the server of the same version does when it gets them. It may be
// used concurrently.
type Checker struct{ doc *openapi3.T }

// NewChecker parses the document.
func NewChecker() (*Checker, error) {
	doc, err := loadDocument()
	return &Checker{doc}, err
}

// Check returns a sentence about each problem of the body of a POST to path, each
// beginning with the property's path. An error says that the document has no such
// operation or that body is no JSON object.
func (c *Checker) Check(path string, body map[string]any) ([]string, error) {
	op, err := operationOf(c.doc, http.MethodPost, path)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	in, err := normalise(fluents(), op, nil, raw)
	if err != nil || op.body == nil {
		return nil, err
	}
	faults, err := newChecker(in).body(op.body, in.body)
	return withoutRepetition(faults), err
}
