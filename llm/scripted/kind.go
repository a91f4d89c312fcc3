package scripted

import (
	"slices"
	"strconv"
	"strings"
)

// kind is what an ask expects.
type kind uint8

const (
	kindText kind = iota + 1
	kindName
	kindDay
	kindNumber
	kindYesNo
)

// kindNamed returns the kind that a playbook calls name.
func kindNamed(name string) (kind, bool) {
	switch strings.ToLower(strings.Join(strings.Fields(name), " ")) {
	case "text":
		return kindText, true
	case "name":
		return kindName, true
	case "day":
		return kindDay, true
	case "number":
		return kindNumber, true
	case "yes or no":
		return kindYesNo, true
	default:
		return 0, false
	}
}

// find looks for a value of the kind in what was said; "" when there is none.
// Text is never found: it is whatever the caller says when asked.
func (k kind) find(said []string) string {
	switch k {
	case kindName:
		return findName(said)
	case kindDay:
		return findDay(said)
	case kindNumber:
		return findNumber(said)
	case kindYesNo:
		return findYesNo(said)
	default:
		return ""
	}
}

// findName reads what follows "my name is" and the like, three words at most.
func findName(said []string) string {
	for _, lead := range [][]string{{"name", "is"}, {"name's"}, {"this", "is"}, {"i", "am"}, {"i'm"}, {"call", "me"}} {
		for i := 0; i+len(lead) < len(said); i++ {
			if slices.Equal(said[i:i+len(lead)], lead) {
				return asName(said[i+len(lead):])
			}
		}
	}
	return ""
}

// asName writes up to three words as a name.
func asName(said []string) string {
	var parts []string
	for _, word := range said {
		if slices.Contains([]string{"please", "and", "thanks", "thank", "i", "for"}, word) || len(parts) == 3 {
			break
		}
		parts = append(parts, title(word))
	}
	return strings.Join(parts, " ")
}

func title(word string) string {
	letters := []rune(word)
	if len(letters) == 0 {
		return ""
	}
	return strings.ToUpper(string(letters[:1])) + string(letters[1:])
}

// findDay reads a day of the week, today or tomorrow, and a part of the day.
func findDay(said []string) string {
	day, part := "", ""
	for _, word := range said {
		for _, name := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
			if day == "" && alike(name, word) > 0 {
				day = title(name)
			}
		}
		switch {
		case day == "" && (word == "today" || word == "tomorrow"):
			day = word
		case part == "" && (alike("morning", word) > 0 || alike("afternoon", word) > 0 || alike("evening", word) > 0):
			part = " " + word
		}
	}
	if day == "" {
		return ""
	}
	return day + part
}

// findNumber reads the first run of digits and number words: "five five two"
// is 552, "twenty five" is 25.
func findNumber(said []string) string {
	var digits strings.Builder
	tens := 0
	flush := func() {
		if tens > 0 {
			digits.WriteString(strconv.Itoa(tens))
			tens = 0
		}
	}
	for _, word := range said {
		value, ok := numberWord(word)
		switch {
		case !ok:
			if digits.Len() > 0 || tens > 0 {
				flush()
				return digits.String()
			}
		case value >= 20 && value%10 == 0 && len(word) > 2:
			flush()
			tens = value
		case tens > 0 && value > 0 && value < 10:
			tens += value
			flush()
		default:
			flush()
			digits.WriteString(numberText(word, value))
		}
	}
	flush()
	return digits.String()
}

// numberText keeps leading zeros of what was written in digits.
func numberText(word string, value int) string {
	if word[0] >= '0' && word[0] <= '9' {
		return word
	}
	return strconv.Itoa(value)
}

// numberWord returns the value of a number, at most 90 in words.
func numberWord(word string) (int, bool) {
	units := []string{
		"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
		"thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
	}
	if i := slices.Index(units, word); i >= 0 {
		return i, true
	}
	tens := []string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
	if i := slices.Index(tens, word); i >= 0 {
		return 20 + 10*i, true
	}
	if word == "oh" {
		return 0, true
	}
	value, err := strconv.Atoi(word)
	return value, err == nil && len(word) < 10 && word[0] >= '0' && word[0] <= '9'
}

// findYesNo returns "yes", "no" or "".
func findYesNo(said []string) string {
	for _, word := range said {
		switch word {
		case "no", "not", "nope", "wrong", "don't":
			return "no"
		case "yes", "yeah", "yep", "right", "correct", "sure", "ok", "okay", "please", "fine":
			return "yes"
		}
	}
	return ""
}
