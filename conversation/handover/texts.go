package handover

import "strings"

// texts are what a person is told, and what they say to it, in one language.
type texts struct {
	onHold, callFrom, question, thanks, gone string
	yes, no                                  []string
}

// textsOf returns the texts of a language; an unknown one gets the English.
func textsOf(language string) texts {
	main, _, _ := strings.Cut(strings.ToLower(language), "-")
	if t, ok := allTexts()[main]; ok {
		return t
	}
	return allTexts()["en"]
}

func allTexts() map[string]texts {
	return map[string]texts{
		"en": {"A caller is on hold for you.", "The call is from %s.", "To take the call, press 1 or say yes. To decline, press 2 or say no.",
			"Thank you. Goodbye.", "The caller has hung up. Goodbye.",
			[]string{"yes", "yeah", "yep", "ok", "okay", "sure", "accept", "connect", "one"}, []string{"no", "nope", "not", "don't", "decline", "busy", "later", "two"}},
		"de": {"Ein Anrufer wartet auf Sie.", "Der Anruf kommt von %s.", "Um das Gespräch anzunehmen, drücken Sie die 1 oder sagen Sie ja. Um abzulehnen, drücken Sie die 2 oder sagen Sie nein.",
			"Danke. Auf Wiederhören.", "Der Anrufer hat aufgelegt. Auf Wiederhören.",
			[]string{"ja", "okay", "ok", "gerne", "annehmen", "verbinden", "eins"}, []string{"nein", "nicht", "ablehnen", "später", "zwei"}},
		"es": {"Tiene una llamada en espera.", "La llamada es de %s.", "Para aceptar la llamada, pulse 1 o diga sí. Para rechazarla, pulse 2 o diga no.",
			"Gracias. Adiós.", "La persona que llamaba ha colgado. Adiós.",
			[]string{"sí", "si", "vale", "acepto", "aceptar", "claro", "uno"}, []string{"no", "rechazar", "rechazo", "dos"}},
		"fr": {"Un appel est en attente pour vous.", "L'appel vient du %s.", "Pour prendre l'appel, appuyez sur 1 ou dites oui. Pour refuser, appuyez sur 2 ou dites non.",
			"Merci. Au revoir.", "La personne a raccroché. Au revoir.",
			[]string{"oui", "ouais", "accord", "accepte", "accepter", "un"}, []string{"non", "pas", "refuse", "refuser", "deux"}},
		"it": {"C'è una chiamata in attesa per lei.", "La chiamata è da %s.", "Per accettare, prema 1 o dica sì. Per rifiutare, prema 2 o dica no.",
			"Grazie. Arrivederci.", "Chi chiamava ha riattaccato. Arrivederci.",
			[]string{"sì", "si", "va", "accetto", "accettare", "certo", "uno"}, []string{"no", "non", "rifiuto", "rifiutare", "due"}},
		"nl": {"Er wacht een beller op u.", "Het gesprek komt van %s.", "Druk op 1 of zeg ja om het gesprek aan te nemen. Druk op 2 of zeg nee om te weigeren.",
			"Dank u. Tot ziens.", "De beller heeft opgehangen. Tot ziens.",
			[]string{"ja", "oké", "ok", "prima", "aannemen", "een", "één"}, []string{"nee", "niet", "weigeren", "twee"}},
		"pt": {"Há uma chamada em espera para si.", "A chamada é de %s.", "Para aceitar, prima 1 ou diga sim. Para recusar, prima 2 ou diga não.",
			"Obrigado. Até logo.", "A pessoa desligou. Até logo.",
			[]string{"sim", "aceito", "aceitar", "claro", "um"}, []string{"não", "nao", "recuso", "recusar", "dois"}},
		"id": {"Ada penelepon yang menunggu Anda.", "Panggilan dari %s.", "Untuk menerima, tekan 1 atau katakan ya. Untuk menolak, tekan 2 atau katakan tidak.",
			"Terima kasih. Sampai jumpa.", "Penelepon sudah menutup telepon. Sampai jumpa.",
			[]string{"ya", "iya", "baik", "oke", "terima", "satu"}, []string{"tidak", "tolak", "jangan", "dua"}},
		"hi": {"एक कॉलर आपके लिए लाइन पर है।", "कॉल %s से है।", "कॉल लेने के लिए 1 दबाएँ या हाँ कहें। मना करने के लिए 2 दबाएँ या नहीं कहें।",
			"धन्यवाद। नमस्ते।", "कॉलर ने फ़ोन रख दिया है। नमस्ते।",
			[]string{"हाँ", "हां", "जी", "ठीक", "एक"}, []string{"नहीं", "ना", "मत", "दो"}},
		"ja": {"お客様がお待ちです。", "%s からのお電話です。", "お受けになる場合は1を押すか「はい」とお答えください。お断りの場合は2を押すか「いいえ」とお答えください。",
			"ありがとうございました。失礼いたします。", "お客様はお電話をお切りになりました。失礼いたします。",
			[]string{"はい", "ええ", "うん", "お願いします"}, []string{"いいえ", "いや", "無理です"}},
		"ko": {"고객님이 기다리고 계십니다.", "%s 에서 온 전화입니다.", "전화를 받으시려면 1번을 누르거나 네라고 말씀해 주세요. 거절하시려면 2번을 누르거나 아니요라고 말씀해 주세요.",
			"감사합니다. 안녕히 계세요.", "고객님이 전화를 끊으셨습니다. 안녕히 계세요.",
			[]string{"네", "예", "응", "좋아요"}, []string{"아니요", "아니", "아뇨"}},
	}
}
