package conversation

import (
	"slices"
	"strings"
	"unicode"
)

// lexicon holds the word lists of one language. Phrases have their words
// separated by one space, in lower case.
type lexicon struct {
	// hums say nothing at all; backchannels also agree.
	hums, backchannels []string
	// stops always interrupt; farewells never delay the agent's hang-up.
	stops, farewells []string
	// hanging words hardly ever end a sentence. A word that may ("that",
	// "then") is not listed: it would cost every such sentence the long wait.
	hanging []string
	// digits are spoken digits and the words that separate them.
	digits []string
	// dictated are things that callers give digit by digit or letter by letter.
	dictated []string
	// abbreviations end in a full stop without ending a sentence.
	abbreviations []string
}

// lexiconOf returns the lists of a language; an unknown one gets the English.
func lexiconOf(language string) lexicon {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	switch base {
	case "de":
		return german()
	case "es":
		return spanish()
	case "fr":
		return french()
	default:
		return english()
	}
}

func english() lexicon {
	return lexicon{
		hums: list("mm|hm|hmm|mhm|mmhm|mm hm|mm hmm|mmm|uh|huh|uh huh|um|er|ah|aha|oh|eh"),
		backchannels: list("yeah|yep|yup|yes|ok|okay|right|sure|alright|all right|i see|got it|gotcha|" +
			"of course|go on|go ahead|makes sense|great|cool|good|nice|fine|really|wow|true|exactly|i know|thanks|thank you"),
		stops: list("stop|wait|hold on|hang on|no|nope|excuse me|one moment|one second|just a moment|just a second|" +
			"sorry|pardon|hello|listen|be quiet|shut up|never mind|actually"),
		farewells: list("bye|bye bye|goodbye|good bye|see you|see ya|take care|have a good day|have a nice day|" +
			"you too|talk to you later|cheers|thanks|thank you|thank you very much|thanks a lot|so much"),
		hanging: list("and|or|but|because|if|which|while|with|to|for|of|at|by|from|the|a|an|my|your|our|their|his|" +
			"i|we|um|uh|er|as|than"),
		digits: list("zero|oh|o|one|two|three|four|five|six|seven|eight|nine|double|triple|dash|dot|hundred|plus|hyphen|slash"),
		dictated: list("number|spell|spelling|e-mail|email|address|digits|code|postcode|zip|account|reference|" +
			"date of birth|birthday|serial|policy|card"),
		abbreviations: list("dr|mr|mrs|ms|prof|st|jr|sr|vs|etc|no|dept|approx|inc|ltd|co|e.g|i.e|a.m|p.m|u.s|u.k|mt|ave|rd|ext"),
	}
}

func german() lexicon {
	return lexicon{
		hums:         list("mm|hm|hmm|mhm|äh|ähm|ah|aha|oh"),
		backchannels: list("ja|jaja|genau|okay|ok|gut|stimmt|richtig|klar|verstehe|ach so|alles klar|danke"),
		stops: list("stopp|stop|halt|warten|warte|warten sie|moment|einen moment|nein|nee|entschuldigung|" +
			"hallo|bitte nicht|hören sie"),
		farewells: list("tschüss|tschüs|auf wiederhören|auf wiedersehen|ciao|danke|vielen dank|schönen tag|bis dann"),
		hanging: list("und|oder|aber|weil|dass|wenn|für|von|in|bei|der|die|das|eine|einen|mein|" +
			"meine|ich|wir|äh|ähm|als"),
		digits:        list("null|eins|ein|zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun|strich|punkt|doppel"),
		dictated:      list("nummer|telefonnummer|buchstabieren|e-mail|email|adresse|code|postleitzahl|geburtsdatum|kontonummer"),
		abbreviations: list("dr|hr|fr|z.b|d.h|usw|ca|nr|str|st|bzw|evtl|inkl|prof|tel"),
	}
}

