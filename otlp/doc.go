// Package otlp sends spans to a collector of OpenTelemetry: over HTTP, in the JSON form of
// OTLP (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
//
// It knows spans and nothing else of OpenTelemetry; ADR 0014 says why it is no library.
package otlp
