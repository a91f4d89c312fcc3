package call

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/synthesizer"
)

const (
	// askAgain is when a vendor's voice without any sound is asked a second time, and
	// askNext when the next voice is; both beside the requests that are under way.
	// Together they leave time for the first sound within the 4 s of silence that a
	// caller may meet.
	askAgain, askNext = 1500 * time.Millisecond, 2750 * time.Millisecond
	// askUnderstudy is when the voice for phrases only is asked for one of which there
	// is no sound: the machine asks for it when the caller has waited for 3 s.
	askUnderstudy = 600 * time.Millisecond
	// soundBrokeOff is how far a vendor's voice that has begun may be behind the time
	// at which its sound is heard, when another one can go on.
	soundBrokeOff = 2 * time.Second
	// usualTempo is how many bytes of text a voice speaks in a second.
	usualTempo = 15
	// mostHeld is how long the sound of a slow voice is held back at most: behind it the
	// machine would say the same a second time.
	mostHeld = 5 * time.Second
)

// tempo is how fast a voice speaks.
type tempo struct {
	bytes, samples int64
	// came is the sound that came after the first piece of each utterance, and took
	// how long that took.
	came int64
	took time.Duration
}

// saying is the synthesis of one utterance: by one voice, or by others that take
// its place. It belongs to one goroutine.
type saying struct {
	m      *mouth
	ctx    context.Context
	say    conversation.Say
	wg     sync.WaitGroup
	pieces chan piece
	alarm  chan struct{}
	quiet  func() bool // stops the alarm

	tries []int  // requests made, by candidate
	out   []bool // candidates that cannot do it
	// hopeful: not everybody has failed in a way that comes again.
	hopeful bool
	// understudy is the voice for phrases only, if this is one; else -1.
	understudy int
	running    []*try // oldest first
	winner     *try   // whose sound is heard

	total int64     // samples that the player has
	since time.Time // when the winner's first sound came
	first int64     // samples of that
	// held is what the player does not have yet: the voice is slower than its sound, and
	// the utterance is heard in one piece when it begins later.
	held []synthesizer.Chunk
	// base and from are where the winner's sound and text begin; spoken and
	// heard are where the last whole word ends in the text and in the sound.
	base, heard  int64
	from, spoken int
	kept         []synthesizer.Chunk // the whole sound, for the cache
}

// try is one request to a voice.
type try struct {
	candidate int
	began     time.Time
	again     bool // another one was begun beside it
	cancel    context.CancelFunc
	// silent is what it delivered without any sound in it.
	silent []synthesizer.Chunk
}

// piece is what a request brings.
type piece struct {
	by    *try
	chunk synthesizer.Chunk
	err   error
	end   bool
}

// speak synthesises one utterance into the player, and reports when nobody can.
func (m *mouth) speak(ctx context.Context, s conversation.Say) {
	if m.recall(ctx, s) {
		return
	}
	y := &saying{m: m, ctx: ctx, say: s, pieces: make(chan piece), alarm: make(chan struct{}, 1),
		tries: make([]int, len(m.voices)), out: make([]bool, len(m.voices)), understudy: m.understudy(s)}
	defer y.close()
	m.mu.Lock()
	from := m.current
	m.mu.Unlock()
	first := m.candidates.next(from, y.excluded)
	if first < 0 {
		m.player.drop(s.Utt)
		m.post(conversation.VoiceFailed{Utt: s.Utt, Reason: m.candidates.nobody(), Hopeless: true})
		return
	}
	for more := y.begin(first); more; {
		select {
		case <-ctx.Done():
			y.blameSlow(-1)
			return
		case <-y.alarm:
			more = y.overdue()
		case p := <-y.pieces:
			more = y.take(p)
		}
	}
}

// recall says what the cache has, by whichever voice; false when it has nothing.
func (m *mouth) recall(ctx context.Context, s conversation.Say) bool {
	if !s.Cached || m.phrases == nil {
		return false
	}
	m.mu.Lock()
	first := m.current
	m.mu.Unlock()
	for k := range m.voices {
		i := (first + k) % len(m.voices)
		sound := m.phrases.sound(m.key(i, s.Text))
		if sound == nil || m.voices[i].PhrasesOnly { // others may still have a better one
			continue
		}
		y := &saying{m: m, ctx: ctx, say: s}
		for _, c := range sound {
			if !y.deliver(c) {
				return true
			}
		}
		y.finish()
		return true
	}
	return false
}

