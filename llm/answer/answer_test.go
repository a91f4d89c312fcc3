package answer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sidetone/sidetone/provider"
)

// endless is a parser to which each event is a piece of text.
type endless struct{ out *Out }

func (e endless) Event(event provider.Event) (bool, error) {
	e.out.Text(string(event.Data))
	return false, nil
}

func (endless) End() error { return nil }

// TestAnswersAreBounded: a vendor that never stops is left after 4 MiB.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	const piece = 1000
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		for sent := 0; sent < 64<<20; sent += piece {
			if _, err := io.WriteString(w, "data: "+strings.Repeat("a", piece)+"\n\n"); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	said := 0
	var failed error
	for d, err := range Stream(t.Context(), Request{Client: &provider.Client{Vendor: "acme", HTTP: server.Client()}, URL: server.URL, Body: struct{}{},
		Parser: func(out *Out) Parser { return endless{out} }}) {
		said += len(d.Text)
		failed = err
	}
	<-left
	var f *provider.Failure
	if !errors.As(failed, &f) || f.Kind != provider.Broken || !strings.Contains(f.Message, "longer than 4 MiB") || said > Limit || said < Limit-piece {
		t.Errorf("%d bytes, then %v", said, failed)
	}
}
