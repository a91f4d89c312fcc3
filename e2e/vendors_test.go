package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/client"
	"github.com/sidetone/sidetone/e2e/timing"
	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/softphone"
	"github.com/sidetone/sidetone/standin"
	"github.com/sidetone/sidetone/standin/anthropic"
	"github.com/sidetone/sidetone/standin/assemblyai"
	"github.com/sidetone/sidetone/standin/azure"
	"github.com/sidetone/sidetone/standin/cartesia"
	"github.com/sidetone/sidetone/standin/deepgram"
	"github.com/sidetone/sidetone/standin/deepgramspeak"
	"github.com/sidetone/sidetone/standin/elevenlabs"
	"github.com/sidetone/sidetone/standin/google"
	"github.com/sidetone/sidetone/standin/hearing"
	"github.com/sidetone/sidetone/standin/openai"
	"github.com/sidetone/sidetone/standin/openaiaudio"
	"github.com/sidetone/sidetone/standin/openaispeech"
	"github.com/sidetone/sidetone/standin/rime"
	"github.com/sidetone/sidetone/standin/speech"
	"github.com/sidetone/sidetone/standin/tonewords"
	"github.com/sidetone/sidetone/synthesizer"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/sip"
)

// The parts of a call that a vendor serves.
const (
	recogniserPart = "recogniser"
	modelPart      = "model"
	voicePart      = "voice"
)

// vendorKey is what every stand-in asks for.
const vendorKey = "e2e-vendor-key"

// clerk is the model behind the stand-ins: what it says is long enough to be
// interrupted when it is asked for a story.
type clerk struct{}

const story = "Once there was a small shop that sold bread and tea and every morning the old baker opened the door before anybody else was awake in town."

// Generate implements llm.Driver.
func (clerk) Generate(_ context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
	text := "I did not get that."
	for _, m := range r.Messages {
		if m.Role != llm.User {
			continue
		}
		switch said := strings.ToLower(m.Text); {
		case strings.Contains(said, "price"):
			text = "It costs ten dollars."
		case strings.Contains(said, "stop"):
			text = "Fine with me."
		case strings.Contains(said, "story"):
			text = story
		}
	}
	return func(yield func(llm.Delta, error) bool) {
		for word := range strings.SplitAfterSeq(text, " ") {
			if !yield(llm.Delta{Text: word}, nil) {
				return
			}
		}
		yield(llm.Delta{Done: &llm.Usage{In: 10, Out: 10}}, nil)
	}
}

// partners are stand-ins of all vendors, each with its own faults and ledger for
// each part that it serves.
type partners struct {
	url     map[string]string // by the names that providers have in the configuration
	control map[string]*standin.Control
}

// partnerOptions say what the stand-ins understand and sound like.
type partnerOptions struct {
	ears  hearing.Ears
	speak func(text string, rate int) ([]int16, []synthesizer.Word)
	model llm.Driver
}

