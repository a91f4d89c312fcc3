package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

const (
	// LatenessLimit is the 99th percentile of the generator's own lateness, in
	// milliseconds, up to which a run counts.
	LatenessLimit = 3.0
	// MaxAttempts is how often a run is made until it counts.
	MaxAttempts = 5
)

// Report is what one run measured. Times are in milliseconds unless the name
// says otherwise; a summary without values has Count 0.
type Report struct {
	// Scenario is what the calls did.
	Scenario Scenario `json:"scenario"`
	// Codec is what they spoke.
	Codec Codec `json:"codec"`
	// Attempts is how many runs were made until this one, which is the last.
	Attempts int `json:"attempts"`
	// Placed is the number of INVITEs, Answered that of calls which came up.
	Placed int `json:"placed"`
	// Answered is the number of calls that were answered with the codec.
	Answered int `json:"answered"`
	// Failures counts failed calls by reason.
	Failures map[string]int `json:"failures,omitempty"`
	// WindowSeconds is the length of the measured window.
	WindowSeconds float64 `json:"window_s"`
	// Setup is the time from the first INVITE to the arrival of the 200.
	Setup Quantiles `json:"setup"`
	// Gap is the time between two received packets of a call.
	Gap Quantiles `json:"gap"`
	// RTT is the time from sending a click's packet to receiving its echo, each
	// with the click's place in the packet.
	RTT Quantiles `json:"rtt"`
	// Added is the turn latency the platform added: gap less wait less stub
	// delays.
	Added Quantiles `json:"added"`
	// BargeIn is the time from the first voiced sample, spoken before its packet
	// was sent, to the last packet with agent sound.
	BargeIn Quantiles `json:"barge_in"`
	// Silence is the agent's longest silence after a cough.
	Silence Quantiles `json:"silence"`
	// Lateness is how late the generator sent its packets.
	Lateness Quantiles `json:"lateness"`
	// Received is the number of RTP packets received.
	Received int `json:"received"`
	// Lost is the number of packets missing in their sequence.
	Lost int `json:"lost"`
	// Strays is the number of packets that were no audio of the codec.
	Strays int `json:"strays"`
	// Encrypted says that the signalling went over TLS and the sound was encrypted.
	Encrypted bool `json:"encrypted,omitempty"`
	// Forged is the number of packets whose tag of SRTP was wrong, or that came twice; a
	// call with any of them failed.
	Forged int `json:"forged,omitempty"`
	// Own is the number of frames in the window that are, sample by sample, what the call
	// had said; Other that of all that are not. They are counted in ScenarioEcho with
	// G.711. In a run that counts, a call with under 80 % of its own failed.
	Own int `json:"own,omitempty"`
	// Other is the number of frames in the window that were never said.
	Other int `json:"other,omitempty"`
	// Discarded is the number of turns that could not be measured because agent
	// and caller spoke at the wrong time.
	Discarded int `json:"discarded"`
	// Unanswered is the number of turns the agent did not answer in time.
	Unanswered int `json:"unanswered"`
	// Resumed is the number of interruptions into which the agent spoke again.
	Resumed int `json:"resumed"`
	// CPUSeconds is the server's processor time in the window.
	CPUSeconds float64 `json:"cpu_s"`
	// CPUPerCallMinute is CPUSeconds by answered calls and minutes.
	CPUPerCallMinute float64 `json:"cpu_s_per_call_minute"`
	// BaseKB is the server's resident memory with the base calls up, FullKB
	// that with all calls up, in kibibytes.
	BaseKB float64 `json:"base_kb"`
	// FullKB is the server's resident memory with all calls up, in kibibytes.
	FullKB float64 `json:"full_kb"`
	// KBPerCall is the growth of memory by call, in kibibytes.
	KBPerCall float64 `json:"kb_per_call"`
	// Clicks are the clicks sent in ScenarioClock.
	Clicks []Click `json:"clicks,omitempty"`
	// FarEnds are the calls as their far ends recorded them, with Config.FarEnds.
	FarEnds []FarEnd `json:"-"`
}

