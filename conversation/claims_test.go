package conversation

import (
	"strings"
	"testing"
)

// Sentences that claim something to have been done, and such that have the same words and do
// not.
func TestClaimed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		language, claims string
		yes, no          []string
	}{
		{"en", "booked|all set", []string{
			"I have booked it.", "Booked!", "It's booked.", "It’s booked for Friday, then.", "Your table has been booked for seven.",
			"I can confirm that your table is booked.", "It is booked, anything else?", "It is booked. Anything else?",
			"So it's booked and is there anything else?", "Not a problem, it is booked.", "You will be glad to hear that it is booked.",
			"No it is booked.", "I did not forget and booked it.", "Once again it is booked.", "If you like, it is booked.",
			"I managed to get it booked.", "You're all set.", "You are ALL SET, Mr. Miller!", "It's re-booked.", "It is boo\u00adked.",
			"It looks like it's booked.", "As soon as you called I booked it.", "It should be booked now.", "Before you ask, it is booked.",
			"Your table is booked is there anything else I can do?", "Is there anything else, now that it's booked?", "It's booked, right?",
			"Would you look at that, it's booked.", "Consider it booked.", "Booked — see you.", "What matters is it's booked.",
			"The table you want is booked.", "The slot you need has been booked.", "Everything you need is now booked.", "The table you'd like is booked.",
			"Is there anything else I can do for you now that your table is booked?", "Would you like a receipt now that it's booked?", "Shall I mail you, since it's booked?",
			"I will tell you: it's booked.", "It is not only booked but paid.", "Dr. Who is booked at 7.30 p.m. on Friday.",
		}, []string{
			"Shall I have it booked?", "Is it booked for 7:30?", "You want it booked for Friday?", "It is not booked yet.", "It isn't booked.",
			"It hasn’t been booked.", "It will be booked soon.", "It can be booked for Friday.", "I'll have it booked.", "Nothing has been booked.",
			"If your table is booked, you get a mail.", "Once it is booked, you get a mail.", "Do you want it booked or not?", "It has to be booked first.",
			"I need it booked.", "You would like that booked on Friday.", "I could not have it booked.", "I will book it.", "The facebooked page.", "We can be set for all.",
			"It is not yet booked, but I can do it.", "Once your table is booked, you get a mail.", "When is it booked?", "Isn't it booked?",
			"What time do you want it booked for?", "And for Friday, is it booked?", "Tables must be booked a day before.", "We are fully booked on Friday.",
		}},
		{"de", "gebucht", []string{
			"Ihr Tisch ist gebucht.", "Gebucht!", "Ich habe das für Sie gebucht.", "Kein Problem, ist gebucht.", "Ist gebucht, sonst noch etwas?",
		}, []string{
			"Der Tisch ist noch nicht gebucht.", "Das wird gleich gebucht.", "Sobald der Tisch gebucht ist, bekommen Sie eine Nachricht.",
			"Soll das gebucht werden?", "Ist das gebucht?", "Wann wird das gebucht?", "Ich habe noch nichts gebucht.", "Das kann nicht gebucht werden.",
		}},
		{"es", "reservada", []string{"La mesa está reservada."}, []string{"La mesa no está reservada.", "¿Está reservada la mesa?"}},
		{"fr", "réservée", []string{"La table est réservée."}, []string{"La table n'est pas réservée.", "La table est réservée ?"}},
		{"it", "prenotato", []string{"Ho prenotato il tavolo."}, []string{"Non ho ancora prenotato il tavolo."}},
		{"nl", "geboekt", []string{"De tafel is geboekt."}, []string{"De tafel is nog niet geboekt."}},
		{"pt", "reservada", []string{"A mesa está reservada."}, []string{"A mesa ainda não está reservada."}},
		{"id", "dipesan", []string{"Meja sudah dipesan."}, []string{"Meja belum dipesan.", "Apakah meja sudah dipesan?"}},
		{"hi", "बुक हो", []string{"टेबल बुक हो गई है।"}, []string{"क्या टेबल बुक हो गई?"}},
		{"ja", "予約しました", []string{"お席を予約しました。"}, []string{"予約しましたか。", "予約していません。"}},
		{"ko", "예약했습니다", []string{"테이블을 예약했습니다."}, []string{"테이블을 예약했습니까?", "예약하지 않았습니다."}},
	} {
		claims := claimsOf([]Action{{Name: "book", Claims: strings.Split(c.claims, "|")}})
		l := lexiconOf(c.language)
		for _, text := range c.yes {
			if len(l.claimed(text, 0, claims)) == 0 {
				t.Errorf("%s: %q claims nothing", c.language, text)
			}
		}
		for _, text := range c.no {
			if got := l.claimed(text, 0, claims); len(got) > 0 {
				t.Errorf("%s: %q claims %v", c.language, text, got)
			}
		}
	}
}

// Equal claims of several actions are one, that each of them proves.
func TestClaimsOf(t *testing.T) {
	t.Parallel()
	got := claimsOf([]Action{{Name: "book", Claims: []string{"Done", "booked", " "}}, {Name: "send", Claims: []string{"done!"}}})
	if len(got) != 2 || len(got[0].actions) != 2 || len(got[1].actions) != 1 {
		t.Errorf("claims: %+v", got)
	}
}

// The arguments of calls are the same however they are written.
func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1,"b":2}`, `{ "b": 2, "a" : 1 }`, true},
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"n":12345678901234567890}`, `{"n":12345678901234567891}`, false},
		{`{`, `{`, true},
		{`{} {}`, `{}`, false},
		{``, `{}`, true}, // a call without arguments
	} {
		if got := canonical(c.a) == canonical(c.b); got != c.same {
			t.Errorf("%s and %s: same %t", c.a, c.b, got)
		}
	}
}

func TestCompared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phrase, said string
		want         bool
	}{
		{"That's all, bye!", "Well — thats all. BYE now.", true},
		{"that’s all", "So that's all then.", true},
		{"good-bye", "Good bye!", true},
		{"", "Anything.", false},
		{"!?", "Anything.", false},
		{"please hold", "Please do hold.", false},
		{"少々お待ちください", "はい、少々お待ちください。", true},
	} {
		if got := isIn(compared(c.phrase), compared(c.said)); got != c.want {
			t.Errorf("%q in %q: %t", c.phrase, c.said, got)
		}
	}
}

// However a text is cut and whatever it is, reading claims from it does not fail.
func FuzzClaimed(f *testing.F) {
	f.Add("So it's booked, and – (if) you won't: booked?", 3)
	f.Fuzz(func(t *testing.T, text string, from int) {
		claims := claimsOf([]Action{{Name: "book", Claims: []string{"booked", "予約しました"}}})
		for _, of := range lexicons() {
			l := of()
			l.claimed(text, from, claims)
		}
		_ = canonical(text)
	})
}