// startPartners starts the stand-ins, which end with the test.
func startPartners(t *testing.T, o partnerOptions) *partners {
	t.Helper()
	p := &partners{url: map[string]string{}, control: map[string]*standin.Control{}}
	control := func(vendor, part string) *standin.Control {
		c := &standin.Control{}
		p.control[vendor+" "+part] = c
		return c
	}
	voice := func(vendor string) speech.Options {
		return speech.Options{Control: control(vendor, voicePart), Key: vendorKey, Speak: o.speak}
	}
	serve := func(vendor, path string, h http.Handler) {
		s, err := standin.Start("127.0.0.1:0", h, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		p.url[vendor] = s.URL + path
	}
	audio := openaiaudio.New(openaiaudio.Options{Control: control("openai", recogniserPart), Key: vendorKey, Ears: o.ears})
	all := http.NewServeMux()
	all.Handle("/v1/audio/speech", openaispeech.New(voice("openai")))
	all.Handle("/v1/realtime", audio)
	all.Handle("/", openai.New(openai.Options{Control: control("openai", modelPart), Key: vendorKey, Model: o.model}))
	serve("openai", "/v1", all)
	serve("whisper", "/v1", openaiaudio.New(openaiaudio.Options{Control: control("whisper", recogniserPart), Key: vendorKey, Ears: o.ears}))
	listener := deepgram.New(deepgram.Options{Control: control("deepgram", recogniserPart), Key: vendorKey, Ears: o.ears})
	all = http.NewServeMux()
	all.Handle("/v1/listen", listener)
	all.Handle("/v2/listen", listener)
	all.Handle("/", deepgramspeak.New(voice("deepgram")))
	serve("deepgram", "", all)
	serve("assemblyai", "", assemblyai.New(assemblyai.Options{Control: control("assemblyai", recogniserPart), Key: vendorKey, Ears: o.ears}))
	serve("anthropic", "/v1", anthropic.New(anthropic.Options{Control: control("anthropic", modelPart), Key: vendorKey, Model: o.model}))
	serve("google", "/v1beta", google.New(google.Options{Control: control("google", modelPart), Key: vendorKey, Model: o.model, CallIDs: true}))
	serve("elevenlabs", "", elevenlabs.New(voice("elevenlabs")))
	serve("cartesia", "", cartesia.New(voice("cartesia")))
	serve("azure_speech", "", azure.New(voice("azure_speech")))
	serve("rime", "", rime.New(voice("rime")))
	return p
}

// env configures the stand-ins as the server's vendors.
func (p *partners) env() (out []string) {
	for vendor, address := range p.url {
		prefix := "SIDETONE_PROVIDERS_" + strings.ToUpper(vendor)
		out = append(out, prefix+"_BASE_URL="+address, prefix+"_API_KEY="+vendorKey)
	}
	slices.Sort(out)
	return out
}

// idle waits until no stand-in serves a request.
func (p *partners) idle(t *testing.T) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	for name, c := range p.control {
		await(t, ctx, "the end of the requests to "+name, func() bool { return c.Active() == 0 })
	}
}

// trio is who serves a call, as an agent names them.
type trio struct{ recogniser, model, voice string }

// The members of agents that choose a vendor.
func recognisersOfAgents() map[string]string {
	return map[string]string{
		"nova":       `{"type":"transcriber_deepgram","model":"nova-3"}`,
		"flux":       `{"type":"transcriber_deepgram","model":"flux-general-en"}`,
		"realtime":   `{"type":"transcriber_openai"}`,
		"upload":     `{"type":"transcriber_whisper"}`,
		"assemblyai": `{"type":"transcriber_assembly_ai"}`,
	}
}

func modelsOfAgents() map[string]string {
	return map[string]string{"openai": "gpt-4.1-mini", "anthropic": "claude-haiku-4-5", "google": "gemini-2.5-flash"}
}

func voicesOfAgents() map[string]string {
	return map[string]string{
		"elevenlabs": `{"type":"voice_eleven_labs","voice_id":"21m00Tcm4TlvDq8ikWAM"}`,
		"openai":     `{"type":"voice_openai","voice_id":"alloy"}`,
		"deepgram":   `{"type":"voice_deepgram","voice_id":"aura-2-thalia-en"}`,
		"cartesia":   `{"type":"voice_cartesia","voice_id":"a0e99841-438c-4a64-b679-ae501e7d6091"}`,
		"azure":      `{"type":"voice_azure","voice_name":"en-US-JennyNeural"}`,
		"rime":       `{"type":"voice_rime","speaker":"luna"}`,
	}
}

// timesWords lists the voices whose vendors tell when words sound.
func timesWords() []string { return []string{"elevenlabs", "cartesia", "rime"} }

