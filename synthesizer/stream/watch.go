package stream

import "time"

// watch ends an utterance whose sound comes too slowly: it runs while the vendor is
// waited for, and each piece of sound gives it the time for which that plays.
type watch struct {
	patience, left time.Duration
	since          time.Time
	timer          *time.Timer
}

func newWatch(patience time.Duration, late func()) *watch {
	return &watch{patience: patience, left: patience, since: time.Now(), timer: time.AfterFunc(patience, late)}
}

// pause stops the clock while the listener works.
func (w *watch) pause() {
	if w.timer.Stop() {
		w.left -= time.Since(w.since)
	}
}

// resume starts it again after so much sound.
func (w *watch) resume(sound time.Duration) {
	w.left = min(w.left+sound, 2*w.patience)
	w.since = time.Now()
	w.timer.Reset(max(w.left, 0))
}

func (w *watch) stop() { w.timer.Stop() }
