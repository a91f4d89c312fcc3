// Package telephony is the contract between Sidetone and whatever carries a
// call: a SIP trunk, a carrier's media socket, a browser.
//
// A Driver brings legs. A Leg is one live call's media and signalling towards
// one party. The doc comments are the specification; telephonytest holds the
// conformance suite every driver passes.
package telephony

import (
	"context"
	"iter"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// Driver places and receives calls. Its methods may be called concurrently.
type Driver interface {
	// Dial places one call and returns when it was answered: the leg is then
	// ready for Events and Send, and Accept is not called on it. ringing is
	// called at most once, when the far end rings; it may be nil. A cancelled
	// ctx cancels the attempt at the far end before Dial returns. A refused or
	// failed attempt is a *DialError. One call of Dial attempts the far end at
	// most once. A driver that knows several ways to it may go on to the next one
	// when a way is dead or refuses all calls; it stays with the first one by which
	// the far end rings, and takes the call back from a way that it left as soon as
	// that shows a sign of life, so that no number rings by two ways for more than
	// 1 s. It has one outcome, and never begins again.
	Dial(ctx context.Context, req DialRequest, ringing func()) (Leg, error)
	// Serve receives calls until ctx ends and hands each to answer on a
	// goroutine of its own. It returns after every call of answer returned.
	// When answer returns without Accept or Hangup, the leg is refused with
	// CauseFailure.
	Serve(ctx context.Context, answer func(context.Context, Leg)) error
}

// DialRequest says whom to call, as whom, through what.
type DialRequest struct {
	// CallID is our id of the call, for logs and carrier-side correlation.
	CallID string
	// From and To are E.164 numbers with plus.
	From, To string
	// Ours is the number of ours that the call belongs to, E.164; empty: From.
	Ours string
	// Headers go with the call; see CheckHeaders.
	Headers map[string]string
	// Trunk names the configured trunk or carrier account. Empty: the
	// driver's local route (numbers registered with it).
	Trunk string
	// RingFor bounds the time until an answer; zero means 45 s.
	RingFor time.Duration
	// Early, when set, gets the sound that the far end sends before it answers
	// (ring-back tones, announcements): events of KindAudio with Early set, on a
	// goroutine of the driver's, and none after Dial returned. It must return soon,
	// for the answer waits for it, and must not wait for Dial. The sound is not the call's: Events does not yield it again. It is a
	// function of the request, and not events of the leg, because there is a leg only
	// when there is an answer; so nothing that reads Events, as a recording, can take
	// early media for the called party. Drivers without early media never call it.
	Early func(Event)
	// Redirect, when set, says whether the call may go on to another number that the
	// far end names in place of To, as the far end writes it, and which one that is in
	// E.164. Drivers ask it at most once, and only where the way of the call allows
	// redirections; a *DialError tells its error. Nil: the call goes nowhere else.
	Redirect func(ctx context.Context, number string) (e164 string, err error)
}

// Leg is one party's live connection. Accept, Send, Clear and Hangup may be
// called concurrently; Events is called once.
type Leg interface {
	// Info returns what is known of the call. Format may change after a
	// FormatChanged event; everything else is fixed.
	Info() Info
	// Accept answers an inbound call. It returns when the answer was handed to
	// the network; media may follow at once. Accept after the caller gave up
	// returns ErrGone. A second Accept is an error.
	Accept(ctx context.Context) error
	// Events yields what happens on the leg, in order, until the Ended event,
	// which is always the last, or until ctx ends or the loop is left. The
	// iteration runs the leg's receive loop on the caller's goroutine: a slow
	// body delays reception. Event.Audio.PCM is valid until the next event.
	// Before Accept it yields only Ended (the caller cancelled). While nothing
	// arrives (silence suppression, hold, loss of everything) an answered leg
	// goes on yielding Missing frames in real time.
	Events(ctx context.Context) iter.Seq[Event]
	// Send plays one frame of at most 60 ms at Info().Rate samples a second.
	// It never waits: a leg whose far end does not read drops the frame and
	// returns ErrSlow. The frame's samples may be reused on return. After the
	// leg ended Send returns ErrGone.
	Send(f audio.Frame) error
	// Clear drops what was sent and not yet played. It is a no-op for legs
	// without lead. Marks of dropped frames are not reported.
	Clear() error
	// Hangup ends the call with cause: before Accept it refuses with the
	// cause's status, after it hangs up. It is idempotent, returns at the
	// latest when ctx ends, and Events ends after it. It waits until the far end
	// has confirmed that the call is over; an error says why it has not, so far
	// (ErrUnconfirmed) or for good.
	Hangup(ctx context.Context, cause Cause) error
}

// Info describes a leg.
type Info struct {
	// ID is the carrier's id of the call (the SIP Call-ID).
	ID string
	// From and To are the caller's and called numbers as the carrier wrote
	// them; the application parses them. From is "anonymous" when the caller hides.
	From, To string
	// Trunk names the trunk the call came by; "" is the local (simulated) one.
	Trunk string
	// Source is the signalling peer's address, for logs.
	Source string
	// Codec is the audio codec's name: G722, PCMU, PCMA.
	Codec string
	// Rate is the sample rate of frames both ways: 8000 or 16000.
	Rate int
	// Lead is how much audio may be sent ahead of real time and still be
	// cleared: 0 on RTP, 200 ms on carrier sockets.
	Lead time.Duration
	// Heard is when the sound began that came before the far end's answer, up to 2 s,
	// and that Events delivers; zero: there was none.
	Heard time.Time
	// Headers are selected signalling headers in canonical spelling.
	Headers map[string]string
	// Variables are what the far end says in the headers that the trunk's settings
	// list, by the names that they give them; at most 1 KiB each.
	Variables map[string]string
	// Attestation is what the far end's carrier says about who vouches for From, by
	// header, and the parameter verstat. Nothing of it was checked here.
	Attestation map[string]string
	// Parts are the parts of the request's body besides the session description.
	Parts []Part
	// Signalling names the call's messages to a Watcher; "" when nobody sees them.
	Signalling string
	// Tries are the places where a call that was placed was tried; the last one is
	// where it was answered. Empty for drivers that know only one.
	Tries []Try
	// RedirectedTo is the number to which the far end redirected a call that was
	// placed, and that has answered; empty: it was not redirected.
	RedirectedTo string
}

// Part is a part of a body.
type Part struct {
	// Type is its Content-Type; Body its content as it came.
	Type string
	Body []byte
}

// EventKind says what an Event reports.
type EventKind uint8

// The kinds of events. KindAudio carries Audio; KindDigit carries Digit and
// Duration; KindPlayed carries Mark; KindEnded carries Cause and Err.
const (
	KindAudio EventKind = iota + 1
	KindDigit
	KindPlayed
	KindHeld
	KindResumed
	KindFormatChanged
	KindDialogChanged
	KindEnded
)

// Event is one thing that happened on a leg. It is a value so that the audio
// path allocates nothing.
type Event struct {
	Kind EventKind
	// Audio is the received frame in media order. Frames have no gaps: what was
	// lost, or not sent because it was silent, arrives as Missing frames. Their
	// samples mean nothing: conceal them before they are played.
	Audio audio.Frame
	// Arrived is the driver's monotonic receive time of the packet, zero for
	// Missing frames; only for measurement, never for placing audio.
	Arrived time.Time
	// Early says that the sound came before the call was answered, and not from who
	// answered it: DialRequest.Early gets it, Leg.Events never yields it.
	Early bool
	// Behind is how much later Audio.Offset is than the sender's own time has
	// it: silence was made up for a packet that came after all. Who need not
	// listen in real time, as a recorder, puts the sound back by that much.
	Behind time.Duration
	// Digit is one of 0-9 * # A-D.
	Digit rune
	// Duration is how long a digit was held, as far as the sender said.
	Duration time.Duration
	// Mark is the Frame.Mark that was played.
	Mark uint64
	// Cause tells why the call ended.
	Cause Cause
	// Remote says that the far end ended the call.
	Remote bool
	// Err is the technical reason behind KindEnded, may be nil.
	Err error
}

// DigitSender is implemented by legs that can send DTMF out of band.
type DigitSender interface {
	// SendDigits plays digits (0-9 * # A-D; w pauses 500 ms) and returns when
	// they were sent or ctx ended. Speech sent meanwhile is dropped.
	SendDigits(ctx context.Context, digits string) error
}

// Refuser is implemented by legs that can tell the caller why they refuse.
type Refuser interface {
	// Refuse is Hangup before Accept with words for people; after Accept it
	// hangs up with the cause.
	Refuse(ctx context.Context, r Refusal) error
}

// HeaderSetter is implemented by legs whose hang-up can carry headers.
type HeaderSetter interface {
	// SetHeaders sets what of Headers goes with our hang-up, see HangupHeader, in
	// place of what was set before and of the headers that the call was placed with.
	// Their way may add headers of its own. After the leg ended it changes nothing.
	// An error is that of CheckHeaders.
	SetHeaders(headers map[string]string) error
}

// Ringer is implemented by legs that can let the caller hear ringing. Legs
// also ring by themselves when neither Accept nor Hangup comes soon.
type Ringer interface {
	// Ring says that the call was admitted and rings. It may be called more
	// than once and never waits. After the caller gave up it is ErrGone.
	Ring(ctx context.Context) error
}

// Holder is implemented by legs that can put the far end on hold.
type Holder interface {
	// Hold puts the far end on hold (true) or takes it back, and returns when
	// the far end agreed or ctx ended.
	Hold(ctx context.Context, on bool) error
}

// Measured is implemented by legs that measure their line.
type Measured interface {
	// Quality tells how the line was so far; the figures are at most 5 s old while
	// the leg lives, and final once Events has ended.
	Quality() Quality
}

// Quality is how well sound went over a leg's line.
type Quality struct {
	// Near is what we received, Far what the far end says it received.
	Near, Far Reception
	// RoundTrip is the mean time to the far end and back; 0 when it is not known.
	RoundTrip time.Duration
}

// Reception is how one end received the other's sound; the zero one is not known.
type Reception struct {
	// Packets is how many were to come, Lost how many of them came too late or never.
	Packets, Lost uint64
	// Jitter is the mean, JitterMax the largest of the estimates of RFC 3550.
	Jitter, JitterMax time.Duration
	// MOS is what listeners would say, estimated, from 1 (bad) to 5.
	MOS float64
}

// Loss is the share of the packets that was lost, from 0 to 1.
func (r Reception) Loss() float64 { return float64(r.Lost) / float64(max(r.Packets, 1)) }

// DialogHolder is implemented by legs that can be hung up, and perhaps taken up, when
// the process that made them is gone.
type DialogHolder interface {
	// Dialog describes the leg, in a text of its driver's own, as far as hanging it up
	// takes, and, once it is answered, as far as Resumer takes where its driver is one;
	// "" when neither can be. It may hold the keys of the leg's sound: whoever keeps it
	// seals it, and nobody logs it. A KindDialogChanged event says that it is another
	// one, to be kept in place of the one before as soon as can be.
	Dialog() string
}

// DialogCloser is implemented by drivers whose legs are DialogHolders.
type DialogCloser interface {
	// CloseDialog hangs up a leg of a process that is gone and returns when the far
	// end has confirmed it or will not, at the latest when ctx ends. An error says
	// that it is not known whether the leg is closed.
	CloseDialog(ctx context.Context, dialog string) error
}

// Resumer is implemented by drivers that can take up a leg of a process that is gone.
type Resumer interface {
	// Resume takes up an answered leg from what DialogHolder.Dialog returned last: the same
	// addresses and ports, the stream with the same SSRC and later numbers. The leg is ready for Events and
	// Send; Accept is not called on it. An error says why it cannot be taken up; the far
	// end may still have the call (CloseDialog ends it).
	//
	// Events begins with KindHeld or KindResumed, as the far end has the call, and
	// KindDialogChanged, for a leg that was taken up has another text. Info is what it was
	// but for Parts. Quality tells of the line from then on. Legs are taken up
	// before Serve and Dial make new ones, which could have their ports.
	Resume(ctx context.Context, dialog string) (Leg, error)
}

// NumberShop is implemented by carriers that sell numbers.
type NumberShop interface {
	// Search lists up to limit numbers that can be bought now.
	Search(ctx context.Context, q NumberQuery) ([]AvailableNumber, error)
	// Buy takes one number. Buying a number that was taken is ErrTaken.
	Buy(ctx context.Context, number string) error
	// Release gives a number back; releasing one we do not own is no error.
	Release(ctx context.Context, number string) error
}

// NumberQuery narrows a search; zero fields do not.
type NumberQuery struct {
	// AreaCode is the digits after the country code (US: three).
	AreaCode string
	// Contains is a run of digits anywhere in the number.
	Contains string
	// Country is an ISO 3166 code such as US.
	Country string
	// Locality is a town, compared without case.
	Locality string
	// Number asks for exactly this number, E.164.
	Number string
	// Limit is the most numbers to return; 0 means 20.
	Limit int
}

// AvailableNumber is a number for sale.
type AvailableNumber struct {
	// Number is E.164 with plus.
	Number string
	// Locality and Country describe where it rings.
	Locality, Country string
}
