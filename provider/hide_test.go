package provider

import (
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/sidetone/sidetone"
)

// hyphened is a key with characters that addresses, JSON and pages write otherwise.
const hyphened sidetone.Secret = "sk-Qw/Er+TyUiOpAsDfGhJk-Lz.XcVb_nM=="

// sixOf is a run of six characters of a key that stands in a text; "" for none.
func sixOf(text string, key sidetone.Secret) string {
	for i := range len(key) - 5 {
		if part := key.Reveal()[i : i+6]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// Wherever a text is cut, nothing of a key that stands there is left.
func TestKeysAreHiddenAtEveryCut(t *testing.T) {
	t.Parallel()
	c := &Client{Vendor: "acme", Secrets: []sidetone.Secret{hyphened}}
	bounds := []int{60, 100, 123, 250, 300, messageLimit, 1024}
	for _, bound := range bounds {
		for offset := max(0, bound-len(hyphened)-8); offset < bound+8; offset++ {
			body := strings.Repeat(". ", 1024)[:offset] + hyphened.Reveal()
			for name, text := range map[string]string{
				"whole":       body,
				"cut":         body[:min(len(body), bound)],
				"continued":   body + strings.Repeat(" .", 400),
				"shortened":   body[:min(len(body), bound)] + "... is wrong",
				"in JSON":     `{"error":{"message":"` + body + `"}}`,
				"JSON, cut":   (`{"error":{"message":"` + body + `"}}`)[:min(len(body), bound)],
				"from behind": body + strings.Repeat(".", messageLimit/2-len(hyphened)/2),
			} {
				for _, err := range []error{c.Refusal(401, nil, []byte(text)), c.Fail(Broken, "%s", text), c.reach(fmt.Errorf("dial: %s", text))} {
					if part := sixOf(err.Error(), hyphened); part != "" {
						t.Fatalf("%s, bound %d, offset %d: %q is left in %s", name, bound, offset, part, err)
					}
				}
			}
		}
	}
}

// A vendor may repeat any piece of a key.
func TestPiecesOfKeysAreHidden(t *testing.T) {
	t.Parallel()
	c := &Client{Vendor: "acme", Secrets: []sidetone.Secret{hyphened}}
	key := hyphened.Reveal()
	for from := range len(key) - longFragment {
		for to := from + longFragment; to <= len(key); to++ {
			text := "the key that ends in " + key[from:to] + " is wrong"
			got := c.Refusal(401, nil, []byte(text)).Message
			if part := sixOf(got, hyphened); part != "" || !strings.HasPrefix(got, "the key that ends in *") || !strings.HasSuffix(got, "* is wrong") {
				t.Errorf("%q is left of %q in %q", part, key[from:to], got)
			}
		}
	}
	for _, before := range []string{"", "not valid: sk-...", "not valid: sk-…", "not valid: sk-****"} {
		for n := cutFragment; n < len(key); n++ {
			if got := c.Refusal(401, nil, []byte(before+key[len(key)-n:]+" is wrong")).Message; sixOf(got, hyphened) != "" {
				t.Errorf("of the last %d characters behind %q: %q", n, before, got)
			}
		}
	}
}

// Of an error's body errorLimit bytes are read.
func TestKeyWhereReadingEnds(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, strings.Repeat(".", errorLimit-20)+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	if _, err := client(server).Get(t.Context(), server.URL, nil); sixOf(err.Error(), canary) != "" || !strings.HasSuffix(err.Error(), "********") {
		t.Error(err)
	}
}

// A vendor may put a key into its own name of a request.
func TestNamesOfRequestsShowNoKey(t *testing.T) {
	t.Parallel()
	c := &Client{Vendor: "acme", Secrets: []sidetone.Secret{hyphened}}
	if got := c.Name("r1 " + hyphened.Reveal() + strings.Repeat(".", 200)); sixOf(got, hyphened) != "" || len([]rune(got)) != 100 {
		t.Error(got)
	}
}

// encodings are how a key may be written that somebody repeats.
func encodings(key string) map[string]string {
	every := func(form string) string {
		var b strings.Builder
		for _, c := range []byte(key) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
	out := map[string]string{
		"an address": url.QueryEscape(key), "a path": url.PathEscape(key), "an address, twice": url.QueryEscape(url.QueryEscape(key)), "every byte": every("%%%02x"),
		"one character only": strings.ReplaceAll(key, "-", "%2D"), "JSON": strings.ReplaceAll(key, "/", `\/`), "JSON of JSON": strings.ReplaceAll(key, "/", `\\\/`),
		"JSON's numbers": every(`\u%04x`), "JSON's numbers, twice": every(`\\u%04X`), "a page": strings.NewReplacer("+", "&#43;", "/", "&#x2F;", "=", "&#61;").Replace(key),
	}
	for _, before := range []string{"", "u", "u:", "Bearer "} {
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString([]byte(before + key + before))
			out["Base64 of "+before+" "+text] = text
			out["Base64 in an address of "+before+" "+text] = url.QueryEscape(text)
		}
	}
	return out
}

// decoded are the texts that somebody might read in what is left of an encoded key.
func decoded(text string) (out []string) {
	out = []string{text}
	if plain, err := url.QueryUnescape(text); err == nil {
		out = append(out, plain)
		if again, err := url.QueryUnescape(plain); err == nil {
			out = append(out, again)
		}
	}
	out = append(out, html.UnescapeString(text))
	for json, i := strings.ReplaceAll(text, `\/`, "/"), 0; i < 3; i++ {
		if plain, err := strconv.Unquote(`"` + json + `"`); err == nil {
			json = strings.ReplaceAll(plain, `\/`, "/")
			out = append(out, json)
		}
	}
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '*' || r == '"' || r == '…' }) {
		for shift := range min(4, len(run)) {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				plain, _ := e.DecodeString(strings.TrimRight(run[shift:], "="))
				out = append(out, string(plain))
			}
		}
	}
	return out
}

