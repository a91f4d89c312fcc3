package loadgen

import (
	"math/rand/v2"
	"time"

	"github.com/sidetone/sidetone/audio"
)

// stage is where a conversation of the generator with an agent stands.
type stage int

const (
	// waiting until the agent has been quiet for long enough to speak.
	waiting stage = iota
	// speaking the burst that asks for an answer.
	speaking
	// listening for the answer's first sound.
	listening
	// answering: the agent speaks, we listen.
	answering
	// interrupting: we speak, or spoke, while the agent does.
	interrupting
)

// conversation speaks bursts, times the agent's answers and, if it interrupts,
// times how long the agent goes on.
type conversation struct {
	config Config
	sounds sounds
	random *rand.Rand
	rate   int
	// interrupts says that answers are interrupted; cough that silence after
	// the interruption is measured, not the time until it.
	interrupts, cough bool
	left              int

	stage    stage
	position int
	burst    utterance
	cursor   int // of the next sample of burst; before the burst negative
	speakAt  time.Duration
	// voicedFrom and voicedTo are places in the frame filled last of the
	// burst's first and last voiced sample, or -1.
	voicedFrom, voicedTo int

	spokeAt time.Duration // first voiced sample of the burst
	endedAt time.Duration // just after the last one; zero while it lasts
	sound   time.Duration // last packet with sound of the agent
	cutAt   time.Duration // when to interrupt
	hole    time.Duration // longest silence since the interruption
	ready   bool          // the greeting delay was set

	added, bargeIn, silence []time.Duration
	discarded, unanswered   int
	resumed                 int
}

// newConversation returns a conversation of turns turns.
func newConversation(c Config, s sounds, random *rand.Rand, turns int) *conversation {
	return &conversation{
		config: c, sounds: s, random: random, rate: c.Codec.rate(), left: turns,
		interrupts: c.Scenario == ScenarioBargeIn || c.Scenario == ScenarioCough,
		cough:      c.Scenario == ScenarioCough,
	}
}

// between returns a random duration.
func (v *conversation) between(from, to time.Duration) time.Duration {
	return from + time.Duration(v.random.Int64N(int64(to-from)))
}

func (v *conversation) fill(pcm []int16, now time.Duration) {
	mix(pcm, v.sounds.noise, v.position)
	v.position += len(pcm)
	v.voicedFrom, v.voicedTo = -1, -1
	v.advance(now)
	for i := range pcm {
		if v.cursor >= len(v.burst.pcm) {
			return
		}
		if v.cursor >= 0 {
			pcm[i] = int16(max(-32768, min(32767, int32(pcm[i])+int32(v.burst.pcm[v.cursor]))))
		}
		if v.cursor == v.burst.from {
			v.voicedFrom = i
		}
		if v.cursor >= v.burst.from && v.cursor < v.burst.to {
			v.voicedTo = i
		}
		v.cursor++
	}
}

// advance moves to the next stage when its time has come.
func (v *conversation) advance(now time.Duration) {
	quiet := now-v.sound >= v.config.Quiet
	switch v.stage {
	case waiting:
		if !v.ready {
			v.ready = true
			v.speakAt = now + v.config.Greeting
		}
		if quiet && now >= v.speakAt && v.left > 0 {
			v.say(speaking)
		}
	case listening:
		if now-v.endedAt > v.config.AnswerWithin {
			v.unanswered++
			v.next(now)
		}
	case answering:
		if quiet {
			if v.interrupts {
				v.discarded++ // It ended before it could be interrupted.
			}
			v.next(now)
		} else if v.interrupts && now >= v.cutAt {
			v.hole = 0
			v.say(interrupting)
		}
	case interrupting:
		v.judgeInterruption(now)
	}
}

// say begins a burst at a random place in the frame.
func (v *conversation) say(as stage) {
	v.stage = as
	v.burst = v.sounds.bursts[v.random.IntN(len(v.sounds.bursts))]
	v.cursor = -v.random.IntN(v.rate / int(time.Second/framePeriod))
	v.spokeAt, v.endedAt = 0, 0
}

// next counts the turn and waits for a moment before another.
func (v *conversation) next(now time.Duration) {
	v.left--
	v.stage = waiting
	v.speakAt = now + v.between(v.config.Quiet/4, v.config.Quiet*3/4)
}

func (v *conversation) sent(at time.Duration) {
	// A packet leaves when its last sample was taken: the first voiced one was
	// taken earlier by itself and the samples after it, the last voiced one by
	// the samples after it.
	frame := v.config.Codec.frame()
	if v.voicedFrom >= 0 {
		v.spokeAt = at - audio.Span(int64(frame-v.voicedFrom), v.rate)
	}
	if v.voicedTo < 0 || v.cursor < v.burst.to || v.endedAt != 0 {
		return
	}
	v.endedAt = at - audio.Span(int64(frame-1-v.voicedTo), v.rate)
	if v.stage == speaking {
		v.stage = listening
	}
}

func (v *conversation) heard(pcm []int16, at time.Duration) {
	first := firstAudible(pcm)
	if first < 0 {
		return
	}
	last := v.sound
	v.sound = at
	switch v.stage {
	case speaking:
		// The agent speaks into our burst: this turn measures nothing.
		v.discarded++
		v.burst = utterance{}
		v.next(at)
	case listening:
		start := at + audio.Span(int64(first), v.rate)
		v.added = append(v.added, start-v.endedAt-v.config.Wait-v.config.StubDelay)
		v.stage = answering
		v.cutAt = at + v.between(600*time.Millisecond, 1500*time.Millisecond)
		if !v.interrupts {
			return
		}
	case interrupting:
		if v.spokeAt != 0 && last != 0 {
			v.hole = max(v.hole, at-last)
		}
		if v.spokeAt != 0 && !v.cough && at-last >= v.config.Quiet {
			v.stopped(last)
			v.resumed++
			v.burst = utterance{}
			v.next(at)
		}
	}
}

// judgeInterruption ends an interruption once the agent has been quiet, or, for
// a cough, once it has spoken on.
func (v *conversation) judgeInterruption(now time.Duration) {
	if v.spokeAt == 0 {
		return
	}
	if !v.cough {
		if now-max(v.sound, v.spokeAt) >= v.config.Quiet && v.endedAt != 0 {
			v.stopped(v.sound)
			v.left--
			v.stage = listening // What interrupted it will be answered.
			if v.left <= 0 {
				v.stage = waiting
			}
		}
		return
	}
	if now-v.spokeAt < coughPatience {
		return
	}
	spoken := now-v.sound < v.config.Quiet
	v.next(now)
	if spoken {
		v.silence = append(v.silence, v.hole)
		return
	}
	v.discarded++ // It ended, or it took the cough for a turn and will answer.
	v.speakAt = now + coughPatience
}

// coughPatience is how long after a cough the agent's silence is measured.
const coughPatience = 2500 * time.Millisecond

// stopped records that the agent's last packet with sound came at last.
func (v *conversation) stopped(last time.Duration) {
	if last <= v.spokeAt {
		v.discarded++ // It had ended by itself.
		return
	}
	v.bargeIn = append(v.bargeIn, last-v.spokeAt)
}

func (v *conversation) done() bool { return v.left <= 0 && v.stage == waiting }

func (v *conversation) report(all *tally) {
	all.added = append(all.added, v.added...)
	all.bargeIn = append(all.bargeIn, v.bargeIn...)
	all.silence = append(all.silence, v.silence...)
	all.discarded += v.discarded
	all.unanswered += v.unanswered
	all.resumed += v.resumed
}
