package otlp

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
)

// Span is a stretch of time within a trace.
type Span struct {
	// Trace is shared by all spans of a trace, ID is the span's own. Neither may be zero.
	Trace [16]byte
	ID    [8]byte
	// Parent is the span that this one is a part of; zero: none.
	Parent [8]byte
	Name   string
	From   time.Time
	To     time.Time
	// Attributes are strings, float64s, int64s and bools; of another type none is sent.
	Attributes map[string]any
}

// The JSON form of OTLP: ids are hexadecimal, 64-bit integers are strings, enumerations
// are numbers, and names are in camel case.
type (
	message struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string  `json:"stringValue,omitempty"`
		Bool   *bool    `json:"boolValue,omitempty"`
		Int    *string  `json:"intValue,omitempty"`
		Double *float64 `json:"doubleValue,omitempty"`
	}
)

// internal is SPAN_KIND_INTERNAL.
const internal = 1

// encode writes the body of a request for spans.
func encode(service map[string]any, version string, spans []Span) ([]byte, error) {
	all := make([]span, 0, len(spans))
	for _, s := range spans {
		one := span{TraceID: hex.EncodeToString(s.Trace[:]), SpanID: hex.EncodeToString(s.ID[:]), Name: s.Name, Kind: internal,
			Start: nanos(s.From), End: nanos(s.To), Attributes: attributes(s.Attributes)}
		if s.Parent != [8]byte{} {
			one.Parent = hex.EncodeToString(s.Parent[:])
		}
		all = append(all, one)
	}
	return json.Marshal(message{[]resourceSpans{{resource{attributes(service)}, []scopeSpans{{scope{"sidetone", version}, all}}}}})
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