// agent is the body that makes an agent which works with t.
func (t trio) agent() string {
	return fmt.Sprintf(`{"name":"%s %s %s","prompt":{"content":"Be kind."},"initial_message":"Hello there.","provider":%q,"model":%q,"transcriber":%s,"voice":%s}`,
		t.recogniser, t.model, t.voice, t.model, modelsOfAgents()[t.model], recognisersOfAgents()[t.recogniser], voicesOfAgents()[t.voice])
}

// pairwise returns calls in which every recogniser meets every model and every
// voice, and every model every voice.
func pairwise(recognisers, models, voices []string) (out []trio) {
	for i, r := range recognisers {
		for k, v := range voices {
			out = append(out, trio{r, models[(i+k)%len(models)], v})
		}
	}
	return out
}

func keys(m map[string]string) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestPairsAreComplete(t *testing.T) {
	t.Parallel()
	r, m, v := keys(recognisersOfAgents()), keys(modelsOfAgents()), keys(voicesOfAgents())
	pairs := map[[2]string]bool{}
	all := pairwise(r, m, v)
	for _, c := range all {
		pairs[[2]string{"r " + c.recogniser, "m " + c.model}] = true
		pairs[[2]string{"r " + c.recogniser, "v " + c.voice}] = true
		pairs[[2]string{"m " + c.model, "v " + c.voice}] = true
	}
	if want := len(r)*len(m) + len(r)*len(v) + len(m)*len(v); len(pairs) != want || len(all) > 30 {
		t.Errorf("%d calls hold %d pairs of %d", len(all), len(pairs), want)
	}
}

// toneLine is a line of the caller in tone words.
func toneLine(text string, after time.Duration) softphone.Line {
	pcm, _ := tonewords.Speak(text, 8000)
	return softphone.Line{Text: text, Sound: pcm, After: after}
}

// visit is what one call came to.
type visit struct {
	call   client.Call
	events []client.Event
	heard  sound // at the caller's end
	result softphone.Result
}

// ring lets a caller with G.711 say lines to a number until the call is over.
func (s *server) ring(t *testing.T, ctx context.Context, number string, lines ...softphone.Line) visit {
	t.Helper()
	return s.ringAs(t, ctx, number, softphone.Phone{Lines: lines, Wait: 8 * time.Second, Patience: 900 * time.Millisecond, Length: time.Minute})
}

