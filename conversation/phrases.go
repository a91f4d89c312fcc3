package conversation

// Phrases are what the agent says without asking the model.
type Phrases struct {
	// Idle asks whether the caller is still there.
	Idle []string
	// Goodbye is said before the agent hangs up on its own account.
	Goodbye string
	// Repeat asks the caller to say it again.
	Repeat string
	// BadLine tells the caller that nobody listens at the moment.
	BadLine string
	// Filler tells the caller to wait for a reply that takes longer.
	Filler string
	// Apology is said when the agent cannot go on.
	Apology string
	// Lost is said when the call goes on after the server has died.
	Lost string
	// Unconfirmed is said instead of what the model claims to have been done and was not, for an
	// action without Action.Otherwise.
	Unconfirmed string
}

// PhrasesOf returns the phrases of a language, such as "de" or "pt-BR"; an unknown one
// gets the English.
func PhrasesOf(language string) Phrases {
	all := map[string]Phrases{
		"de": {[]string{"Sind Sie noch da?", "Hallo, können Sie mich hören?"}, "Auf Wiederhören.", "Entschuldigung, das habe ich nicht verstanden.",
			"Einen Moment bitte, die Verbindung ist schlecht.", "Einen Moment, bitte.", "Es tut mir leid, bei mir ist etwas schiefgegangen.",
			"Entschuldigung, ich war kurz weg.", "Dafür habe ich noch keine Bestätigung."},
		"es": {[]string{"¿Sigue ahí?", "Hola, ¿me oye?"}, "Adiós.", "Disculpe, no le he entendido.",
			"Un momento, no se oye bien la línea.", "Un momento, por favor.", "Lo siento, ha habido un problema por mi parte.",
			"Disculpe, se ha cortado un momento.", "Todavía no tengo la confirmación de eso."},
		"fr": {[]string{"Êtes-vous toujours là ?", "Allô, vous m'entendez ?"}, "Au revoir.", "Excusez-moi, je n'ai pas compris.",
			"Un instant, la ligne est mauvaise.", "Un instant, s'il vous plaît.", "Toutes mes excuses, un problème est survenu de mon côté.",
			"Excusez-moi, nous avons été coupés un instant.", "Je n'en ai pas encore la confirmation."},
		"hi": {[]string{"क्या आप अभी भी लाइन पर हैं?", "हैलो, क्या आपको मेरी आवाज़ आ रही है?"}, "नमस्ते।", "माफ़ कीजिए, आपकी बात समझ में नहीं आई।",
			"कृपया एक क्षण रुकिए, लाइन साफ़ नहीं है।", "कृपया एक क्षण रुकिए।", "माफ़ कीजिए, मेरी तरफ़ से कुछ गड़बड़ हो गई है।",
			"माफ़ कीजिए, एक क्षण के लिए संपर्क टूट गया था।", "मुझे अभी इसकी पुष्टि नहीं मिली है।"},
		"id": {[]string{"Apakah Anda masih di sana?", "Halo, apakah Anda bisa mendengar saya?"}, "Sampai jumpa.", "Maaf, saya kurang jelas mendengarnya.",
			"Mohon tunggu sebentar, sambungannya kurang baik.", "Mohon tunggu sebentar.", "Maaf, terjadi gangguan di pihak saya.",
			"Maaf, tadi sempat terputus sebentar.", "Saya belum mendapat konfirmasi untuk itu."},
		"it": {[]string{"È ancora in linea?", "Pronto, mi sente?"}, "Arrivederci.", "Mi scusi, non ho capito.",
			"Un momento, la linea è disturbata.", "Un momento, per favore.", "Mi dispiace, si è verificato un problema da parte mia.",
			"Mi scusi, la linea è caduta per un momento.", "Non ho ancora la conferma."},
		"ja": {[]string{"お電話はまだつながっていますか。", "もしもし、聞こえていますか。"}, "失礼いたします。", "恐れ入りますが、もう一度お願いいたします。",
			"少々お待ちください。お電話が少し遠いようです。", "少々お待ちください。", "申し訳ございません。こちらで問題が発生しました。",
			"申し訳ございません。一瞬お電話が途切れました。", "まだ確認が取れておりません。"},
		"ko": {[]string{"듣고 계신가요?", "여보세요, 제 말이 들리시나요?"}, "안녕히 계세요.", "죄송합니다. 잘 듣지 못했습니다. 다시 말씀해 주시겠어요?",
			"잠시만 기다려 주세요. 통화 상태가 좋지 않습니다.", "잠시만 기다려 주세요.", "죄송합니다. 저희 쪽에 문제가 발생했습니다.",
			"죄송합니다. 잠시 연결이 끊겼습니다.", "아직 확인되지 않았습니다."},
		"nl": {[]string{"Bent u er nog?", "Hallo, kunt u mij horen?"}, "Tot ziens.", "Sorry, dat heb ik niet verstaan.",
			"Een moment, de verbinding is slecht.", "Een moment, alstublieft.", "Het spijt me, er is bij mij iets misgegaan.",
			"Sorry, ik was u even kwijt.", "Daar heb ik nog geen bevestiging van."},
		"pt": {[]string{"Ainda está aí?", "Alô, está me ouvindo?"}, "Até logo.", "Desculpe, não entendi.",
			"Um momento, a ligação está ruim.", "Um momento, por favor.", "Desculpe, houve um problema do meu lado.",
			"Desculpe, a ligação caiu por um instante.", "Ainda não tenho a confirmação disso."},
	}
	if p, ok := all[mainPart(language)]; ok {
		return p
	}
	return Phrases{[]string{"Are you still there?", "Hello, can you hear me?"}, "Goodbye.", "Sorry, I didn't catch that.",
		"One moment, the line is bad.", "One moment, please.", "I'm sorry, something went wrong on my side.",
		"Sorry, I lost you for a moment.", "I have no confirmation of that yet."}
}

// orElse fills what p lacks.
func (p Phrases) orElse(other Phrases) Phrases {
	if len(p.Idle) == 0 {
		p.Idle = other.Idle
	}
	return Phrases{p.Idle, orDefault(p.Goodbye, other.Goodbye), orDefault(p.Repeat, other.Repeat), orDefault(p.BadLine, other.BadLine),
		orDefault(p.Filler, other.Filler), orDefault(p.Apology, other.Apology), orDefault(p.Lost, other.Lost),
		orDefault(p.Unconfirmed, other.Unconfirmed)}
}