// excluded reports whether a voice is not to be asked: each is asked twice, but
// the only one once, because the machine asks again, and one that has failed in
// mid-sentence no more. A phrase is too urgent for a second time when there is
// somebody else for it.
func (y *saying) excluded(i int) bool {
	most := 2
	if y.only() && y.total == 0 || y.understudy >= 0 {
		most = 1
	}
	return y.out[i] || y.tries[i] >= most || y.m.voices[i].PhrasesOnly && i != y.understudy
}

// only reports whether nobody but the first voice can say it.
func (y *saying) only() bool {
	return len(y.tries) == 1 || len(y.tries) == 2 && y.m.voices[1].PhrasesOnly && y.understudy < 0
}

// begin asks a voice for what is still to be said; false when there is none.
func (y *saying) begin(i int) bool {
	if i < 0 {
		return false
	}
	ctx, cancel := context.WithCancel(y.ctx)
	t := &try{candidate: i, began: y.m.clock.Now(), cancel: cancel}
	y.tries[i]++
	y.running = append(y.running, t)
	r := y.m.request(i, y.say.Text[y.from:])
	y.wg.Go(func() { y.ask(ctx, t, r) })
	if y.understudy >= 0 {
		y.watch(askUnderstudy)
	} else {
		y.watch(askAgain)
	}
	return true
}

// ask hands on what a voice delivers, until ctx ends.
func (y *saying) ask(ctx context.Context, t *try, r synthesizer.Request) {
	err := y.collect(ctx, t, r)
	y.send(ctx, piece{by: t, err: err, end: true})
}

func (y *saying) collect(ctx context.Context, t *try, r synthesizer.Request) (err error) {
	defer caught(y.m.log, "voice", &err)
	y.m.candidates.asks(t.candidate)
	for c, err := range y.m.voices[t.candidate].Driver.Speak(y.m.candidates.metered(ctx, t.candidate), r) {
		if err != nil {
			return err
		}
		if !y.send(ctx, piece{by: t, chunk: c}) {
			return ctx.Err()
		}
	}
	return nil
}

