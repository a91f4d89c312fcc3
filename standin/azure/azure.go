// Package azure stands in for the REST interface of the voices of Azure AI Speech,
// written from
// https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech.
package azure

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/speech"
)

// Server is the stand-in, an http.Handler.
type Server struct {
	http.Handler
	o speech.Options
}

// New returns a stand-in.
func New(o speech.Options) *Server {
	s := &Server{o: o}
	mux := http.NewServeMux()
	mux.Handle("POST /cognitiveservices/v1", o.Control.Handler(o.Key, refuse, s.serve))
	s.Handler = mux
	return s
}

// refuse answers as the vendor does: with little more than the status.
func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("X-RequestId", "azure-request-1")
	http.Error(w, reason, status)
}

// markup is what the vendor takes.
type markup struct {
	XMLName xml.Name `xml:"http://www.w3.org/2001/10/synthesis speak"`
	Version string   `xml:"version,attr"`
	Lang    string   `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Voice   struct {
		Name    string `xml:"name,attr"`
		Text    string `xml:",chardata"`
		Prosody struct {
			Pitch string `xml:"pitch,attr"`
			Rate  string `xml:"rate,attr"`
			Text  string `xml:",chardata"`
		} `xml:"prosody"`
	} `xml:"voice"`
}

func (s *Server) serve(w http.ResponseWriter, r *standin.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Note(raw)
	var m markup
	format := r.Header.Get("X-Microsoft-OutputFormat")
	muLaw := format == "raw-8khz-8bit-mono-mulaw"
	switch {
	case r.Header.Get("Content-Type") != "application/ssml+xml":
		refuse(w, http.StatusUnsupportedMediaType, "the content type is not application/ssml+xml")
	case !muLaw && format != "raw-16khz-16bit-mono-pcm":
		refuse(w, http.StatusBadRequest, "unsupported output format")
	case r.Header.Get("User-Agent") == "":
		refuse(w, http.StatusBadRequest, "the user agent is missing")
	case err != nil || xml.Unmarshal(raw, &m) != nil || m.Version != "1.0" || m.Lang == "" || m.Voice.Name == "":
		refuse(w, http.StatusBadRequest, "the markup is not valid")
	default:
		rate := 16000
		if muLaw {
			rate = 8000
		}
		w.Header().Set("X-RequestId", "azure-request-1")
		w.Header().Set("Content-Type", "audio/basic")
		speech.Body(w, r, s.o.Utter(strings.TrimSpace(m.Voice.Text+m.Voice.Prosody.Text), rate, muLaw), s.o.Pace)
	}
}
