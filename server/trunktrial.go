package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api"
	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/preset"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
)

// trunkRules implement api.Trunks.
type trunkRules struct{ lines *trunkLines }

// Settings implements api.Trunks.
func (r trunkRules) Settings() []api.TrunkSetting { return trunkSettings() }

// Check implements api.Trunks: the rules of the configuration file, and those for what
// customers may reach.
func (r trunkRules) Check(name string, settings map[string]any) error {
	t, err := readTrunk(name, settings)
	if err != nil {
		return err
	}
	t.EnvironmentID, t.ID = "checked", "checked"
	if err := checkSIP(t); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("trunk %q: ", name)))
	}
	for i, text := range t.Addresses {
		networks, err := prefixes("addresses", []string{text})
		if err == nil {
			err = r.lines.guard.CheckSources(networks[0])
		}
		if err != nil {
			return fmt.Errorf("addresses[%d]: %w", i, err)
		}
	}
	proxy, _, _ := strings.Cut(t.OutboundProxy, ";")
	if err := r.checkHost(proxy); err != nil {
		return fmt.Errorf("outbound_proxy: %w", err)
	}
	if err := r.checkHost(t.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	return nil
}

// checkHost says whether customers may name a host, as far as can be told beforehand.
func (r trunkRules) checkHost(text string) error {
	if text == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "5060"
	}
	to, err := netip.ParseAddrPort("[::]:" + port) // for the port
	if err != nil {
		return errors.New("the port must be between 1 and 65535")
	}
	if err := r.lines.guard.CheckTrunk(host, to.Port(), netip.Addr{}); err != nil {
		return err //nolint:wrapcheck // it names the host
	}
	return nil
}

// Configured implements api.Trunks.
func (r trunkRules) Configured(name string) (found bool, lists func(string) bool) {
	found = slices.ContainsFunc(r.lines.operator, func(t Trunk) bool { return t.Name == name })
	return found, func(e164 string) bool {
		_, ok := newTrunks(nil, r.lines.operator).owner(e164)
		return ok
	}
}

// Changed implements api.Trunks.
func (r trunkRules) Changed(ctx context.Context) error { return r.lines.follow(ctx) }

const (
	// answerTimeout bounds the wait for a response to a question.
	answerTimeout = 4 * time.Second
	// echoRings and echoTimeout bound the test call: until it is answered, and in all.
	echoRings, echoTimeout = 8 * time.Second, 20 * time.Second
)

// trunkTrial tests one trunk.
type trunkTrial struct {
	driver *sip.Driver
	trunk  Trunk
	preset preset.Preset
	out    []api.TrunkStep
}

// Try implements api.Trunks.
func (r trunkRules) Try(ctx context.Context, idOrName, from, echo string) ([]api.TrunkStep, error) {
	list := r.lines.now().list
	i := slices.IndexFunc(list, func(t Trunk) bool { return t.key() == idOrName })
	if i < 0 {
		return nil, sidetone.Errorf(sidetone.Unavailable, "this node does not use the trunk: its log says why")
	}
	t := trunkTrial{driver: r.lines.driver, trunk: list[i]}
	t.preset, _ = preset.Find(t.trunk.Preset) // "" has none
	if from == "" && len(t.trunk.Numbers) > 0 {
		from = t.trunk.Numbers[0]
	}
	if echo == "" && t.preset.Echo != nil {
		echo = t.preset.Echo.Number
	}
	if t.options(ctx) {
		t.register(ctx)
		t.call(ctx, from, echo)
	}
	return t.out, nil
}

func (t *trunkTrial) skip(step, why string) {
	t.out = append(t.out, api.TrunkStep{Step: step, Skipped: true, Detail: why})
}

// done adds a step that ended, with what to do when it failed.
func (t *trunkTrial) done(step api.TrunkStep, status int, a advice) bool {
	if step.Err != nil {
		step.Remedy = a.with(t.preset, step.Step, status)
	}
	t.out = append(t.out, step)
	return step.Err == nil
}

// options asks whether the host is there. Whatever the status, a response shows it.
func (t *trunkTrial) options(ctx context.Context) bool {
	if t.trunk.Host == "" {
		t.skip("options", "the trunk has no host: no calls go out by it, and there is nobody to ask; calls that come in need no test of this kind")
		return false
	}
	res, latency, err := t.ask(ctx, sip.AskOptions)
	step := api.TrunkStep{Step: "options", Latency: latency, Detail: detailOf(res), Err: err}
	return t.done(step, 0, unreached(t.trunk, err))
}

// ask sends a question and measures it.
func (t *trunkTrial) ask(ctx context.Context, q sip.Question) (sip.Response, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	begin := time.Now()
	res, err := t.driver.Ask(ctx, t.trunk.key(), q)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no response from %s within %s", t.trunk.Host, answerTimeout)
	}
	return res, time.Since(begin), err
}

