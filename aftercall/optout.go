package aftercall

import (
	"strings"
	"unicode"

	"github.com/sidetone/sidetone"
)

// OptsOut says whether the other party asked not to be called again in words that mean
// nothing else: no model is needed for them. It knows some of English, German, Spanish and
// French; false says nothing.
func OptsOut(language string, events []sidetone.Event) bool {
	main, _, _ := strings.Cut(strings.ToLower(language), "-")
	for _, e := range events {
		if e.Kind != sidetone.EventCaller {
			continue
		}
		said := " " + plain(e.Text) + " "
		for _, words := range optOuts()[main] {
			if strings.Contains(said, " "+words+" ") {
				return true
			}
		}
	}
	return false
}

// plain has the words of a text in lower case with single blanks between them, without
// marks; apostrophes join.
func plain(text string) string {
	text = strings.NewReplacer("'", "", "’", "").Replace(strings.ToLower(text))
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

// optOuts are the words, as plain writes them, by language. "Do not call me" alone is
// none of them: "do not call me before nine" wishes something else.
func optOuts() map[string][]string {
	return map[string][]string{
		"en": {"dont call me again", "do not call me again", "dont call me anymore", "dont call me any more", "do not call me anymore", "do not call me any more",
			"dont ever call me again", "never call me again", "dont call this number again", "do not call this number again", "stop calling me", "stop calling this number",
			"take me off your list", "take me off your calling list", "take me off your call list", "remove me from your list", "remove me from your calling list", "remove me from your call list",
			"remove my number from your list", "take my number off your list", "put me on your do not call list", "put my number on your do not call list", "add me to your do not call list"},
		"de": {"rufen sie mich nicht mehr an", "rufen sie mich nie wieder an", "rufen sie hier nicht mehr an", "rufen sie nie wieder an", "ruf mich nicht mehr an",
			"hören sie auf mich anzurufen", "ich möchte nicht mehr angerufen werden", "ich will nicht mehr angerufen werden", "streichen sie mich von ihrer liste", "nehmen sie mich von ihrer liste", "löschen sie meine nummer"},
		"es": {"no me llame más", "no me llamen más", "no me llames más", "no me vuelva a llamar", "no me vuelvan a llamar", "no me vuelvas a llamar", "deje de llamarme", "dejen de llamarme", "deja de llamarme",
			"no quiero que me llamen más", "bórreme de su lista", "quíteme de su lista", "sáqueme de su lista", "borre mi número"},
		"fr": {"ne mappelez plus", "ne me rappelez plus", "ne me rappelez jamais", "arrêtez de mappeler", "cessez de mappeler", "je ne veux plus être appelé", "je ne veux plus être appelée",
			"retirez moi de votre liste", "enlevez moi de votre liste", "supprimez mon numéro"},
	}
}
