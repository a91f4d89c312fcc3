package openaiaudio

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/hearing"
)

// uploadLimit is how large a file may be.
const uploadLimit = 25 << 20

// transcribe serves one upload, see
// https://developers.openai.com/api/reference/resources/audio.
func (o Options) transcribe(w http.ResponseWriter, r *standin.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, uploadLimit)
	if err := r.ParseMultipartForm(uploadLimit); err != nil {
		bad(w, "Could not parse multipart form.")
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	raw, _ := json.Marshal(r.MultipartForm.Value) // texts always marshal
	r.Note(raw)
	if reason := wrongForm(r.MultipartForm.Value); reason != "" {
		bad(w, reason)
		return
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		bad(w, "you must provide a file to transcribe")
		return
	}
	pcm, format, err := audio.ReadWAV(file)
	if err != nil || format.Channels != 1 {
		bad(w, "Invalid file format.")
		return
	}
	words, err := o.hear(pcm, format.Rate, r.Fault.Kind)
	if err != nil {
		bad(w, err.Error())
		return
	}
	text, list := "", []object{}
	for _, word := range words {
		text = strings.TrimPrefix(text+" "+word.Text, " ")
		list = append(list, object{"word": word.Text, "start": seconds(word.From), "end": seconds(word.To)})
	}
	answer := object{"text": text, "usage": object{"type": "duration", "seconds": len(pcm)/format.Rate + 1}}
	if !o.Plain && r.FormValue("response_format") == "verbose_json" {
		answer["task"], answer["language"], answer["duration"] = "transcribe", "english", float64(len(pcm))/float64(format.Rate)
		if slices.Contains(r.MultipartForm.Value["timestamp_granularities[]"], "word") {
			answer["words"] = list
		}
	}
	o.answer(w, r, answer)
}

// wrongForm says what is wrong with the fields of an upload.
func wrongForm(fields map[string][]string) string {
	known := []string{"model", "language", "languages[]", "keywords[]", "prompt", "response_format", "temperature", "include[]",
		"timestamp_granularities[]", "stream", "chunking_strategy"}
	for name := range fields {
		if !slices.Contains(known, name) {
			return "Unknown parameter: '" + name + "'."
		}
	}
	one := func(name string) string { return strings.Join(fields[name], ",") }
	switch format := one("response_format"); {
	case one("model") == "":
		return "you must provide a model parameter"
	case strings.HasPrefix(one("model"), "gpt-") && format != "" && format != "json":
		return "response_format 'verbose_json' is not compatible with this model."
	case len(fields["timestamp_granularities[]"]) > 0 && format != "verbose_json":
		return "timestamp_granularities needs response_format verbose_json."
	}
	return ""
}

// hear makes words of a whole file.
func (o Options) hear(pcm []int16, rate int, fault standin.Kind) ([]hearing.Word, error) {
	l, err := hearing.NewListener(o.Ears, "linear16", rate, fault)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.HearSamples(pcm)
	l.HearSamples(make([]int16, rate/5)) // a word may end with the file
	l.Finish()
	_, words := l.Take()
	return words, nil
}

// bad answers with status 400.
func bad(w http.ResponseWriter, message string) {
	standin.WriteJSON(w, http.StatusBadRequest, object{"error": failure("invalid_request_error", "", message)})
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// slowness is the time between two bytes of a slow answer.
const slowness = 5 * time.Millisecond

// answer writes an answer with the fault of its request.
func (o Options) answer(w http.ResponseWriter, r *standin.Request, v object) {
	switch r.Fault.Kind {
	case standin.Unknown:
		v["zz_member"] = []any{1, nil, object{"zz": true}}
	case standin.Null:
		v["words"], v["segments"], v["language"] = nil, nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a stand-in sent what has no JSON
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.Fault.Kind {
	case standin.Mute:
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // the client may have left
		<-r.Context().Done()
	case standin.Reset:
		_, _ = w.Write(raw[:len(raw)/2])
		_ = http.NewResponseController(w).Flush() // the client may have left
		panic(http.ErrAbortHandler)
	case standin.Malformed:
		raw = []byte(`{"this is": not JSON`)
	case standin.EmptySuccess:
		raw = nil
	case standin.NoStart:
		raw = []byte(`{"usage":{"type":"duration","seconds":1}}`)
	case standin.InBand:
		raw, _ = json.Marshal(object{"error": failure("server_error", r.Fault.Reason, "The server had an error.")})
	case standin.Oversized:
		raw = []byte(`{"text":"` + strings.Repeat("x", 8<<20) + `"}`)
	case standin.Slow:
		slowly(w, r, raw)
		return
	}
	_, _ = w.Write(raw) // the client may have left
}

// slowly writes an answer byte by byte.
func slowly(w io.Writer, r *standin.Request, raw []byte) {
	tick := time.NewTicker(max(r.Fault.Delay, slowness))
	defer tick.Stop()
	for i := range raw {
		if _, err := w.Write(raw[i : i+1]); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
