package call

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
	"github.com/sidetone/sidetone/provider"
	"github.com/sidetone/sidetone/transcriber"
)

const (
	// tailLength is how much sound is kept for a recogniser that is not ready
	// or was lost. While one is at work and has no words pending, it is
	// quietTail, what it may not have made text of yet, besides what it has not
	// even taken.
	tailLength = transcriber.MaxBehind + quietTail
	quietTail  = 2 * time.Second
	// reopenAfter is waited before a lost recogniser is opened again.
	reopenAfter = 300 * time.Millisecond
	// A recogniser that is lost lossesAllowed times in a row, each within lossWindow
	// of its opening and without a text, gives way to the next one; the last one is
	// opened once more. The window is longer than drivers wait for a vendor's first
	// message.
	lossesAllowed = 2
	lossWindow    = 8 * time.Second
	// awayAfter is how long there may be no recogniser before the caller is told.
	awayAfter = 3 * time.Second
	// muteSpeech is how much speech must give some text within muteWait; firstSpeech
	// while the stream has given none yet. A vendor's recogniser that gives none
	// muteAllowed times in a row gives way; the last one is opened again first, and
	// given up when the next speech gives none either.
	muteSpeech, firstSpeech = 700 * time.Millisecond, 400 * time.Millisecond
	muteWait                = 2500 * time.Millisecond
	muteAllowed             = 2
	// shortestWord is how much sound a word has at least.
	shortestWord = 100 * time.Millisecond
	// proven is how long a recogniser must have served for its losses to be
	// forgotten when the call looks for another.
	proven = time.Minute
)

// errMute says that a recogniser gives no text of speech.
const errMute = transcriber.Error("no text of what was said")

// ear keeps one call's recogniser alive: it buffers while none is ready,
// reopens a lost one, plays it what it had not finished, and goes over to the next
// one when that does not help. write and finalize belong to one goroutine each;
// run to another.
type ear struct {
	recognisers []Recogniser
	candidates  *candidates
	config      transcriber.Config
	clock       Clock
	post        func(any)
	log         *slog.Logger // nil: nothing is logged

	mu       sync.Mutex
	stream   transcriber.Stream
	serving  int // whose stream it is
	opened   time.Time
	answered bool // the call is; what comes before is not meant for the agent
	fed      int  // samples that the stream was given
	tail     tail // sound since the last final, at most tailLength
	pending  bool // words were heard since the last final, or are awaited
	finalise bool // a Finalize is not answered
	rate     int
	away     func() bool // stops the wait for a stream; nil: there is one
	told     bool        // the caller is told that there is none
	texts    int         // that have come
	had      int         // texts that had come before the stream
	lastText time.Time   // when the last one came
	mute     int         // how often in a row speech gave no text
	deaf     bool        // the stream was given up for that
	suspect  bool        // so was one before it, and there was no text since
	owing    bool        // the text of the last speech is late
	watch    func() bool // stops the wait for a text; nil: none is awaited
}

// write gives the recogniser a received frame.
func (e *ear) write(f audio.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.answered {
		return
	}
	e.buffer(f.PCM)
	if e.stream != nil {
		e.fed += len(f.PCM)
		_ = e.stream.Write(f) // a failed stream reports through its events
	}
}

func (e *ear) buffer(pcm []int16) {
	length := tailLength
	if e.stream != nil && !e.pending {
		length = min(quietTail+transcriber.Behind(e.stream), tailLength)
	}
	e.tail.add(pcm, int(audio.Samples(length, e.rate)))
}

// begin says that the call is answered.
func (e *ear) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answered = true
}

// finalize asks for the final of what was heard.
func (e *ear) finalize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finalise = true
	if e.stream != nil {
		e.stream.Finalize()
	}
}

// spoke is told of each burst of speech that the detector heard: text must come of
// it, or has come while it lasted.
func (e *ear) spoke(length time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	least := muteSpeech
	if e.texts == e.had {
		least = firstSpeech
	}
	if length < least || e.stream == nil || e.watch != nil || !e.candidates.vendor(e.serving) || e.clock.Now().Sub(e.lastText) < length {
		return
	}
	e.pending = true
	stream, texts := e.stream, e.texts
	e.watch = e.clock.AfterFunc(muteWait, func() {
		if e.isMute(stream, texts) {
			_ = stream.Close() // which ends its events
		}
	})
}

