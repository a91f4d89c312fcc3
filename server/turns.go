package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/call"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/conversation/turns"
	"github.com/sidetone/sidetone/metrics"
	"github.com/sidetone/sidetone/otlp"
)

// TracesConfig says where spans of turns are sent.
type TracesConfig struct {
	// Endpoint is the base address of a collector of OpenTelemetry, to which /v1/traces is
	// added; empty: spans are not sent.
	Endpoint string `koanf:"endpoint"`
	// Headers go with each request, as in OTEL_EXPORTER_OTLP_HEADERS: name=value, more of
	// them behind commas, values percent-encoded.
	Headers sidetone.Secret `koanf:"headers"`
}

// validate checks the address; the message names the key.
func (c TracesConfig) validate() error {
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "" && c.Headers != "":
		return errors.New("traces.headers must go with traces.endpoint")
	case c.Endpoint == "":
		return nil
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("traces.endpoint must be a URL that begins with http:// or https://")
	}
	_, err = c.headers()
	return err
}

// headers reads the list of headers. Its error does not repeat them.
func (c TracesConfig) headers() (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(c.Headers.Reveal(), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || strings.ContainsAny(name, " :\r\n") || err != nil || strings.ContainsAny(value, "\r\n") {
			return nil, errors.New("traces.headers must be name=value, more of them behind commas, with values percent-encoded")
		}
		out[name] = value
	}
	return out, nil
}

// startExporter starts what sends spans, until the calls are stopped; nil: nothing does.
func (s *server) startExporter() *otlp.Exporter {
	c := s.config.Traces
	if c.Endpoint == "" {
		return nil
	}
	headers, _ := c.headers() // they were validated
	dropped := s.figures.Counter("sidetone_spans_dropped_total", "Spans that were not sent, because too many waited or the collector did not take them.")
	e := otlp.New(otlp.Config{Endpoint: c.Endpoint, Headers: headers, Client: s.guard.Operator(""), Version: s.options.Version,
		Service: map[string]any{"service.name": "sidetone", "service.instance.id": s.node, "service.version": s.options.Version},
		Dropped: func(n int) { dropped.Add(float64(n)) }, Log: s.log})
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Go(func() { <-s.stop; cancel() })
	s.wg.Go(func() { e.Run(ctx) })
	return e
}

// turned returns what counts turns and makes spans of them.
func (s *server) turned(e *otlp.Exporter) func(call.TurnTaken) {
	count := countTurns(&s.figures)
	return func(t call.TurnTaken) {
		count(t)
		if e != nil {
			e.Add(spansOf(t))
		}
	}
}

// countTurns returns what counts what turns took.
func countTurns(r *metrics.Registry) func(call.TurnTaken) {
	bounds := []float64{0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8}
	silence := r.Histogram("sidetone_turn_silence_seconds", "Silence of a turn, by what the call waited for.", "stage", bounds...)
	gap := r.Histogram("sidetone_turn_gap_seconds", "From the caller's last voiced sample to the answer, by who serves the model.", "vendor", bounds...)
	bargeIn := r.Histogram("sidetone_turn_barge_in_seconds", "From the first voiced sample of an interruption to the agent's silence, by who serves the recogniser.", "vendor", bounds...)
	of := map[turns.Stage]*metrics.Histogram{}
	for _, stage := range []turns.Stage{turns.Recogniser, turns.Model, turns.Voice} {
		of[stage] = r.Histogram("sidetone_turn_"+string(stage)+"_seconds", "Silence of a reply that is the "+string(stage)+"'s, by who serves it.", "vendor", bounds...)
	}
	return func(t call.TurnTaken) {
		for _, stage := range turns.Stages() {
			if d := t.Turn.Of(stage); d > 0 {
				silence.Observe(d.Seconds(), string(stage))
			}
		}
		if d, ok := t.Turn.Figures[conversation.FigureGap]; ok {
			gap.Observe(d.Seconds(), t.Vendors[string(turns.Model)])
		}
		if t.Turn.BargeIn > 0 {
			bargeIn.Observe(t.Turn.BargeIn.Seconds(), t.Vendors[string(turns.Recogniser)])
		}
		for stage, h := range of {
			if vendor := t.Vendors[string(stage)]; vendor != "" && t.Turn.Kind == turns.Reply {
				h.Observe(t.Turn.Of(stage).Seconds(), vendor)
			}
		}
	}
}

// spansOf makes a span of a turn and one of each silence in it. The trace is the call. They
// hold ids, times and names of vendors: nothing of who called or what was said.
func spansOf(t call.TurnTaken) []otlp.Span {
	trace := traceOf(t.CallID)
	at := func(d time.Duration) time.Time { return t.Began.Add(d) }
	turn := otlp.Span{Trace: trace, ID: spanID(trace, t.Turn.Number, 0), Name: "turn", From: at(t.Turn.From), To: at(t.Turn.To),
		Attributes: map[string]any{"sidetone.call": t.CallID, "sidetone.environment": t.EnvironmentID, "sidetone.agent": t.AgentID,
			"sidetone.turn.number": int64(t.Turn.Number), "sidetone.turn.kind": string(t.Turn.Kind), "sidetone.turn.interrupted": t.Turn.Interrupted,
			"sidetone.turn.silence_ms": inMillis(t.Turn.Silence())}}
	for part, vendor := range t.Vendors {
		turn.Attributes["sidetone."+part] = vendor
	}
	for figure, d := range t.Turn.Figures {
		turn.Attributes["sidetone.turn."+string(figure)+"_ms"] = inMillis(d)
	}
	if t.Turn.BargeIn > 0 {
		turn.Attributes["sidetone.turn.barge_in_ms"] = inMillis(t.Turn.BargeIn)
	}
	all := []otlp.Span{turn}
	for i, p := range t.Turn.Pieces {
		s := otlp.Span{Trace: trace, ID: spanID(trace, t.Turn.Number, i+1), Parent: turn.ID, Name: string(p.Stage), From: at(p.From), To: at(p.To)}
		if vendor := t.Vendors[string(p.Stage)]; vendor != "" {
			s.Attributes = map[string]any{"sidetone.vendor": vendor}
		}
		all = append(all, s)
	}
	return all
}

func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// traceOf is the call's id, which is a UUID.
func traceOf(callID string) (trace [16]byte) {
	if b, err := hex.DecodeString(strings.ReplaceAll(callID, "-", "")); err == nil && len(b) == len(trace) {
		return [16]byte(b)
	}
	sum := sha256.Sum256([]byte(callID))
	return [16]byte(sum[:16])
}

// spanID is the same for the same part of a call.
func spanID(trace [16]byte, turn, piece int) [8]byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(trace[:], uint32(turn)), uint32(piece)))
	return [8]byte(sum[:8])
}