func (y *saying) send(ctx context.Context, p piece) bool {
	select {
	case y.pieces <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

// watch rings the alarm after d, for voices of vendors: to ask one of the server's
// own again would only make it slower.
func (y *saying) watch(d time.Duration) {
	if y.quiet != nil {
		y.quiet()
		y.quiet = nil
	}
	if len(y.running) == 0 || !y.m.candidates.vendor(y.running[len(y.running)-1].candidate) {
		return
	}
	y.quiet = y.m.clock.AfterFunc(d, func() {
		select {
		case y.alarm <- struct{}{}:
		default:
		}
	})
}

// close ends what is under way.
func (y *saying) close() {
	if y.quiet != nil {
		y.quiet()
	}
	for _, t := range y.running {
		t.cancel()
	}
	y.wg.Wait()
}

// take handles a piece; it reports whether there is more to come.
func (y *saying) take(p piece) bool {
	switch known := y.runs(p.by); {
	case !known: // it was cancelled
		return true
	case p.end:
		return y.ended(p.by, p.err)
	case y.winner == nil && !peak(p.chunk.PCM):
		p.by.silent = append(p.by.silent, p.chunk)
		return true
	case y.winner == nil:
		y.win(p.by)
		y.first = int64(len(p.chunk.PCM))
	}
	y.held = append(append(y.held, p.by.silent...), p.chunk)
	p.by.silent = nil
	if !y.holds(p.by) && !y.pour() {
		return false
	}
	left := y.left()
	if y.only() {
		left = max(0, left) // the only voice may be slow: it has broken off when nothing comes
	}
	y.watch(max(0, left+soundBrokeOff))
	return true
}

// holds reports whether the sound is held back because the only voice would run dry.
func (y *saying) holds(t *try) bool {
	if !y.only() || y.total > y.base || y.m.clock.Now().Sub(t.began) >= mostHeld {
		return false
	}
	y.m.mu.Lock()
	p := y.m.pace[t.candidate]
	y.m.mu.Unlock()
	came := audio.Span(p.came, y.m.player.rate)
	if p.bytes == 0 || p.took <= came+came/10 {
		return false
	}
	held := int64(0)
	for _, c := range y.held {
		held += int64(len(c.PCM))
	}
	whole := int64(len(y.say.Text)-y.from)*p.samples/p.bytes + int64(y.m.player.rate)/4 // texts of a length are not equally long
	return held < whole-int64(float64(whole)*came.Seconds()/p.took.Seconds())
}

// pour gives the player what was held; false when nobody wants it any more.
func (y *saying) pour() bool {
	for _, c := range y.held {
		if y.base == 0 {
			y.kept = append(y.kept, c)
		}
		if !y.deliver(shifted(c, y.from, y.base)) {
			return false
		}
	}
	y.held = nil
	return true
}

// left is how long the winner's sound lasts from now on; negative when it is late.
func (y *saying) left() time.Duration {
	return y.since.Add(audio.Span(y.total-y.base, y.m.player.rate)).Sub(y.m.clock.Now())
}

// shifted is a chunk of a later part of an utterance, as one of the whole.
func shifted(c synthesizer.Chunk, text int, sound int64) synthesizer.Chunk {
	if text == 0 && sound == 0 {
		return c
	}
	words := make([]synthesizer.Word, len(c.Words))
	for i, w := range c.Words {
		words[i] = synthesizer.Word{Start: w.Start + text, End: w.End + text, FromSample: w.FromSample + sound, ToSample: w.ToSample + sound}
	}
	return synthesizer.Chunk{PCM: c.PCM, Words: words}
}

func (y *saying) runs(t *try) bool {
	for _, r := range y.running {
		if r == t {
			return true
		}
	}
	return false
}

// win makes t the one that is heard.
func (y *saying) win(t *try) {
	y.blameSlow(t.candidate)
	for _, other := range y.running {
		if other != t {
			other.cancel()
		}
	}
	y.running, y.winner = []*try{t}, t
	y.since = y.m.clock.Now()
	if y.m.voices[t.candidate].PhrasesOnly {
		return
	}
	y.m.mu.Lock()
	y.m.current = t.candidate
	y.m.mu.Unlock()
}

// blameSlow names the voices that had no sound for so long that others were asked;
// next is who has it, -1 when nobody does.
func (y *saying) blameSlow(next int) {
	if t := y.winner; t != nil {
		if y.m.candidates.vendor(t.candidate) && y.left() < -soundBrokeOff {
			y.m.candidates.failed(t.candidate, y.m.candidates.fault(t.candidate, provider.Late, "the sound came too slowly"), next, nil)
		}
		return
	}
	for _, t := range y.running {
		if t.again && y.m.clock.Now().Sub(t.began) >= askAgain {
			y.m.candidates.failed(t.candidate, y.m.candidates.fault(t.candidate, provider.Late, "no sound in time"), next, nil)
			return // once for all requests
		}
	}
}

// deliver gives a chunk to the player; false when nobody wants it any more.
func (y *saying) deliver(c synthesizer.Chunk) bool {
	if y.ctx.Err() != nil || !y.m.player.add(y.say.Utt, c.PCM, false, ends(c.Words)...) {
		return false
	}
	y.total += int64(len(c.PCM))
	if n := len(c.Words); n > 0 {
		y.spoken, y.heard = c.Words[n-1].End, c.Words[n-1].ToSample
	}
	y.m.post(conversation.Voiced{Utt: y.say.Utt, Words: y.m.words(c.Words), Total: audio.Span(y.total, y.m.player.rate)})
	return true
}

// finish says that the utterance is complete.
func (y *saying) finish() {
	y.m.player.add(y.say.Utt, nil, true)
	y.m.post(conversation.Voiced{Utt: y.say.Utt, Total: audio.Span(y.total, y.m.player.rate), Done: true})
}

// ended handles the end of a request.
func (y *saying) ended(t *try, err error) bool {
	c := y.m.candidates
	y.drop(t)
	switch {
	case y.ctx.Err() != nil:
		return false
	case t == y.winner && !y.pour():
		return false
	case err == nil && t == y.winner:
		c.worked(t.candidate, t.began)
		y.learn(t.candidate)
		y.finish()
		return false
	case err == nil && c.vendor(t.candidate):
		err = c.fault(t.candidate, provider.Empty, "no sound")
	case err == nil:
		err = synthesizer.ErrSilent
	}
	return y.failed(t, err)
}

func (y *saying) drop(t *try) {
	t.cancel()
	for i, r := range y.running {
		if r == t {
			y.running = append(y.running[:i], y.running[i+1:]...)
			return
		}
	}
}

// learn keeps how fast a voice speaks, and the sound of a phrase.
func (y *saying) learn(i int) {
	y.m.mu.Lock()
	y.m.pace[i].bytes += int64(len(y.say.Text) - y.from)
	y.m.pace[i].samples += y.total - y.base
	y.m.pace[i].came += y.total - y.base - y.first
	y.m.pace[i].took += y.m.clock.Now().Sub(y.since)
	y.m.mu.Unlock()
	if y.say.Cached && y.m.phrases != nil && y.base == 0 {
		y.m.phrases.store(y.m.key(i, y.say.Text), y.kept)
	}
}

// failed goes on with the same voice, once, or with the next one.
func (y *saying) failed(t *try, err error) bool {
	c := y.m.candidates
	y.hopeful = y.hopeful || !hopeless(err)
	if hopeless(err) || t == y.winner && !y.only() { // in mid-sentence there is no time to try again
		y.out[t.candidate] = true
	}
	if t == y.winner {
		y.winner = nil
		y.rewind(t)
	}
	if y.from >= len(y.say.Text) { // the last word was complete
		c.failed(t.candidate, err, -1, nil)
		y.finish()
		return false
	}
	if len(y.running) > 0 {
		c.failed(t.candidate, err, y.running[0].candidate, nil)
		return true
	}
	next := c.next(t.candidate, y.excluded)
	if next < 0 {
		y.m.player.drop(y.say.Utt)
		c.failed(t.candidate, err, -1, conversation.VoiceFailed{Utt: y.say.Utt, Reason: c.reason(t.candidate, err), Hopeless: !y.hopeful})
		return false
	}
	c.failed(t.candidate, err, next, nil)
	return y.begin(next)
}

// rewind finds where the next voice goes on: behind the last whole word that the
// player has. Without times of words it is estimated, a word too early rather than
// too late.
func (y *saying) rewind(t *try) {
	if y.spoken > y.from {
		y.from = y.spoken
		y.total = y.m.player.cut(y.say.Utt, y.heard)
	} else {
		y.from += conversation.WordBefore(y.say.Text[y.from:], y.estimate(t.candidate))
	}
	y.from += len(y.say.Text[y.from:]) - len(strings.TrimLeft(y.say.Text[y.from:], " "))
	y.base = y.total
}

// estimate is how many bytes of its text a voice has spoken.
func (y *saying) estimate(i int) int {
	y.m.mu.Lock()
	p := y.m.pace[i]
	y.m.mu.Unlock()
	if p.samples == 0 {
		p = tempo{bytes: usualTempo, samples: int64(y.m.player.rate)}
	}
	return int((y.total - y.base) * p.bytes / p.samples)
}

// overdue is called when a voice has delivered nothing for too long.
func (y *saying) overdue() bool {
	c := y.m.candidates
	if t := y.winner; t != nil {
		y.drop(t)
		if !y.pour() {
			return false
		}
		return y.failed(t, c.fault(t.candidate, provider.Late, "the sound broke off"))
	}
	t := y.running[len(y.running)-1]
	if i := y.understudy; i >= 0 && y.tries[i] == 0 {
		t.again = true
		return y.begin(i)
	}
	again := !t.again && y.tries[t.candidate] < 2 && !y.out[t.candidate]
	for _, r := range y.running {
		r.again = true
	}
	if again {
		began := t.began
		y.begin(t.candidate)
		y.running[len(y.running)-1].again = true
		y.watch(began.Add(askNext).Sub(y.m.clock.Now()))
		return true
	}
	if next := c.next(t.candidate, func(i int) bool { return y.tries[i] > 0 || y.excluded(i) }); next >= 0 {
		return y.begin(next)
	}
	return true
}
