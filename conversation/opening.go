package conversation

// Opening follows the beginning of an answer up to the first words that can be said. It
// is the one rule of what makes text an answer: pictographs, marks and blanks do not,
// however much of them comes. The zero Opening is not usable.
type Opening struct{ split chunker }

// NewOpening returns one for an answer in a language. goesOn says that the answer
// continues another one, whose beginning was heard: it begins with a whole sentence.
func NewOpening(language string, goesOn bool) *Opening {
	return &Opening{chunker{abbreviations: lexiconOf(language).abbreviations, cut: goesOn}}
}

// Add takes more of the answer, and reports whether there is something to say now: a
// clause or a sentence that is complete. It is not called any more once there is.
func (o *Opening) Add(text string) bool { return len(o.split.push(text)) > 0 }

// Speakable reports whether there would be something to say if the answer ended here.
func (o *Opening) Speakable() bool { return Speakable(o.split.rest) }

// Speakable reports whether anything of a text can be said.
func Speakable(text string) bool { return spoken(text) != "" }
