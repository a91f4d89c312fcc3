package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// adminPath begins the paths of Admin; no vendor has them.
const adminPath = "/standin/"

// record is an Entry as Admin shows it.
type record struct {
	At         time.Time           `json:"at"`
	Method     string              `json:"method"`
	Path       string              `json:"path"`
	Query      map[string][]string `json:"query"`
	Header     map[string][]string `json:"header"`
	Credential string              `json:"credential"`
	Body       []string            `json:"body"`
	Fault      Kind                `json:"fault"`
}

// Admin serves, besides next, the control of a stand-in that runs as a process of
// its own:
//
//	GET    /standin/ledger   what it was asked, a JSON array
//	GET    /standin/active   how many requests are being served
//	POST   /standin/faults   adds faults: one a line, in the form of ParseFault
//	DELETE /standin/faults   removes all faults
func (c *Control) Admin(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+adminPath+"ledger", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, records(c.Ledger()))
	})
	mux.HandleFunc("GET "+adminPath+"active", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, c.Active())
	})
	mux.HandleFunc("POST "+adminPath+"faults", c.injectAll)
	mux.HandleFunc("DELETE "+adminPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		c.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, adminPath) {
			mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Control) injectAll(w http.ResponseWriter, r *http.Request) {
	body, err := ReadBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var faults []Fault
	for line := range strings.Lines(string(body)) {
		f, err := ParseFault(strings.TrimSpace(line))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		faults = append(faults, f)
	}
	for _, f := range faults {
		c.Inject(f)
	}
	w.WriteHeader(http.StatusNoContent)
}

func records(ledger []Entry) []record {
	all := []record{}
	for _, e := range ledger {
		r := record{At: e.At, Method: e.Method, Path: e.Path, Query: e.Query, Header: e.Header, Credential: e.Credential, Fault: e.Fault}
		for _, b := range e.Body {
			r.Body = append(r.Body, string(b))
		}
		all = append(all, r)
	}
	return all
}

// bodyLimit is how many bytes a stand-in reads of a request.
const bodyLimit = 16 << 20

// ReadBody reads the body of a request, at most 16 MiB.
func ReadBody(r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, bodyLimit)
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// Strict reads JSON into v and refuses members that v does not have.
func Strict(raw []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