// isMute counts speech without a text, and reports whether the stream is to be
// given up.
func (e *ear) isMute(stream transcriber.Stream, texts int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watch = nil
	if e.stream != stream || e.texts != texts {
		return false
	}
	e.mute++
	e.owing = true
	e.deaf = e.mute >= muteAllowed || e.suspect
	e.suspect = e.suspect || e.deaf
	e.finalise = e.finalise || e.deaf
	return e.deaf
}

// run opens and reopens recognisers until ctx ends.
func (e *ear) run(ctx context.Context) {
	defer e.unwatch()
	e.miss()
	lost := map[int]bool{}
	excluded := func(i int) bool { return lost[i] }
	i, release := e.take(e.candidates.next(0, excluded), lost)
	for i >= 0 {
		began := e.clock.Now()
		err := e.serve(ctx, i)
		if release(); ctx.Err() != nil {
			return
		}
		if e.clock.Now().Sub(began) > proven {
			clear(lost)
		}
		lost[i] = true
		next := e.candidates.next(i, excluded)
		e.candidates.failed(i, err, next, e.orLost(i, err, next))
		i, release = e.take(next, lost)
	}
}

// take reserves the place of a fallback; when there is none, that of the next. It
// returns -1 when nobody is left. The plan has reserved for the first one.
func (e *ear) take(i int, lost map[int]bool) (taken int, release func()) {
	for i >= 0 {
		r := e.recognisers[i]
		if r.Reserve == nil || i == 0 {
			break
		}
		release, err := r.Reserve()
		if err == nil {
			e.took(r)
			return i, release
		}
		lost[i] = true
		next := e.candidates.next(i, func(i int) bool { return lost[i] })
		e.candidates.failed(i, err, next, e.orLost(i, err, next))
		i = next
	}
	if i > 0 {
		e.took(e.recognisers[i])
	}
	return i, func() {}
}

// took tells the machine how fast the recogniser is that listens from now on.
func (e *ear) took(r Recogniser) {
	e.post(conversation.RecogniserReplaced{FinalWait: r.FinalWait, FirstTextWait: r.FirstTextWait})
}

// orLost is what the machine is told when nobody is left to listen.
func (e *ear) orLost(i int, err error, next int) conversation.Input {
	if next >= 0 {
		return nil
	}
	return conversation.RecogniserLost{Reason: e.candidates.reason(i, err)}
}

// serve keeps one recogniser open until there is no hope for it.
func (e *ear) serve(ctx context.Context, i int) error {
	losses, mutes := 0, 0
	for {
		served, err := e.listen(ctx, i)
		if ctx.Err() != nil {
			return err
		}
		if e.understood() || served > lossWindow {
			losses = 0
		}
		losses++
		most, more := lossesAllowed, i < len(e.recognisers)-1
		if more {
			most--
		}
		if mute := errors.Is(err, errMute); mute {
			mutes++
			err = e.candidates.fault(i, provider.Late, errMute.Error())
		}
		over := losses > most || mutes > 1 || more && (hopeless(err) || provider.KindOf(err) == provider.Late)
		if e.log != nil {
			e.log.Warn("recogniser failed", slog.Any("error", err), slog.Bool("again", !over))
		}
		if over {
			return err
		}
		e.candidates.failed(i, err, i, nil)
		e.clock.Sleep(reopenAfter, ctx.Done())
	}
}

// understood reports whether the last stream gave a text.
func (e *ear) understood() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.texts > e.had
}

// listen serves one stream until it fails, and returns for how long it was open.
func (e *ear) listen(ctx context.Context, i int) (served time.Duration, err error) {
	defer caught(e.log, "recogniser", &err)
	e.mu.Lock()
	e.had = e.texts
	e.mu.Unlock()
	asked := e.clock.Now()
	stream, err := e.recognisers[i].Driver.Open(e.candidates.metered(ctx, i), e.config)
	if err != nil {
		return 0, err
	}
	opened := e.clock.Now()
	e.candidates.asks(i)
	e.attach(i, stream, asked)
	defer func() {
		served = e.clock.Now().Sub(opened)
		e.detach()
		_ = stream.Close() // its error came through Events
	}()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	for ev, err := range stream.Events() {
		if err != nil {
			return 0, err
		}
		e.heard(i, ev)
	}
	if e.gaveUp() {
		return 0, errMute
	}
	return 0, e.candidates.fault(i, provider.Unreachable, "recogniser ended")
}

