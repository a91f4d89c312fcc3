package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sidetone/sidetone/conversation"
)

// magic is the first line.
const magic = "sidetone journal 1"

// Header is what a call knew at its beginning.
type Header struct {
	// Call is the call's id, and Seed what those draw lots by who do (it is the id).
	Call string `json:"call"`
	Seed string `json:"seed,omitempty"`
	// Began is the zero of the machine's time.
	Began time.Time `json:"began"`
	// Answered is when the call was answered, since Began.
	Answered time.Duration `json:"answered,omitempty"`
	// Recorded is the zero of the recording's time, since Began; nil without a recording.
	Recorded *time.Duration `json:"recorded,omitempty"`
	// Build is the version of the program that wrote the journal.
	Build string `json:"build,omitempty"`
	// Tables is conversation.TablesVersion of that program.
	Tables string `json:"tables,omitempty"`
	// Config is all that the machine was made of, and what of the agent and of who
	// serves the call acts on it.
	Config conversation.Config `json:"config"`
	// Agent is a JSON object that shows the agent as it was, without its secrets.
	Agent json.RawMessage `json:"agent,omitempty"`
	// Private are texts that name the caller, such as name and number: ToGolden masks
	// them.
	Private []string `json:"private,omitempty"`
}

// AppendHeader appends the first lines of a journal.
func AppendHeader(b []byte, h Header) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(h); err != nil {
		return b, fmt.Errorf("write the header of a journal: %w", err)
	}
	return append(append(append(b, magic...), '\n'), line.Bytes()...), nil
}

// parseHeader reads the second line. A member that this version does not know is an
// error: without it the machine would be another one.
func parseHeader(line []byte) (Header, error) {
	var h Header
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, fmt.Errorf("read the header of a journal (was it written by a newer version?): %w", err)
	}
	if d.More() {
		return h, errors.New("read the header of a journal: more than one object")
	}
	return h, nil
}