// ringAs is ring with a telephone of one's own, which lacks a driver only.
func (s *server) ringAs(t *testing.T, ctx context.Context, number string, phone softphone.Phone) visit {
	t.Helper()
	driver, err := sip.New(sip.Config{Listen: "127.0.0.1:0", Codecs: []string{"PCMU"}, Trunks: []sip.Trunk{{Name: "server", Host: s.sip}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = driver.Close() }()
	path := filepath.Join(t.TempDir(), "heard.wav")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	phone.Driver, phone.Record = driver, file
	var v visit
	v.result, err = phone.Call(ctx, telephony.DialRequest{From: "+14155550123", To: number, Trunk: "server"})
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		t.Fatal(err)
	}
	v.heard = readWAVFile(t, path)
	await(t, ctx, "the end of the call", func() bool {
		page, err := s.api.Calls().List(ctx, client.Query{Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		// The newest stands first.
		i := slices.IndexFunc(page.Items, func(c client.Call) bool { return c.ToNumber == number })
		if i >= 0 {
			v.call = page.Items[i]
		}
		return i >= 0 && v.call.Over()
	})
	if v.call, err = s.api.Calls().Get(ctx, v.call.ID); err != nil {
		t.Fatal(err)
	}
	v.events = s.events(t, ctx, v.call.ID)
	return v
}

// placeJSON makes an agent of a body as a client sends it, and gives it a number.
func (s *server) placeJSON(t *testing.T, body string) (number string) {
	t.Helper()
	var made struct{ ID string }
	if err := s.api.Do(t.Context(), http.MethodPost, "/v1/agents/create", url.Values{}, json.RawMessage(body), &made); err != nil {
		t.Fatal(err)
	}
	return s.placeID(t, made.ID)
}

// spelt is a text as tone words are read back.
func spelt(text string) (out []string) {
	for _, w := range strings.Fields(strings.ReplaceAll(text, "|", " ")) {
		out = append(out, tonewords.Spell(w))
	}
	return out
}

// toneWords are the words in a sound.
func toneWords(s sound) (out []string) {
	ear := tonewords.NewEar(s.rate)
	for _, w := range ear.Write(append(slices.Clone(s.pcm), make([]int16, s.rate/10)...)) {
		out = append(out, w.Text)
	}
	return out
}

// missing returns how many words of all are not in part, which must hold words of
// all in their order and nothing else; else ok is false.
func missing(part, all []string) (n int, ok bool) {
	i := 0
	for _, w := range all {
		if i < len(part) && part[i] == w {
			i++
		}
	}
	return len(all) - len(part), i == len(part)
}

// atOnce is how many calls are held side by side, which two cores carry.
const atOnce = 6

// subsequence says that all holds the words of part in their order.
func subsequence(part, all []string) bool {
	_, ok := missing(part, all)
	return ok
}

// TestVendorsConverse holds complete calls over all vendors: what the caller heard
// is what the record says, and what it said is what was understood.
func TestVendorsConverse(t *testing.T) {
	t.Parallel()
	listen(t)
	p := startPartners(t, partnerOptions{ears: hearing.ToneWords, model: clerk{}})
	s := start(t, p.env()...)
	began := time.Now()
	calls := pairwise(keys(recognisersOfAgents()), keys(modelsOfAgents()), keys(voicesOfAgents()))
	sideBySide(t, atOnce, calls, func(who trio) string { return who.recogniser + " " + who.model + " " + who.voice }, s.converse)
	p.idle(t)
	t.Logf("%d calls took %s", len(calls), time.Since(began).Round(time.Second))
}

// sideBySide runs a subtest for each of list, n at a time: parallel subtests would
// be as many as there are cores, and calls mostly wait.
func sideBySide[T any](t *testing.T, n int, list []T, name func(T) string, test func(*testing.T, T)) {
	t.Helper()
	var running sync.WaitGroup
	places := make(chan struct{}, n)
	for _, one := range list {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name(one), func(t *testing.T) { test(t, one) })
		})
	}
	running.Wait()
}

// attempts is how often a call is held in which something said was lost, which a busy
// machine does.
const attempts = 4

// converse holds one call of two turns and an interruption.
func (s *server) converse(t *testing.T, who trio) {
	paced := timing.Start(t)
	ctx := within(t, 150*time.Second)
	number := s.placeJSON(t, who.agent())
	said := []softphone.Line{toneLine("please tell me the whole story", 0), toneLine("stop it now please", 2*time.Second), toneLine("what is the price", 0)}
	var want []string
	for _, l := range said {
		want = append(want, spelt(l.Text)...)
	}
	for range attempts {
		v := s.ring(t, ctx, number, said...)
		caller, agent := s.recording(t, ctx, v.call.ID)
		understood, came := spelt(textOf(v.events, "caller")), toneWords(caller)
		if !slices.Equal(understood, want) && !slices.Equal(came, want) {
			t.Logf("the line lost some of what the caller said: %q came", came)
			continue
		}
		if sent, heard := toneWords(agent), toneWords(v.heard); !subsequence(sent, heard) {
			t.Logf("the line lost some of what the agent said: %q was sent, %q came", sent, heard)
			continue
		}
		if torn(agent) {
			t.Log("the server was held up while the agent spoke")
			continue
		}
		if !slices.Equal(understood, want) {
			paced.Errorf("understood %q of %q", understood, want)
		}
		if !slices.Equal(came, want) {
			paced.Errorf("the recording holds %q of the caller, who said %q", came, want)
		}
		v.judge(t, paced, who, agent)
		v.judgeUsage(t, who)
		if t.Failed() {
			v.log(t)
		}
		return
	}
	paced.Errorf("something was lost in all of %d calls", attempts)
}