// detach leaves a stream.
func (e *ear) detach() {
	e.unwatch()
	e.mu.Lock()
	e.stream = nil
	e.mu.Unlock()
	e.miss()
}

// miss awaits a stream.
func (e *ear) miss() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = e.clock.AfterFunc(awayAfter, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.away != nil {
			e.told = true
			e.post(conversation.RecogniserAway{})
		}
	})
}

// unwatch awaits neither a text nor a stream any more.
func (e *ear) unwatch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watch != nil {
		e.watch()
		e.watch = nil
	}
	if e.away != nil {
		e.away()
		e.away = nil
	}
}

// gaveUp reports whether the stream was ended because it gave no text.
func (e *ear) gaveUp() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.deaf
	e.deaf = false
	return was
}

// attach makes stream the current one and plays it what it missed.
func (e *ear) attach(i int, stream transcriber.Stream, opened time.Time) {
	e.unwatch()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serving, e.opened = i, opened
	if e.told {
		e.told = false
		e.took(e.recognisers[i])
	}
	missed := e.tail.newest(int(audio.Samples(tailLength, e.rate)))
	if len(missed) > int(audio.Samples(quietTail, e.rate)) {
		e.pending = true // words may be in what is played again
	}
	e.fed, e.mute, e.deaf, e.owing = len(missed), 0, false, false
	if len(missed) > 0 {
		_ = stream.Write(audio.Frame{PCM: missed, Rate: e.rate})
	}
	if e.finalise {
		stream.Finalize()
	}
	e.stream = stream
}

// heard hands on what a recogniser says. Words of a stream that was given no sound to
// speak of are not the caller's.
func (e *ear) heard(i int, ev transcriber.Event) {
	if ev.Text = strings.TrimSpace(ev.Text); e.candidates.vendor(i) && !conversation.Speakable(ev.Text) {
		ev.Text = "" // marks are no words
	}
	if !e.note(i, ev) {
		return
	}
	switch ev.Kind {
	case transcriber.Partial:
		e.post(conversation.Heard{Text: ev.Text})
	case transcriber.Final:
		e.post(conversation.Heard{Text: ev.Text, Final: true, Flushed: ev.Flushed})
	case transcriber.SpeechStarted:
		e.post(conversation.SpeechStarted{})
	case transcriber.SpeechEnded:
		e.post(conversation.SpeechEnded{})
	case transcriber.EndOfTurn:
		e.post(conversation.TurnYielded{})
	case transcriber.EagerEndOfTurn:
		e.post(conversation.TurnEnding{})
	case transcriber.TurnResumed:
		e.post(conversation.TurnGoesOn{})
	case transcriber.Goodbye:
		e.post(conversation.CallerLeaves{})
	}
}

// late judges a recogniser by a text. One that is late again and again is as good as
// mute while there is another; without one it is only slow.
func (e *ear) late(i int) {
	if e.owing {
		e.owing = false
		e.candidates.failed(i, e.candidates.fault(i, provider.Late, "the text came late"), i, nil)
		if len(e.recognisers) > 1 {
			return
		}
	} else {
		e.candidates.worked(i, e.opened)
	}
	e.mute, e.suspect = 0, false
}

// note keeps what an event says about the stream; it reports whether the event
// is about the caller.
func (e *ear) note(i int, ev transcriber.Event) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fed < int(audio.Samples(shortestWord, e.rate)) && e.candidates.vendor(i) {
		return false
	}
	if ev.Text != "" {
		e.texts++
		e.lastText = e.clock.Now()
		e.late(i)
	}
	switch ev.Kind {
	case transcriber.Partial:
		e.pending = e.pending || ev.Text != ""
	case transcriber.Final:
		e.finalise = e.finalise && !ev.Flushed
		if ev.Text != "" || e.watch == nil && e.mute == 0 { // else another one may make text of it
			e.tail, e.pending = tail{}, false
		}
	}
	return true
}