// Counts says whether the generator was punctual enough for the run to count.
// A run without paced packets counts.
func (r Report) Counts() bool { return r.Lateness.P99 <= LatenessLimit }

// Failed returns the number of calls that failed.
func (r Report) Failed() int {
	total := 0
	for _, n := range r.Failures {
		total += n
	}
	return total
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	p := &printer{w: w}
	over := ""
	if r.Encrypted {
		over = " over TLS and SRTP"
	}
	p.line("%s, %s%s: %d calls placed, %d answered, %d failed, window %.1f s, attempt %d",
		r.Scenario, r.Codec, over, r.Placed, r.Answered, r.Failed(), r.WindowSeconds, r.Attempts)
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		p.line("  failed           %d x %s", r.Failures[reason], reason)
	}
	p.quantiles("setup", r.Setup)
	p.quantiles("packet gap", r.Gap)
	p.quantiles("echo round trip", r.RTT)
	p.quantiles("added latency", r.Added)
	p.quantiles("barge-in", r.BargeIn)
	p.quantiles("cough silence", r.Silence)
	p.quantiles("own lateness", r.Lateness)
	if !r.Counts() {
		p.line("  DOES NOT COUNT   own lateness p99 is above %.0f ms", LatenessLimit)
	}
	if r.Received > 0 {
		p.line("  packets          %d received, %d lost, %d strays", r.Received, r.Lost, r.Strays)
	}
	if r.Own+r.Other > 0 {
		p.line("  echo             %d frames are what was said, %d are not", r.Own, r.Other)
	}
	if r.Forged > 0 {
		p.line("  srtp             %d packets were not encrypted with the agreed key", r.Forged)
	}
	if r.Discarded+r.Unanswered+r.Resumed > 0 {
		p.line("  turns            %d discarded, %d unanswered, %d resumed", r.Discarded, r.Unanswered, r.Resumed)
	}
	if r.CPUPerCallMinute > 0 {
		p.line("  server cpu       %.2f s, %.4f s per call-minute", r.CPUSeconds, r.CPUPerCallMinute)
	}
	if r.FullKB > 0 {
		p.line("  server memory    %.0f KB, then %.0f KB: %.1f KB per call", r.BaseKB, r.FullKB, r.KBPerCall)
	}
	if len(r.Clicks) > 0 {
		p.line("  clicks           %d sent", len(r.Clicks))
	}
	return p.err
}

// WriteJSON writes the report as indented JSON.
func (r Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// writeJSON writes v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// printer writes lines until the first error.
type printer struct {
	w   io.Writer
	err error
}

// line writes one formatted line.
func (p *printer) line(format string, args ...any) {
	if p.err != nil {
		return
	}
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil {
		p.err = fmt.Errorf("write report: %w", err)
	}
}

// quantiles writes a named summary, nothing when it is empty.
func (p *printer) quantiles(name string, q Quantiles) {
	if q.Count > 0 {
		p.line("  %-16s %s", name, q)
	}
}

// wheels writes how evenly wheels paced, nothing when that was not measured.
func (p *printer) wheels(name string, r *Report) {
	if r == nil {
		return
	}
	p.line("%d G.722 calls on %s: gap p50 %.1f ms, p99 %.1f ms, max %.1f ms; %.4f s of cpu per call-minute; %d lost, %d failed",
		r.Answered, name, r.Gap.P50, r.Gap.P99, r.Gap.Max, r.CPUPerCallMinute, r.Lost, r.Failed())
}

// repeat makes runs until one counts, at most MaxAttempts, and returns the last
// report with the number of attempts.
func repeat(ctx context.Context, run func(context.Context) (Report, error)) (Report, error) {
	for attempt := 1; ; attempt++ {
		report, err := run(ctx)
		if err != nil {
			return Report{}, err
		}
		report.Attempts = attempt
		if report.Counts() || attempt == MaxAttempts {
			return report, nil
		}
	}
}
