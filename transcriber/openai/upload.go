package openai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// uploadModel is the model of an agent that names none.
	uploadModel = "whisper-1"
	// uploadLimit bounds one upload with its answer.
	uploadLimit = 10 * time.Second
	// answerLimit is how many bytes an answer may have.
	answerLimit = 1 << 20
)

// UploadOptions configures an Upload driver.
type UploadOptions struct {
	// Client reaches the server and holds the credential.
	Client *provider.Client
	// Base is the address of the interface, such as "http://127.0.0.1:8000/v1"; ""
	// means Base.
	Base string
	// Model is the server's name of a model; "" means whisper-1.
	Model string
	// KeyTerms are expected in every stream, besides those of its Config.
	KeyTerms []string

	limit time.Duration
}

// Upload is a transcriber.Driver that uploads the speech of each segment as a WAV
// file to /audio/transcriptions. A segment ends where a Finalize lies, and after
// 25 s. There are no partial texts; times of words come from servers that have
// them. Sound without speech is not uploaded: Whisper makes words of it. Its
// methods may be called concurrently.
type Upload struct{ options UploadOptions }

// NewUpload returns a driver.
func NewUpload(o UploadOptions) *Upload {
	o.Base, o.Model = strings.TrimSuffix(cmp.Or(o.Base, Base), "/"), cmp.Or(o.Model, uploadModel)
	o.limit = cmp.Or(o.limit, uploadLimit)
	return &Upload{options: o}
}

// Open starts a stream; the server is reached when there is something to upload.
// c.Rate is 8000 or 16000; a language that the model does not understand is an
// error.
func (d *Upload) Open(ctx context.Context, c transcriber.Config) (transcriber.Stream, error) {
	if language := tongue(c.Language); language != "" && !slices.Contains(Languages(d.options.Model), language) {
		return nil, d.options.Client.Fail(provider.Rejected, "model %s does not understand language %q", d.options.Model, language)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("open a recogniser: %w", context.Cause(ctx))
	}
	vad, err := audio.NewVAD(c.Rate)
	if err != nil {
		return nil, fmt.Errorf("open a recogniser: rate %d Hz is neither 8000 nor 16000", c.Rate)
	}
	return startUploads(ctx, d, c, vad), nil
}

// Warm implements transcriber.Warmer.
func (d *Upload) Warm(ctx context.Context) { d.options.Client.Warm(ctx, d.options.Base) }

// transcription is what a server answers, in either of the formats asked for.
type transcription struct {
	Text  *string `json:"text"`
	Words []word  `json:"words"`
	// Segments hold the words of servers that have them there.
	Segments []struct {
		Words []word `json:"words"`
	} `json:"segments"`
}

// word is a word and its times in seconds.
type word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// recognise uploads sound and returns its text, and its words with times from the
// sound's first sample.
func (d *Upload) recognise(ctx context.Context, c transcriber.Config, pcm []int16) (string, []transcriber.Word, error) {
	ctx, cancel := context.WithTimeout(ctx, d.options.limit)
	defer cancel()
	body, contentType, err := d.form(c, pcm)
	if err != nil {
		return "", nil, fmt.Errorf("make an upload: %w", err)
	}
	response, err := d.options.Client.Post(ctx, d.options.Base+"/audio/transcriptions", contentType, nil, body)
	if err != nil {
		return "", nil, fmt.Errorf("upload speech: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	provider.MeterOf(ctx).Used(provider.AudioSeconds, audio.Span(int64(len(pcm)), c.Rate).Seconds())
	raw, err := io.ReadAll(io.LimitReader(response.Body, answerLimit+1))
	if err != nil {
		return "", nil, fmt.Errorf("upload speech: %w", d.cutOff(ctx, err))
	}
	t, err := d.parse(raw)
	if err != nil {
		if f, ok := err.(*provider.Failure); ok { //nolint:errorlint // parse makes it
			f.RequestID = d.options.Client.RequestID(response.Header)
		}
		return "", nil, fmt.Errorf("upload speech: %w", err)
	}
	return spoken(*t.Text), t.words(), nil
}

// cutOff is the failure of an answer that broke off.
func (d *Upload) cutOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return d.options.Client.Fail(provider.Late, "the answer took longer than %v", d.options.limit)
	}
	return d.options.Client.Fail(provider.Unreachable, "the answer broke off: %v", err)
}

// parse reads an answer.
func (d *Upload) parse(raw []byte) (transcription, error) {
	var t transcription
	switch {
	case len(raw) > answerLimit:
		return t, d.options.Client.Fail(provider.Broken, "the answer is longer than 1 MiB")
	case len(bytes.TrimSpace(raw)) == 0:
		return t, d.options.Client.Fail(provider.Empty, "the answer is empty")
	case json.Unmarshal(raw, &t) != nil:
		return t, d.options.Client.Fail(provider.Broken, "the answer cannot be read")
	case t.Text == nil:
		return t, d.options.Client.Fail(provider.Empty, "the answer has no text")
	}
	return t, nil
}

// words returns the words with their times.
func (t transcription) words() []transcriber.Word {
	all := t.Words
	for _, s := range t.Segments {
		if len(t.Words) == 0 {
			all = append(all, s.Words...)
		}
	}
	var out []transcriber.Word
	for _, w := range all {
		out = append(out, transcriber.Word{Text: strings.TrimSpace(w.Word), From: seconds(w.Start), To: seconds(w.End)})
	}
	return out
}

// seconds is a time as servers write it.
func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), 3600) * float64(time.Second))
}

// spoken takes out what is no speech: some servers write "[BLANK_AUDIO]" and
// "(music)".
func spoken(text string) string {
	text = strings.TrimSpace(text)
	for _, pair := range []string{"[]", "()"} {
		if len(text) > 1 && text[0] == pair[0] && strings.IndexByte(text, pair[1]) == len(text)-1 {
			return ""
		}
	}
	return text
}

// form is the body of an upload.
func (d *Upload) form(c transcriber.Config, pcm []int16) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	model := d.options.Model
	fields := [][2]string{{"model", model}, {"response_format", "verbose_json"}, {"timestamp_granularities[]", "word"}}
	if strings.HasPrefix(model, "gpt-") { // which know json only
		fields = [][2]string{{"model", model}, {"response_format", "json"}}
	}
	if language := tongue(c.Language); language != "" {
		fields = append(fields, [2]string{"language", language})
	}
	if terms := append(slices.Clone(d.options.KeyTerms), c.KeyTerms...); len(terms) > 0 {
		fields = append(fields, [2]string{"prompt", strings.Join(terms, ", ")})
	}
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="speech.wav"`}, "Content-Type": {"audio/wav"},
	})
	if err != nil {
		return nil, "", err
	}
	if err := audio.WriteWAV(part, audio.WAVFormat{Rate: c.Rate, Channels: 1}, pcm); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}
