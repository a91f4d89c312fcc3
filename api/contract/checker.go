package contract

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/sidetone/sidetone/api/dialect"
)

// Check returns a sentence about each problem of the body of a POST to path, each
// beginning with the property's path, as the server of the same version finds them
// when it gets the body. An error says that the document has no such operation or
// that body is no JSON object.
func (d *Document) Check(path string, body map[string]any) ([]string, error) {
	op, err := d.Operation(http.MethodPost, path)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	in, err := Normalise(dialect.Fluents(), op, nil, raw)
	if err != nil || op.body == nil {
		return nil, err
	}
	faults, err := checker{thorough: in.size <= thoroughUpTo}.body(op.body, in.Body)
	return withoutRepetition(faults), err
}
