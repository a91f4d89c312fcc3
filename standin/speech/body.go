package speech

import (
	"net/http"
	"time"

	"github.com/sidetone/sidetone/standin"
)

// Body answers a request over HTTP with the bytes of an utterance.
func Body(w http.ResponseWriter, r *standin.Request, s Sound, pace time.Duration) {
	flusher := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = flusher.Flush() // a client that left is found by the next write
	d := Delivery{Sound: s,
		Piece: func(_ int, sound []byte) error {
			if _, err := w.Write(sound); err != nil {
				return err
			}
			return flusher.Flush()
		},
		Close: func(int, string) { panic(http.ErrAbortHandler) },
		Heard: func(d time.Duration) bool {
			if d <= 0 {
				return false
			}
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return false
			case <-r.Context().Done():
				return true
			}
		}}
	_ = d.Run(r.Context(), r.Fault, pace) // a client that left needs none
}
