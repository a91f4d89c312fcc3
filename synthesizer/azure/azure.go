// Package azure speaks with the voices of Azure AI Speech over its REST interface,
// see https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech.
// It tells no times of words.
//
// The vendor's client speaks another, undocumented protocol, a WebSocket: this one
// is not validated by a client. Not verified: the limits of the service.
package azure

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/synthesizer/stream"
)

// Options configures a Driver.
type Options struct {
	// Client sends the requests; its Authorise sets the header
	// Ocp-Apim-Subscription-Key.
	Client *provider.Client
	// Base is the address of the interface; "" means that of Region.
	Base string
	// Region is that of the resource, such as westeurope, when Base is "".
	Region string
	// Voice speaks for requests that name none, such as en-US-JennyNeural; "" means
	// en-US-AvaMultilingualNeural.
	Voice string
	// Pitch and Rate change the voice in per cent; 0 leaves it as it is.
	Pitch, Rate int
	// Levels remembers how loud voices are; nil means an own one.
	Levels *stream.Levels
	// Patience is as in stream.Voice.
	Patience time.Duration
}

const defaultVoice = "en-US-AvaMultilingualNeural"

// Driver is a synthesizer.Driver. It holds no connection of its own. Its methods
// may be called concurrently.
type Driver struct{ o Options }

// New returns a driver.
func New(o Options) *Driver {
	if o.Base == "" {
		o.Base = "https://" + o.Region + ".tts.speech.microsoft.com"
	}
	o.Base = strings.TrimRight(o.Base, "/")
	o.Voice = cmp.Or(o.Voice, defaultVoice)
	o.Levels = cmp.Or(o.Levels, &stream.Levels{})
	return &Driver{o: o}
}

// Warm implements synthesizer.Warmer.
func (d *Driver) Warm(ctx context.Context, _ synthesizer.Request) { d.o.Client.Warm(ctx, d.o.Base) }

// Speak implements synthesizer.Driver. An utterance that is left is cancelled by
// closing its connection.
func (d *Driver) Speak(ctx context.Context, r synthesizer.Request) iter.Seq2[synthesizer.Chunk, error] {
	voice := cmp.Or(r.Voice, d.o.Voice)
	v := stream.Voice{Client: d.o.Client, Levels: d.o.Levels, Name: fmt.Sprintf("azure %s %d %d", voice, d.o.Pitch, d.o.Rate), Patience: d.o.Patience}
	return v.Speak(ctx, r, func(ctx context.Context, text string, out *stream.Out) error {
		header := http.Header{"X-Microsoft-Outputformat": {output(r.Rate)}, "User-Agent": {"sidetone"}}
		response, err := d.o.Client.Post(ctx, d.o.Base+"/cognitiveservices/v1", "application/ssml+xml", header, d.markup(voice, r.Language, text))
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		out.Request(d.o.Client.RequestID(response.Header))
		if err := out.Format(stream.OfLine(r.Rate)); err != nil {
			return err
		}
		return out.Copy(response.Body)
	})
}

// output is the vendor's name of the format that a line has.
func output(rate int) string {
	if rate == 8000 {
		return "raw-8khz-8bit-mono-mulaw"
	}
	return "raw-16khz-16bit-mono-pcm"
}

// markup is a text in the Speech Synthesis Markup Language, see
// https://www.w3.org/TR/speech-synthesis11/.
func (d *Driver) markup(voice, language, text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="%s"><voice name="%s">`, escape(locale(voice, language)), escape(voice))
	if d.o.Pitch != 0 || d.o.Rate != 0 {
		fmt.Fprintf(&b, `<prosody pitch="%+d%%" rate="%+d%%">%s</prosody>`, d.o.Pitch, d.o.Rate, escape(text))
	} else {
		b.WriteString(escape(text))
	}
	b.WriteString("</voice></speak>")
	return b.Bytes()
}

// locale is the language that markup names: the request's when it tells the
// country too, else that of the voice.
func locale(voice, language string) string {
	if strings.Contains(language, "-") {
		return language
	}
	parts := strings.SplitN(voice, "-", 3)
	if len(parts) < 3 {
		return "en-US"
	}
	return parts[0] + "-" + parts[1]
}

// escape writes a text so that it is no markup.
func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes all
	return b.String()
}