func detailOf(res sip.Response) string {
	if res.Status == 0 {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", res.Status, res.Reason)) + " from " + res.Source
}

// register asks who is registered for the account, which shows that it is good.
func (t *trunkTrial) register(ctx context.Context) {
	switch {
	case t.trunk.Username == "":
		t.skip("register", "the trunk has no username")
		return
	case t.preset.Name != "" && !t.preset.Registers:
		t.skip("register", t.preset.Title+" takes no registrations: the test call shows whether the account is good")
		return
	}
	res, latency, err := t.ask(ctx, sip.AskBindings)
	step := api.TrunkStep{Step: "register", Latency: latency, Detail: detailOf(res), Err: err}
	switch {
	case err != nil:
	case res.Status == 405 || res.Status == 501:
		t.skip("register", detailOf(res)+": the host takes no registrations; the test call shows whether the account is good")
		return
	case res.Err != nil:
		step.Err = fmt.Errorf("%d %s: %w", res.Status, res.Reason, res.Err)
	case res.Status >= 300:
		step.Err = fmt.Errorf("%d %s", res.Status, res.Reason)
	}
	a := unreached(t.trunk, err)
	if err == nil {
		a = unregistered(t.trunk, res.Status, res.Err)
	}
	t.done(step, res.Status, a)
}

// call calls a number that says back what it hears, and listens for that.
func (t *trunkTrial) call(ctx context.Context, from, echo string) {
	switch {
	case echo == "":
		t.skip("call", "no number is known that says back what it hears; name one with echo")
		return
	case from == "":
		t.skip("call", "the trunk lists no numbers, so that there is none to call from")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	begin := time.Now()
	leg, err := t.driver.Dial(ctx, telephony.DialRequest{From: from, To: echo, Trunk: t.trunk.key(), RingFor: echoRings}, nil)
	if err != nil {
		status, a := uncalled(t.trunk, err)
		t.done(api.TrunkStep{Step: "call", Err: err}, status, a)
		return
	}
	answered := time.Since(begin)
	heard, err := hearEcho(ctx, leg)
	step := api.TrunkStep{Step: "call", Latency: answered + heard, Err: err,
		Detail: fmt.Sprintf("%s answered after %d ms", echo, answered.Milliseconds())}
	if err == nil {
		step.Detail += fmt.Sprintf(", sound came back after %d ms", heard.Milliseconds())
		t.done(step, 0, advice{})
		return
	}
	step.Remedy = "Sound does not come back: the far end must reach sip.rtp_min to sip.rtp_max over UDP at sip.advertise (behind NAT: the public address). " +
		"Is " + echo + " an echo?"
	t.out = append(t.out, step)
}

// echoTone is the frequency of the tone that is sent: 1004 Hz, that of a line's test tone.
const echoTone = 1004

// hearEcho sends a tone until it comes back, and hangs up.
func hearEcho(ctx context.Context, leg telephony.Leg) (time.Duration, error) {
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
		defer cancel()
		_ = leg.Hangup(end, telephony.CauseNormal) // the call is over either way
	}()
	sending, stop := context.WithCancel(ctx)
	begin, sent := time.Now(), make(chan struct{})
	go func() {
		defer close(sent)
		sendTone(sending, leg)
	}()
	defer func() {
		stop()
		<-sent
	}()
	const enough = 5 // frames in a row: speech holds no tone as long
	inARow, first := 0, time.Time{}
	for ev := range leg.Events(ctx) {
		switch {
		case ev.Kind == telephony.KindEnded:
			return 0, errors.New("the far end hung up before sound came back")
		case ev.Kind != telephony.KindAudio:
			continue
		case ev.Audio.Missing || !isTone(ev.Audio):
			inARow = 0
			continue
		case inARow == 0:
			first = time.Now()
		}
		if inARow++; inARow == enough {
			return first.Sub(begin), nil
		}
	}
	return 0, errors.New("no sound came back")
}

// sendTone sends the tone in real time until ctx ends.
func sendTone(ctx context.Context, leg telephony.Leg) {
	rate := leg.Info().Rate
	tone := audio.Sine(rate, rate, echoTone, -16)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		for frame := range slices.Chunk(tone, rate/50) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			_ = leg.Send(audio.Frame{PCM: frame, Rate: rate}) // an ended leg ends the events, too
		}
	}
}

// isTone reports whether most of a frame's energy is at the tone's frequency (Goertzel's
// algorithm), and whether it is loud enough to be no noise.
func isTone(f audio.Frame) bool {
	if len(f.PCM) == 0 || f.Rate == 0 {
		return false
	}
	step := 2 * math.Cos(2*math.Pi*echoTone/float64(f.Rate))
	var s1, s2, energy float64
	for _, v := range f.PCM {
		x := float64(v)
		s1, s2 = x+step*s1-s2, s1
		energy += x * x
	}
	power := s1*s1 + s2*s2 - step*s1*s2
	n := float64(len(f.PCM))
	const loud = 100 * 100 // about -50 dB of full scale
	return energy/n > loud && 2*power/n > energy/2
}