func spanish() lexicon {
	return lexicon{
		hums:          list("mm|hm|mhm|eh|ah|aja|ajá|oh"),
		backchannels:  list("sí|si|ok|okay|vale|bueno|claro|ya|entiendo|de acuerdo|perfecto|exacto|gracias"),
		stops:         list("alto|pare|para|espera|espere|un momento|no|perdón|disculpe|oiga|hola|basta"),
		farewells:     list("adiós|adios|hasta luego|chao|gracias|muchas gracias|buen día"),
		hanging:       list("y|o|pero|porque|que|si|con|a|para|de|en|por|el|la|los|las|un|una|mi|su|yo|eh"),
		digits:        list("cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|doble|guion|punto"),
		dictated:      list("número|numero|teléfono|deletrear|correo|dirección|código|fecha de nacimiento|cuenta"),
		abbreviations: list("sr|sra|srta|dr|dra|ud|uds|etc|núm|tel|avda|p.ej"),
	}
}

func french() lexicon {
	return lexicon{
		hums:         list("mm|hm|mhm|euh|ah|oh|hein"),
		backchannels: list("oui|ouais|ok|d'accord|okay|bien|bon|exact|voilà|je vois|très bien|merci"),
		stops:        list("stop|arrêtez|attendez|attends|un instant|un moment|non|pardon|excusez moi|excusez-moi|allô"),
		farewells:    list("au revoir|salut|à bientôt|merci|merci beaucoup|bonne journée|adieu"),
		hanging: list("et|ou|mais|parce|que|qui|si|avec|à|pour|de|du|des|en|dans|sur|par|le|la|les|un|une|mon|ma|mes|" +
			"je|nous|euh|comme"),
		digits:        list("zéro|un|deux|trois|quatre|cinq|six|sept|huit|neuf|double|tiret|point"),
		dictated:      list("numéro|téléphone|épeler|e-mail|email|adresse|code|date de naissance|compte"),
		abbreviations: list("m|mme|mlle|dr|etc|tél|av|bd|st|ste"),
	}
}

func list(s string) []string { return strings.Split(s, "|") }

// wordsOf splits text into lower-case words without punctuation. A hyphen
// separates words, an apostrophe does not.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && !unicode.IsMark(r)
	})
}

// sameWords reports whether a and b differ in case and punctuation only.
func sameWords(a, b string) bool { return slices.Equal(wordsOf(a), wordsOf(b)) }

// madeOf reports whether words consist of nothing but phrases of the lists.
func madeOf(words []string, lists ...[]string) bool {
	for len(words) > 0 {
		n := longestPhrase(words, lists...)
		if n == 0 {
			return false
		}
		words = words[n:]
	}
	return true
}

// contains reports whether words contain a phrase of the list.
func contains(words []string, phrases []string) bool {
	for i := range words {
		if longestPhrase(words[i:], phrases) > 0 {
			return true
		}
	}
	return false
}

// longestPhrase returns how many leading words form a phrase of the lists.
func longestPhrase(words []string, lists ...[]string) int {
	for n := min(4, len(words)); n > 0; n-- {
		phrase := strings.Join(words[:n], " ")
		for _, l := range lists {
			if slices.Contains(l, phrase) {
				return n
			}
		}
	}
	return 0
}

// dictation counts the spoken digits and single letters that end words.
func (l *lexicon) dictation(words []string) int {
	count := 0
	for i := len(words) - 1; i >= 0; i-- {
		w := words[i]
		switch {
		case strings.IndexFunc(w, func(r rune) bool { return !unicode.IsDigit(r) }) < 0:
			count += len(w)
		case len([]rune(w)) == 1 || slices.Contains(l.digits, w):
			count++
		default:
			return count
		}
	}
	return count
}

// asksForDictation reports whether the agent's last sentence asks for something
// that is given digit by digit.
func (l *lexicon) asksForDictation(agent string) bool {
	return contains(wordsOf(agent), l.dictated) || strings.Contains(strings.ToLower(agent), "e-mail")
}

func joinWords(parts ...string) string {
	out := ""
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		if out != "" {
			out += " "
		}
		out += p
	}
	return out
}
