package stream

// Times are words with where they begin and end in the sound, in seconds, in the form
// that several vendors send.
type Times struct {
	Words []string  `json:"words"`
	Start []float64 `json:"start"`
	End   []float64 `json:"end"`
}

// Each hands on each word that has both times; t may be nil.
func (t *Times) Each(do func(word string, start, end float64)) {
	if t == nil {
		return
	}
	for i := range min(len(t.Words), len(t.Start), len(t.End)) {
		do(t.Words[i], t.Start[i], t.End[i])
	}
}