func TestEncodedKeysAreHidden(t *testing.T) {
	t.Parallel()
	c := &Client{Vendor: "acme", Secrets: []sidetone.Secret{hyphened}}
	for name, text := range encodings(hyphened.Reveal()) {
		for _, around := range []string{"%s", "you sent %s, which is wrong", strings.Repeat("-", 460) + "%s", `{"unknown":["%s"]}`} {
			for end := len(text); end > 0; end -= len(text) / 2 {
				said := fmt.Sprintf(around, text)
				if end < len(text) {
					said = said[:strings.Index(said, text)+end]
				}
				err := c.Refusal(401, nil, []byte(said))
				for _, left := range decoded(err.Message) {
					if part := sixOf(left, hyphened); part != "" {
						t.Errorf("%s: %q is left in %s", name, part, err.Message)
					}
				}
				if end == len(text) && strings.HasPrefix(around, "you") && (!strings.HasPrefix(err.Message, "you sent ") || !strings.HasSuffix(err.Message, ", which is wrong")) {
					t.Errorf("%s: more than the key is hidden in %s", name, err.Message)
				}
			}
		}
	}
}

func TestWhatIsNoKeyStays(t *testing.T) {
	t.Parallel()
	c := &Client{Vendor: "acme", Secrets: []sidetone.Secret{hyphened, "k", ""}}
	for _, text := range []string{"%", `\`, "&#", "sk-Qw, and nothing", "100 % of it", "model \"gpt\" not found: see https://acme.example/docs", "é % \\u00"} {
		if got := c.Refusal(404, nil, []byte(strings.ReplaceAll(text, "k", ""))).Message; got != strings.ReplaceAll(text, "k", "") {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// An address may have a token in its query: it is never told.
func TestQueriesOfAddressesAreNotTold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				_ = conn.Close(4000, "no: ws://"+r.Host+r.URL.String())
			}
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "no such thing: http://"+r.Host+r.URL.String()+" (really)")
	}))
	c := &Client{Vendor: "acme", HTTP: server.Client()}
	const query = "?token=hush&x=y"
	ws := "ws" + strings.TrimPrefix(server.URL, "http") + "/relay" + query
	_, err := c.Get(t.Context(), server.URL+"/v1"+query, nil)
	errs := []error{err}
	socket, err := c.Dial(t.Context(), ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = socket.Read(t.Context())
	socket.Close()
	errs = append(errs, err)
	server.Close()
	_, err = c.Get(t.Context(), server.URL+"/v1"+query, nil)
	errs = append(errs, err)
	_, err = c.Dial(t.Context(), ws, nil)
	errs = append(errs, err, c.Fail(Broken, "asked %q", ws), fmt.Errorf("x: %w", hidden{fmt.Errorf("asked %s", ws), nil}))
	for i, err := range errs {
		if text := fmt.Sprintf("%v", err); strings.Contains(text, "hush") || !strings.Contains(text, "://127.0.0.1") || strings.Contains(text, "?") {
			t.Errorf("%d: %s", i, text)
		}
	}
}