// torn says that an agent's sound has the hole that a server leaves which was held up
// for so long that it skipped frames: at least 100 ms, and shorter than a pause between
// two turns.
func torn(s sound) bool {
	silent := s.rate
	for _, sample := range s.pcm {
		if sample == 0 {
			silent++
			continue
		}
		if silent >= s.rate/10 && silent < s.rate/2 {
			return true
		}
		silent = 0
	}
	return false
}

// judge holds what the caller heard against the record and the recording.
func (v visit) judge(t *testing.T, paced *timing.Meter, who trio, agent sound) {
	t.Helper()
	heard, record := toneWords(v.heard), spelt(textOf(v.events, "agent"))
	short, ok := missing(record, heard)
	if limit := map[bool]int{false: 2}[slices.Contains(timesWords(), who.voice)]; !ok || short > limit {
		paced.Errorf("the caller heard\n%q, the record says\n%q", heard, record)
	}
	if full := len(spelt("Hello there. " + story + " Fine with me. It costs ten dollars.")); len(heard) >= full ||
		!slices.Contains(heard, "dollars") || !slices.Contains(heard, "fine") || !slices.Contains(heard, "once") {
		paced.Errorf("the caller heard %q", heard)
	}
	if len(v.call.Errors) > 0 {
		t.Errorf("errors of the call: %q", v.call.Errors)
	}
	if kept := toneWords(agent); !slices.Equal(kept, heard) {
		paced.Errorf("the recording holds %q of the agent, the caller heard %q", kept, heard)
	}
	if got := alike(v.heard, agent); got < 0.85 {
		paced.Errorf("what the caller heard resembles the recording by %.2f", got)
	}
}

// judgeUsage holds what the record says of hosts and units against who served the call.
func (v visit) judgeUsage(t *testing.T, who trio) {
	t.Helper()
	ears := map[string]string{"nova": "deepgram", "flux": "deepgram", "realtime": "openai", "upload": "whisper", "assemblyai": "assemblyai"}[who.recogniser]
	voice := map[string]string{"azure": "azure_speech"}[who.voice]
	want := map[string]string{recogniserPart: ears + " audio audio_seconds", modelPart: who.model + " text input_tokens", voicePart: cmp.Or(voice, who.voice) + " text characters"}
	for _, u := range v.call.Usage {
		vendor, unit := u.Vendor+" "+u.Received, strings.TrimPrefix(want[u.Part], u.Vendor+" "+u.Received+" ")
		if !strings.HasPrefix(want[u.Part], vendor+" ") || u.Account != "server" || !slices.Equal(u.Hosts, []string{"127.0.0.1"}) || u.Requests == 0 || u.Units[unit] == 0 {
			t.Errorf("%+v, want %q of the server's account at 127.0.0.1", u, want[u.Part])
		}
		delete(want, u.Part)
	}
	if len(want) > 0 {
		t.Errorf("the usage %+v lacks %v", v.call.Usage, want)
	}
	for _, part := range []string{recogniserPart, modelPart, voicePart} {
		if !slices.ContainsFunc(v.events, func(e client.Event) bool { return names(e, "reached", part) }) {
			t.Errorf("no event says which host the %s reached", part)
		}
		if !slices.ContainsFunc(v.events, func(e client.Event) bool { return names(e, "requests", part) }) {
			t.Errorf("no event has the vendor's name of a request to the %s", part)
		}
	}
}

// names reports whether a list of an event has an entry of a part.
func names(e client.Event, list, part string) bool {
	entries, _ := e.Data[list].([]any)
	return slices.ContainsFunc(entries, func(one any) bool {
		entry, _ := one.(map[string]any)
		return entry["part"] == part
	})
}

// log shows the events.
func (v visit) log(t *testing.T) {
	t.Helper()
	for _, e := range v.events {
		t.Logf("%d ms %s: %s", e.OffsetMS, e.Type, e.Text)
	}
}
