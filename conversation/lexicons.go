package conversation

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// TablesVersion identifies the word lists and phrases of all languages: it changes with
// any of them.
func TablesVersion() string {
	h, lists := fnv.New64a(), lexicons()
	for _, language := range slices.Sorted(maps.Keys(lists)) {
		_, _ = fmt.Fprintf(h, "%s %q %q\n", language, lists[language](), PhrasesOf(language)) // a hash takes everything
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// lexiconOf returns the lists of a language; an unknown one gets the English.
func lexiconOf(language string) lexicon {
	if of, ok := lexicons()[mainPart(language)]; ok {
		return of()
	}
	return english()
}

// lexicons are the lists by language.
func lexicons() map[string]func() lexicon {
	return map[string]func() lexicon{"de": german, "en": english, "es": spanish, "fr": french, "hi": hindi, "id": indonesian,
		"it": italian, "ja": japanese, "ko": korean, "nl": dutch, "pt": portuguese}
}

// mainPart is the language of a tag without its country.
func mainPart(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}

func english() lexicon {
	return lexicon{
		hums: "mm|hm|hmm|mhm|mmhm|mm hm|mm hmm|mmm|uh|huh|uh huh|um|er|ah|aha|oh|eh",
		backchannels: "yeah|yep|yup|yes|ok|okay|right|sure|alright|all right|i see|got it|gotcha|" +
			"of course|go on|go ahead|makes sense|great|cool|good|nice|fine|really|wow|true|exactly|i know|thanks|thank you",
		stops: "stop|wait|hold on|hang on|no|nope|excuse me|one moment|one second|just a moment|just a second|" +
			"sorry|pardon|hello|listen|be quiet|shut up|never mind|actually",
		farewells: "bye|bye bye|goodbye|good bye|see you|see ya|take care|have a good day|have a nice day|" +
			"you too|talk to you later|cheers|thanks|thank you|thank you very much|thanks a lot|so much",
		hanging: "and|or|but|because|if|which|while|with|to|for|of|at|by|from|the|a|an|my|your|our|their|his|" +
			"i|we|um|uh|er|as|than",
		digits: "zero|oh|o|one|two|three|four|five|six|seven|eight|nine|double|triple|dash|dot|hundred|plus|hyphen|slash",
		dictated: "number|spell|spelling|e-mail|email|address|digits|code|postcode|zip|account|reference|" +
			"date of birth|birthday|serial|policy|card",
		abbreviations: "dr|mr|mrs|ms|prof|st|jr|sr|vs|etc|no|dept|approx|inc|ltd|co|e.g|i.e|a.m|p.m|u.s|u.k|mt|ave|rd|ext",

		denials: "not|never|nothing|none|nobody|cannot|unable|will|shall|would|can|could|may|might|must|to be|" +
			"almost|nearly|fully|if|when|once|until|unless|before|whether|as soon as|hardly|barely",
		wishes:  "want|wants|would like|i'd like|you'd like|need|needs",
		finites: "is|are|was|were|has|have|had|it's|that's|there's",
		links:   "be|been|being|is|are|was|were|it|that|this|it's|that's|there's|yet|already|now|actually|really|have|has|had|quite|officially|all|still",
		ifs:     "if|unless|until|till|before|whether",
		whens:   "once|when|as soon as",
		joints:  "and|but|so|because|then|or|once again|once more|now that|since|given that|seeing that|seeing as",
		askers:  "shall|should|would|will|do|does|did|is|are|was|were|have|has|had|can|could|may|might|must|am|what|which|when|where|who|how|why",
	}
}

func german() lexicon {
	return lexicon{
		hums:         "mm|hm|hmm|mhm|äh|ähm|ah|aha|oh",
		backchannels: "ja|jaja|genau|okay|ok|gut|stimmt|richtig|klar|verstehe|ach so|alles klar|danke",
		stops: "stopp|stop|halt|warten|warte|warten sie|moment|einen moment|nein|nee|entschuldigung|" +
			"hallo|bitte nicht|hören sie",
		farewells: "tschüss|tschüs|auf wiederhören|auf wiedersehen|ciao|danke|vielen dank|schönen tag|bis dann",
		hanging: "und|oder|aber|weil|dass|wenn|für|von|in|bei|der|die|das|eine|einen|mein|" +
			"meine|ich|wir|äh|ähm|als",
		digits:        "null|eins|ein|zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun|strich|punkt|doppel",
		dictated:      "nummer|telefonnummer|buchstabieren|e-mail|email|adresse|code|postleitzahl|geburtsdatum|kontonummer",
		abbreviations: "dr|hr|fr|z.b|d.h|usw|ca|nr|str|st|bzw|evtl|inkl|prof|tel",

		denials: "nicht|nichts|nie|niemals|kein|keine|keinen|keiner|keines|niemand|wird|werde|werden|würde|würden|kann|können|könnte|" +
			"könnten|soll|sollen|muss|müssen|müsste|möchte|möchten|darf|dürfen|wenn|falls|sobald|bevor|ob|fast|beinahe|kaum",
		links:  "noch|schon|jetzt|gleich|nun|es|das|ihn|sie|für|dann|bereits|ist|sind|wurde|worden|ihnen|dir|dich|fest|leider|bisher|heute|morgen|erst|bald",
		ifs:    "wenn|falls|sobald|bevor|ob|bis|sofern",
		joints: "und|aber|denn|also|oder|sondern|doch",
		askers: "soll|sollen|kann|können|könnte|könnten|möchten|möchte|wollen|will|haben|habe|hat|ist|sind|wird|werden|darf|dürfen|würden|wurde|was|wann|welche|welcher|welchen|wer|wie|wo|warum",
	}
}

func spanish() lexicon {
	return lexicon{
		hums:          "mm|hm|mhm|eh|ah|aja|ajá|oh",
		backchannels:  "sí|si|ok|okay|vale|bueno|claro|ya|entiendo|de acuerdo|perfecto|exacto|gracias",
		stops:         "alto|pare|para|espera|espere|un momento|no|perdón|disculpe|oiga|hola|basta",
		farewells:     "adiós|adios|hasta luego|chao|gracias|muchas gracias|buen día",
		hanging:       "y|o|pero|porque|que|si|con|a|para|de|en|por|el|la|los|las|un|una|mi|su|yo|eh",
		digits:        "cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|doble|guion|punto",
		dictated:      "número|numero|teléfono|deletrear|correo|dirección|código|fecha de nacimiento|cuenta",
		abbreviations: "sr|sra|srta|dr|dra|ud|uds|etc|núm|tel|avda|p.ej",

		denials: "no|nunca|nada|nadie|tampoco|será|serán|va a ser|van a ser|puede|pueden|podría|podrían|debe|si|cuando|hasta que|casi",
		links:   "ha|han|he|hemos|está|están|es|son|sido|ser|estar|quedar|todavía|aún|ya|lo|la|le|se|aun",
		ifs:     "si|cuando|hasta que|antes de que|en cuanto|una vez que",
		joints:  "y|e|pero|porque|o|así que|sino",
	}
}

func french() lexicon {
	return lexicon{
		hums:         "mm|hm|mhm|euh|ah|oh|hein",
		backchannels: "oui|ouais|ok|d'accord|okay|bien|bon|exact|voilà|je vois|très bien|merci",
		stops:        "stop|arrêtez|attendez|attends|un instant|un moment|non|pardon|excusez moi|allô",
		farewells:    "au revoir|salut|à bientôt|merci|merci beaucoup|bonne journée|adieu",
		hanging: "et|ou|mais|parce|que|qui|si|avec|à|pour|de|du|des|en|dans|sur|par|le|la|les|un|une|mon|ma|mes|" +
			"je|nous|euh|comme",
		digits:        "zéro|un|deux|trois|quatre|cinq|six|sept|huit|neuf|double|tiret|point",
		dictated:      "numéro|téléphone|épeler|e-mail|email|adresse|code|date de naissance|compte",
		abbreviations: "m|mme|mlle|dr|etc|tél|av|bd|st|ste",

		denials: "pas|jamais|rien|aucun|aucune|personne|sera|seront|serait|seraient|va être|vont être|peut|peuvent|pourrait|doit|si|quand|presque|" +
			"n'est pas|n'a pas|n'ai pas",
		links:  "a|ai|avons|est|sont|été|être|encore|déjà|bien|tout|à|fait|le|la|l'ai|l'a",
		ifs:    "si|quand|dès que|avant que|jusqu'à ce que|une fois que|lorsque",
		joints: "et|mais|car|ou|donc|parce que",
	}
}

func portuguese() lexicon {
	return lexicon{
		hums:         "mm|hm|hmm|mhm|uhum|aham|ah|eh",
		backchannels: "sim|é|tá|tá bom|está bem|está bom|ok|okay|certo|claro|isso|entendi|entendo|pois|pois é|exato|exatamente|perfeito|beleza|legal|verdade|obrigado|obrigada",
		stops: "pare|espera|espere|espera aí|peraí|um momento|um instante|um minuto|só um momento|só um minuto|não|desculpe|desculpa|" +
			"com licença|alô|escuta|escute|chega",
		farewells: "tchau|até logo|até mais|adeus|obrigado|obrigada|muito obrigado|muito obrigada|bom dia|boa tarde|boa noite",
		hanging:   "e|ou|mas|porque|que|se|com|a|para|pra|de|do|da|em|no|na|por|o|os|as|um|uma|meu|minha|seu|sua|eu|nós",
		digits:    "zero|um|uma|dois|duas|três|quatro|cinco|seis|meia|sete|oito|nove|traço|hífen|ponto",
		dictated:  "número|telefone|soletrar|e-mail|email|endereço|código|cep|cpf|data de nascimento|conta",

		abbreviations: "sr|sra|srta|dr|dra|prof|etc|av|tel|núm|ex",

		denials: "não|nunca|nada|ninguém|será|serão|vai ser|vão ser|pode|podem|poderia|deve|se|quando|quase",
		links:   "foi|foram|está|estão|é|são|sido|ser|ainda|já|o|a|lhe|tem|ter",
		ifs:     "se|quando|assim que|antes que|até que|logo que",
		joints:  "e|mas|porque|ou|então",
	}
}

func italian() lexicon {
	return lexicon{
		hums:         "mm|hm|mhm|eh|ah|oh|ehm|uhm",
		backchannels: "sì|si|ok|okay|va bene|bene|certo|esatto|capito|capisco|ho capito|giusto|d'accordo|perfetto|ottimo|vero|già|grazie",
		stops:        "stop|basta|aspetti|aspetta|un momento|un attimo|un secondo|no|scusi|scusa|mi scusi|pronto|senta|ascolti|fermo|si fermi",
		farewells:    "arrivederci|arrivederla|ciao|a presto|buona giornata|buonasera|buona serata|grazie|grazie mille|addio",
		hanging:      "e|o|ma|perché|che|se|con|a|per|di|del|della|in|nel|nella|su|da|il|lo|la|i|gli|le|un|una|mio|mia|io|ehm",
		digits:       "zero|uno|due|tre|quattro|cinque|sei|sette|otto|nove|doppio|trattino|punto|più",
		dictated:     "numero|telefono|sillabare|e-mail|email|indirizzo|codice|cap|codice fiscale|data di nascita|conto",

		abbreviations: "sig|sig.ra|dott|dott.ssa|prof|ecc|tel|avv|ing",

		denials: "non|mai|niente|nulla|nessuno|nessuna|sarà|saranno|sarebbe|può|possono|potrebbe|deve|se|quando|quasi",
		links:   "ho|ha|hanno|abbiamo|è|sono|stato|stata|stati|state|essere|ancora|già|l'ho|lo|la|viene",
		ifs:     "se|quando|appena|prima che|finché|una volta che",
		joints:  "e|ed|ma|perché|o|quindi",
	}
}

func dutch() lexicon {
	return lexicon{
		hums: "mm|hm|hmm|mhm|eh|uh|ah|aha|oh|ehm",
		backchannels: "ja|jaja|jawel|oké|oke|ok|okay|goed|prima|precies|klopt|juist|inderdaad|duidelijk|snap ik|ik snap het|begrepen|" +
			"natuurlijk|leuk|mooi|dank u|dank je|bedankt",
		stops:     "stop|wacht|wacht even|wachten|moment|momentje|een moment|ho|nee|sorry|pardon|hallo|luister",
		farewells: "dag|doei|tot ziens|tot horens|bedankt|dank u|dank je|dank u wel|dank je wel|fijne dag|prettige dag",
		hanging:   "en|of|maar|want|omdat|als|met|naar|voor|van|de|het|een|mijn|uw|ik|wij|we|uh|ehm",
		digits:    "nul|een|één|twee|drie|vier|vijf|zes|zeven|acht|negen|streepje|punt|dubbel",
		dictated:  "nummer|telefoonnummer|spellen|e-mail|email|adres|code|postcode|geboortedatum|rekening|rekeningnummer",

		abbreviations: "dhr|mevr|mw|dr|prof|bijv|enz|nr|tel|ca|d.w.z|a.u.b|i.v.m|o.a",

		denials: "niet|niets|nooit|geen|niemand|wordt|worden|zal|zullen|zou|zouden|kan|kunnen|moet|mag|als|wanneer|zodra|voordat|bijna",
		links:   "nog|al|nu|het|dat|is|zijn|was|werd|voor|u|je|reeds|straks|meteen",
		ifs:     "als|wanneer|zodra|voordat|tot|of|mits",
		joints:  "en|maar|want|dus",
	}
}

func indonesian() lexicon {
	return lexicon{
		hums: "mm|hm|hmm|eh|ah|oh|em",
		backchannels: "ya|iya|oke|ok|baik|baiklah|betul|benar|begitu|oh begitu|mengerti|saya mengerti|paham|siap|bagus|" +
			"terima kasih|makasih",
		stops:     "stop|berhenti|tunggu|tunggu sebentar|tunggu dulu|sebentar|tidak|bukan|maaf|permisi|halo|dengar|dengarkan|cukup",
		farewells: "dah|dadah|sampai jumpa|sampai nanti|selamat tinggal|terima kasih|terima kasih banyak|makasih|selamat siang|selamat malam",
		hanging:   "dan|atau|tapi|tetapi|karena|yang|kalau|jika|dengan|untuk|dari|ke|di|pada|seperti",
		digits:    "nol|kosong|satu|dua|tiga|empat|lima|enam|tujuh|delapan|sembilan|strip|titik|dobel",
		dictated:  "nomor|telepon|eja|mengeja|e-mail|email|surel|alamat|kode|kode pos|tanggal lahir|rekening",

		abbreviations: "dr|bpk|sdr|dll|dsb|no|jl|tlp|telp|drs|prof",

		denials: "belum|tidak|tak|bukan|akan|bisa|dapat|jika|kalau|setelah|sebelum|hampir|mau",
		links:   "juga|masih|sudah|telah|bisa|dapat|itu|ini",
		ifs:     "jika|kalau|setelah|sebelum|apabila|begitu",
		joints:  "dan|tapi|tetapi|karena|atau|jadi",
		askers:  "apakah|bolehkah|bisakah|maukah",
	}
}

func hindi() lexicon {
	return lexicon{
		hums:         "हम्म|हूँ|हूं|उम|ओह",
		backchannels: "हाँ|हां|जी|जी हाँ|जी हां|हाँ जी|हां जी|ठीक|ठीक है|अच्छा|सही|सही है|बिल्कुल|समझ गया|समझ गई|ओके|धन्यवाद|शुक्रिया",
		stops:        "रुको|रुकिए|रुकिये|ठहरिए|एक मिनट|एक सेकंड|नहीं|माफ़ कीजिए|माफ कीजिए|सुनिए|सुनिये|सुनो|हैलो|हेलो|बस",
		farewells:    "बाय|अलविदा|नमस्ते|फिर मिलेंगे|धन्यवाद|शुक्रिया|बहुत धन्यवाद|बहुत बहुत धन्यवाद",
		hanging:      "और|या|लेकिन|मगर|क्योंकि|कि|अगर|का|के|मेरा|मेरी|मेरे",
		digits:       "शून्य|ज़ीरो|जीरो|एक|दो|तीन|चार|पाँच|पांच|छह|छः|सात|आठ|नौ|डबल|डैश|डॉट",
		dictated:     "नंबर|नम्बर|फ़ोन|फोन|स्पेलिंग|ईमेल|पता|कोड|पिन|जन्मतिथि|खाता",

		abbreviations: "डॉ|श्री|प्रो",

		denials: "नहीं|नही|न|मत|अगर|यदि|जब|कभी नहीं",
		links:   "अभी|तक|भी|को",
		ifs:     "अगर|यदि|जब",
		joints:  "और|लेकिन|मगर|क्योंकि|या",
		askers:  "क्या",
	}
}

// japanese has phrases as they stand between marks; hanging ones are ends of words.
func japanese() lexicon {
	return lexicon{
		hums: "ん|んー|うーん|えっと|えーと|ええと|あー|えー|ふーん",
		backchannels: "はい|ええ|うん|うんうん|はいはい|そう|そうですか|そうですね|なるほど|分かりました|わかりました|はい分かりました|はいわかりました|" +
			"了解です|承知しました|オーケー|ok|いいですね|ありがとう|ありがとうございます",
		stops:     "待って|いいえ|いや|違います|違う|すみません|すいません|もしもし|止めて|やめて|ストップ|お待ちください",
		farewells: "さようなら|失礼します|失礼いたします|それでは|では|じゃあ|じゃあね|バイバイ|どうも|ありがとうございます|ありがとうございました",
		hanging:   "を|それと|それから|えっと|えーと|ええと",
		digits:    "ゼロ|れい|零|いち|に|さん|よん|ご|ろく|なな|しち|はち|きゅう|ハイフン|ドット",
		dictated:  "番号|綴り|メール|住所|コード|生年月日|口座",

		askEnds: "か|かな|かね",
	}
}

func korean() lexicon {
	return lexicon{
		hums:         "음|흠|어|아|으음|오",
		backchannels: "네|예|네네|응|그래요|그렇군요|그렇죠|맞아요|알겠습니다|알겠어요|좋아요|좋습니다|오케이|아 네|감사합니다|고맙습니다|고마워요",
		stops: "잠깐|잠깐만|잠깐만요|잠시만|잠시만요|기다려|기다려요|기다려 주세요|아니|아니요|아뇨|아니에요|죄송한데요|죄송합니다|실례합니다|" +
			"여보세요|그만|멈춰|스톱|저기요",
		farewells: "안녕히 계세요|안녕히 가세요|안녕|들어가세요|수고하세요|끊을게요|감사합니다|고맙습니다|네",
		hanging:   "그리고|또는|하지만|그런데|근데|왜냐하면|그래서|제|저희",
		digits:    "영|공|일|이|삼|사|오|육|칠|팔|구|하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉|다시|점|하이픈",
		dictated:  "번호|철자|이메일|주소|코드|생년월일|계좌",

		denials: "안|못|아직",
		askEnds: "까|까요|나요|가요|니까",
	}
}

// SpokenDigits returns which digit a word of a language stands for, in small letters.
func SpokenDigits(language string) map[string]rune {
	lists := map[string]string{
		"en": "zero oh o,one,two,three,four,five,six,seven,eight,nine",
		"de": "null,eins ein,zwei zwo,drei,vier,fünf,sechs,sieben,acht,neun",
		"es": "cero,uno,dos,tres,cuatro,cinco,seis,siete,ocho,nueve",
		"fr": "zéro,un,deux,trois,quatre,cinq,six,sept,huit,neuf",
		"pt": "zero,um uma,dois duas,três,quatro,cinco,seis meia,sete,oito,nove",
		"it": "zero,uno,due,tre,quattro,cinque,sei,sette,otto,nove",
		"nl": "nul,een één,twee,drie,vier,vijf,zes,zeven,acht,negen",
		"id": "nol kosong,satu,dua,tiga,empat,lima,enam,tujuh,delapan,sembilan",
		"hi": "शून्य ज़ीरो जीरो,एक,दो,तीन,चार,पाँच पांच,छह छः,सात,आठ,नौ",
		"ja": "ゼロ れい 零,いち,に,さん,よん,ご,ろく,なな しち,はち,きゅう",
		"ko": "영 공,일 하나,이 둘,삼 셋,사 넷,오 다섯,육 여섯,칠 일곱,팔 여덟,구 아홉",
	}
	list, ok := lists[mainPart(language)]
	if !ok {
		list = lists["en"]
	}
	out := map[string]rune{}
	for i, words := range strings.Split(list, ",") {
		for _, word := range strings.Fields(words) {
			out[word] = '0' + rune(i)
		}
	}
	return out
}

// DigitWords returns the spoken digits of a language, and the words that separate them.
func DigitWords(language string) []string { return slices.Collect(lexiconOf(language).digits.all()) }
