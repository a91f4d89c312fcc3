package call

import (
	"time"

	"github.com/sidetone/sidetone/audio"
	"github.com/sidetone/sidetone/conversation"
)

// detector turns a caller's sound into the edges of speech. It belongs to the
// leg's reader; reset may be called by anyone.
type detector struct {
	rate    int
	vad     *audio.VAD
	denoise *audio.Denoiser // nil: the detector hears the line as it is
	clean   []int16
	late    []int16 // clean, as it came
	sent    *monitor
	own     bool // the last frame held our own sound and nothing else
	speech  bool // a burst is under way
	resets  chan struct{}
	post    func(any)
}

func newDetector(rate int, suppressNoise bool, post func(any)) (*detector, error) {
	vad, err := audio.NewVAD(rate)
	if err != nil {
		return nil, err
	}
	d := &detector{rate: rate, vad: vad, sent: &monitor{}, resets: make(chan struct{}, 1), post: post}
	if suppressNoise {
		d.denoise = audio.NewDenoiser(rate)
	}
	return d, nil
}

// reset asks for a detector that has heard nothing yet.
func (d *detector) reset() {
	select {
	case d.resets <- struct{}{}:
	default:
	}
}

// hear takes one frame and posts the edges it holds.
func (d *detector) hear(f audio.Frame) {
	select {
	case <-d.resets:
		d.vad = d.vad.Renewed()
	default:
	}
	d.sent.tell(d.vad)
	e, lag := d.listen(f)
	d.own, d.speech = e.Own, e.Speech
	if e.Started {
		d.post(conversation.SpeechStarted{Ago: d.length(e.SinceStart + lag)})
	}
	if e.Ended {
		d.post(conversation.SpeechEnded{Ago: d.length(e.SinceVoiced + lag), Length: d.length(e.Burst)})
	}
}

// listen runs the detector and tells by how many samples what it heard lies
// further back than it believes: the denoiser's delay.
func (d *detector) listen(f audio.Frame) (e audio.VADEvent, lag int) {
	switch {
	case f.Missing:
		return d.vad.Skip(len(f.PCM)), 0
	case d.denoise == nil:
		return d.vad.Write(f.PCM), 0
	}
	d.clean = append(d.clean[:0], f.PCM...)
	if len(d.late) < len(d.clean) {
		d.late = make([]int16, len(d.clean))
	}
	late := d.late[:len(d.clean)]
	d.denoise.ProcessLate(d.clean, late)
	return d.vad.WriteDenoised(d.clean, late), d.denoise.Delay()
}

func (d *detector) length(samples int) time.Duration {
	return audio.Span(int64(max(0, samples)), d.rate)
}
