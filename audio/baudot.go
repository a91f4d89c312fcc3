package audio

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The Baudot modem of North American TTYs (TIA/EIA-825-A): 45.45 baud, mark
// 1400 Hz, space 1800 Hz, one start bit, five data bits with the least
// significant first, two stop bits sent and one and a half demanded.
const (
	baudotMark      = 1400.0
	baudotSpace     = 1800.0
	baudotBitMicros = 22000 // one bit in microseconds, as TTYs send it
	baudotDataBits  = 5
	baudotStopBits  = 2
	baudotFigures   = 0x1b // shift to figures
	baudotLetters   = 0x1f // shift to letters
	baudotReshift   = 72   // a shift is repeated after so many characters
	baudotMarkMS    = 150  // mark before and after a transmission
	baudotLevel     = -16.0
)

// The two cases of the US TTY code, indexed by the five bits; NUL marks codes
// without a character.
const (
	baudotLetterCase = "\x00E\nA SIU\rDRJNFCKTZLWHYPQOBG\x00MXV\x00"
	baudotFigureCase = "\x003\n- \x0087\r$4',!:(5\")2=6019?+\x00./;\x00"
)

// BaudotText turns any text into the characters a TTY can send: capitals,
// digits and its few signs. Accents are dropped, signs it lacks are replaced by
// the nearest it has or by words, and runs of white space become one space.
// What has no equivalent is left out.
func BaudotText(text string) string {
	var out strings.Builder
	for _, r := range text {
		r = unicode.ToUpper(r)
		if r != '\n' && r != '+' && r != '=' && r < utf8.RuneSelf && canSend(byte(r)) {
			out.WriteRune(r)
			continue
		}
		out.WriteString(baudotSubstitute(r))
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// canSend says whether a character is in the US TTY code.
func canSend(c byte) bool {
	return c != 0 && (strings.IndexByte(baudotLetterCase, c) >= 0 || strings.IndexByte(baudotFigureCase, c) >= 0)
}

// baudotSubstitute returns what stands for a character the code lacks.
func baudotSubstitute(r rune) string {
	switch r {
	case '@':
		return " AT "
	case '&':
		return " AND "
	case '%':
		return " PERCENT "
	case '#':
		return " NUMBER "
	case '+': // modems disagree about its code, and about the next
		return " PLUS "
	case '=':
		return " EQUALS "
	case '€':
		return " EUR "
	case '£':
		return " GBP "
	case '*', '•':
		return " "
	case '[', '{', '<':
		return "("
	case ']', '}', '>':
		return ")"
	case '–', '—', '~':
		return "-"
	case '‘', '’', '`', '´':
		return "'"
	case '“', '”', '„', '«', '»':
		return "\""
	case '…':
		return "..."
	case '\\', '|':
		return "/"
	case '_', '^':
		return " "
	}
	if unicode.IsSpace(r) {
		return " "
	}
	return plainLetter(r)
}

// plainLetter drops the accent of a capital letter.
func plainLetter(r rune) string {
	switch r {
	case 'À', 'Á', 'Â', 'Ã', 'Ä', 'Å':
		return "A"
	case 'Æ':
		return "AE"
	case 'Ç':
		return "C"
	case 'È', 'É', 'Ê', 'Ë':
		return "E"
	case 'Ì', 'Í', 'Î', 'Ï':
		return "I"
	case 'Ñ':
		return "N"
	case 'Ò', 'Ó', 'Ô', 'Õ', 'Ö', 'Ø':
		return "O"
	case 'Œ':
		return "OE"
	case 'Ù', 'Ú', 'Û', 'Ü':
		return "U"
	case 'Ý', 'Ÿ':
		return "Y"
	case 'ß', 'ẞ':
		return "SS"
	}
	return ""
}

// baudotCode returns the five bits of a character and its case: figures, or
// letters. Characters of both cases (space, line ends) report either true.
func baudotCode(c byte) (code int, figures, either bool) {
	letter, figure := strings.IndexByte(baudotLetterCase, c), strings.IndexByte(baudotFigureCase, c)
	switch {
	case letter >= 0 && letter == figure:
		return letter, false, true
	case letter >= 0:
		return letter, false, false
	default:
		return figure, true, false
	}
}

// BaudotCharacter is a character of a Baudot signal and where it lies in it.
type BaudotCharacter struct {
	// Char is the character: a capital letter, digit, sign, space or line
	// feed.
	Char byte
	// Start is the position of the first sample of its start bit, or of the
	// shift before it.
	Start int64
	// End is the position one past its last sample.
	End int64
}

// BaudotModulator turns text into Baudot tones. It belongs to one goroutine.
type BaudotModulator struct {
	rate    int
	phase   oscillator
	pcm     []int16
	micros  int64 // media time of the end of pcm, in microseconds
	figures bool
	shifted bool // the case has been sent in this transmission
	since   int  // characters since it was
}

// NewBaudotModulator returns a modulator for PCM at rate hertz.
func NewBaudotModulator(rate int) *BaudotModulator {
	return &BaudotModulator{rate: rate, phase: newOscillator(baudotLevel)}
}

// Modulate returns the tones for one transmission of text, which is brought
// into the code by BaudotText first: 150 ms of mark, the characters, 150 ms of
// mark. Each transmission begins with its own shift. The characters' positions
// count from the first sample returned; both slices are the caller's. Text
// without a character to send gives neither; a space at its end is sent, so
// that the words of the next transmission do not run into its own.
func (m *BaudotModulator) Modulate(text string) ([]int16, []BaudotCharacter) {
	spaced := strings.HasSuffix(text, " ")
	text = BaudotText(text)
	if text == "" || m.rate <= 0 {
		return nil, nil
	}
	if spaced {
		text += " "
	}
	m.pcm, m.micros, m.shifted, m.since = nil, 0, false, 0
	characters := make([]BaudotCharacter, 0, len(text))
	m.tone(baudotMark, baudotMarkMS*1000)
	for i := range len(text) {
		start := int64(len(m.pcm))
		m.character(text[i])
		characters = append(characters, BaudotCharacter{Char: text[i], Start: start, End: int64(len(m.pcm))})
	}
	m.tone(baudotMark, baudotMarkMS*1000)
	return m.pcm, characters
}

// character sends one character, with a shift before it when the case changes,
// when it has not been said for long, and after a space, which some receivers
// take for a shift back to letters.
func (m *BaudotModulator) character(c byte) {
	code, figures, either := baudotCode(c)
	if !either && (!m.shifted || m.figures != figures || m.since >= baudotReshift) {
		shift := baudotLetters
		if figures {
			shift = baudotFigures
		}
		m.code(shift)
		m.figures, m.shifted, m.since = figures, true, 0
	}
	m.code(code)
	m.since++
	if c == ' ' && m.figures {
		m.shifted = false
	}
}

// code sends the bits of one code.
func (m *BaudotModulator) code(code int) {
	m.tone(baudotSpace, baudotBitMicros)
	for range baudotDataBits {
		freq := baudotSpace
		if code&1 == 1 {
			freq = baudotMark
		}
		m.tone(freq, baudotBitMicros)
		code >>= 1
	}
	m.tone(baudotMark, baudotStopBits*baudotBitMicros)
}

// tone appends a tone, keeping the phase of the last.
func (m *BaudotModulator) tone(freq float64, micros int64) {
	m.micros += micros
	for until := m.micros * int64(m.rate) / 1_000_000; int64(len(m.pcm)) < until; {
		m.pcm = append(m.pcm, m.phase.next(freq/float64(m.rate)))
	}
}
