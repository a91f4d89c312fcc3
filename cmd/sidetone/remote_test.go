package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// say runs a command against a server that answers with body, and returns what
// was printed and what the server saw.
func say(t *testing.T, body string, args ...string) (code int, out, errs, seen string) {
	t.Helper()
	return sayBy(t, app{}, body, args...)
}

// sayBy is say with what a knows already.
func sayBy(t *testing.T, a app, body string, args ...string) (code int, out, errs, seen string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		seen += r.Method + " " + r.URL.String() + " " + b.String() + "\n"
		if strings.HasPrefix(body, "404") {
			w.WriteHeader(http.StatusNotFound)
			body = body[3:]
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	var o, e bytes.Buffer
	if !slices.Contains(args, "--url") {
		args = append(args, "--url", server.URL)
	}
	code = a.run(append(args, "--key", "sk_x"), &o, &e)
	return code, o.String(), e.String(), seen
}

func TestResourceCommands(t *testing.T) {
	t.Parallel()
	page := `{"items":[{"id":"a1","name":"Ann","language":"en","prompt":{"id":"p1","content":"x"}},{"id":"a2","name":"B\u001b[2J"}]}`
	for _, test := range []struct {
		args      string
		body      string
		out, seen string
	}{
		{"agents list --filter language=en --sort name --desc", page,
			"ID  KEY  NAME   LANGUAGE  PROMPT\na1  -    Ann    en        p1\na2  -    B [2J  -         -\n",
			`GET /v1/agents/list?filters=%7B%22language%22%3A%22en%22%7D&page=1&size=20&sort_column=name&sort_desc=true ` + "\n"},
		{"agents get a1", `{"name":"Ann","id":"a1","language":"en"}`, "id        a1\nname      Ann\nlanguage  en\n", "GET /v1/agents?id=a1 \n"},
		{"prompts create --set content=Hi --set tags=[\"a\"] -o json", `{"id":"p"}`, "{\n  \"id\": \"p\"\n}\n",
			`POST /v1/prompts/create {"content":"Hi","tags":["a"]}` + "\n"},
		{"agents update a1 --set prompt.content=Hi --set webhook=null", `{"id":"a1"}`, "id  a1\n",
			`POST /v1/agents/update?id=a1 {"prompt":{"content":"Hi"},"webhook":null}` + "\n"},
		{"voices delete v1", `{}`, "deleted v1\n", "DELETE /v1/voices/delete?id=v1 \n"},
		{"numbers buy --area-code 202", `{"number":"+1202"}`, "number  +1202\n", `POST /v1/numbers/buy {"area_code":"202"}` + "\n"},
		{"numbers detach +1202", `{"number":"+1202"}`, "number  +1202\n", "POST /v1/numbers/detach?phone_number=%2B1202 \n"},
		{"numbers available --contains 55", `{"items":[]}`, "NUMBER  LOCALITY  COUNTRY  TELEPHONY_PROVIDER\n",
			"GET /v1/numbers/available?filters=%7B%22contains%22%3A%2255%22%7D&limit=20 \n"},
		{"calls create --from +1 --to +2 --agent a", `{"id":"c"}`, "id  c\n",
			`POST /v1/calls/create {"agent":"a","from_number":"+1","to_number":"+2"}` + "\n"},
		{"calls end c", `{"id":"c"}`, "id  c\n", "POST /v1/calls/end?id=c \n"},
		{"calls end c --set headers_out.X-A=sold", `{"id":"c"}`, "id  c\n", "POST /v1/calls/end?id=c {\"headers_out\":{\"X-A\":\"sold\"}}\n"},
	} {
		code, out, errs, seen := say(t, test.body, strings.Fields(test.args)...)
		if code != 0 || out != test.out || seen != test.seen {
			t.Errorf("%s: exit %d %s\n%s%s", test.args, code, errs, cmp.Diff(test.out, out), cmp.Diff(test.seen, seen))
		}
	}
}

func TestResourceCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"agents get x":             "404: id names no agent",
		"agents update x":          "nothing to change",
		"agents update x --set =1": `--set must be name=value; number 1 is not`,
		"trunks create --set name=x --set password:hidden":      `--set must be name=value; number 2 is not`,
		"agents update x --set a=1 --set a.b=2":                 "--set a.b: a is no object",
		"agents update x --set lable=1":                         `--set lable: there is no such property; did you mean "label"?`,
		"agents create --set prompts.content=x":                 `--set prompts: there is no such property; did you mean "prompt"?`,
		"agents create --set prompt.contnt=x":                   `--set prompt.contnt: there is no such property; did you mean "content"?`,
		"agents create --set naem=x":                            `--set naem: there is no such property; did you mean "name"?`,
		"agents create --set voice.pich=1":                      `--set voice.pich: there is no such property; did you mean "pitch"?`,
		"numbers update +1 --set inbound_agent.prompt.contnt=x": `--set inbound_agent.prompt.contnt: there is no such property; did you mean "content"?`,
		"actions create --set config.own=1 --set zzz=1":         "--set zzz: there is no such property",
		"calls create --set context.own=1 --set zzz=1":          "--set zzz: there is no such property",
		"members create --set zzz=1":                            "--set zzz: there is no such property; there are name, role, subject",
		"numbers update +1 --set lable=x":                       `did you mean "label"?`,
		"calls create --set to_numbr=1":                         `did you mean "to_number"?`,
		"agents list --filter a=1 --filters {}":                 "--filter and --filters exclude each other",
		"agents list --filter language":                         `--filter "language" must be name=value`,
		"agents get":                                            "Run `sidetone agents get --help`",
		"agents list --bogus":                                   "Run `sidetone agents list --help`",
		"agentz":                                                "Run `sidetone --help`",
		"agents list -o xml":                                    "must be one of",
		"apply -f /nowhere.yaml":                                "no such file",
		"agents create --file /nowhere.yaml":                    "no such file",
		"agents get x --url ftp://127.0.0.1":                    "must be an address such as",
		"agents get x --url http://127.0.0.1:1":                 "is a server running at http://127.0.0.1:1?",
	} {
		code, _, errs, _ := say(t, `404{"message":"id names no agent"}`, strings.Fields(args)...)
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %s, want %s", args, code, errs, want)
		}
	}
}

func TestListFollowsCursors(t *testing.T) {
	t.Parallel()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		if r.URL.Query().Get("cursor") == "more" {
			_, _ = w.Write([]byte(`{"items":[{"id":"p2"}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"items":[{"id":"p1"}],"next_cursor":"more"}`))
	}))
	defer server.Close()
	var out, errs bytes.Buffer
	code := run([]string{"prompts", "list", "--all", "-o", "json", "--url", server.URL, "--key", "k"}, &out, &errs)
	if code != 0 || n != 2 || !strings.Contains(out.String(), "p1") || !strings.Contains(out.String(), "p2") {
		t.Errorf("exit %d after %d requests: %s%s", code, n, out.String(), errs.String())
	}
}

func TestBodyReadsFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte("name: Ann\nprompt:\n  content: |\n    Hi\n    there\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := body{File: path, Set: []string{"prompt.label=L", "n=1.5"}}.read(&app{}, "")
	want := object{"name": "Ann", "n": 1.5, "prompt": object{"content": "Hi\nthere\n", "label": "L"}}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFilesWithoutPropertiesTakeSet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "---\n", "# nothing yet\n", "{}"} {
		path := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := body{File: path, Set: []string{"name=Ann"}}.read(&app{}, "")
		if err != nil || !cmp.Equal(object{"name": "Ann"}, got) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

// What somebody else wrote into a resource cannot steer the terminal that shows
// it, in a table or as a difference.
func TestTextsOfOthersDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "a\\u001b[2J\\u009b2J\\u202etxt\\u0007\\r\\nb"
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte("kind: prompt\nkey: k\ncontent: |\n  b\n  c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"prompts", "list"}, {"prompts", "get", "p"}, {"drift", "-f", file}} {
		_, out, errs, _ := say(t, `{"id":"p","key":"k","content":"`+evil+`","items":[{"id":"p","key":"k","content":"`+evil+`"}]}`, args...)
		if !strings.Contains(out, "2J") || errs != "" {
			t.Errorf("%v shows %q and %q", args, out, errs)
		}
		if i := strings.IndexAny(out, "\x1b\u009b\u202e\a\r"); i >= 0 {
			t.Errorf("%v prints %q", args, out[i:min(len(out), i+10)])
		}
	}
}

// TestWordsOfVendorsDoNotSteerTheTerminal: what vendors and servers say is shown, and does
// nothing else.
func TestWordsOfVendorsDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "a\\u001b[2J\\u009b2J\\u202etxt\\u0007\\r\\nb"
	for _, c := range []struct{ args, answer string }{
		{"connections test c1", `{"ok":false,"checks":[{"part":"model","error":"` + evil + `"}]}`},
		{"connect ollama", `{"id":"c1` + evil + `","ok":false,"checks":[{"part":"model","error":"` + evil + `"}]}`},
		{"prompts get p", `404{"statusCode":404,"message":"` + evil + `"}`},
	} {
		_, out, errs, _ := say(t, c.answer, strings.Fields(c.args)...)
		all := out + errs
		if !strings.Contains(all, "2J") {
			t.Errorf("%s shows %q", c.args, all)
		}
		if i := strings.IndexAny(all, "\x1b\u009b\u202e\a\r"); i >= 0 {
			t.Errorf("%s prints %q", c.args, all[i:min(len(all), i+10)])
		}
	}
}

func FuzzSet(f *testing.F) {
	f.Add("a.b", "1", "a", "[1]")
	f.Add("a", "{}", "a.b.c", "x")
	f.Add("a", "null", "a.b", `{"c":1}`)
	f.Fuzz(func(t *testing.T, name, value, second, other string) {
		got, err := body{Set: []string{name + "=" + value, second + "=" + other}}.read(&app{}, "")
		if err != nil {
			return
		}
		if _, err := jsonText(got); err != nil {
			t.Fatalf("%v: %v", got, err)
		}
		at := any(got) // the second is there, wherever the dots lead
		name, _, _ = strings.Cut(second+"="+other, "=")
		for part := range strings.SplitSeq(name, ".") {
			o, ok := at.(object)
			if !ok {
				t.Fatalf("%q is not in %v", name, got)
			}
			at = o[part]
		}
	})
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"ag": "agents", "agents ap": "apply", "agents list --outp": "--output", "agents list -o ": "json table",
		"completion ": "bash fish zsh", "complet": "completion", "numbers ": "available buy cancel detach get link list update",
	} {
		if got := strings.Join(candidates(parser.Model.Node, strings.Split(words, " ")), " "); got != want {
			t.Errorf("%q becomes %q, want %q", words, got, want)
		}
	}
}

// TestDoubtfulEntries: the commands choose by what the list shows.
func TestDoubtfulEntries(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch filters := r.URL.Query().Get("filters"); {
		case r.URL.Path == "/v1/dnc_numbers/decide":
			_, _ = fmt.Fprintf(w, `{"id":"new","phoneNumber":%q,"certain":true}`, r.URL.Query().Get("id")+string(b))
		case filters == `{"certain":false}`:
			_, _ = io.WriteString(w, `{"items":[{"id":"a","phoneNumber":"+2025550142","alsoBlocks":["+12025550142"]},{"id":"b","phoneNumber":"+15"}]}`)
		case filters == `{"id":"a"}`:
			_, _ = io.WriteString(w, `{"items":[{"id":"a","phoneNumber":"+2025550142","alsoBlocks":["+12025550142"]}]}`)
		case filters == `{"id":"c"}`:
			_, _ = io.WriteString(w, `{"items":[{"id":"c","phoneNumber":"+2025550143","alsoBlocks":["+12025550143","+492025550143"]}]}`)
		default:
			_, _ = io.WriteString(w, `{"items":[]}`)
		}
	}))
	defer server.Close()
	for args, want := range map[string]string{
		"list": "+12025550142", "keep a": `a{"phoneNumber":"+2025550142"}`, "replace a": `a{"phoneNumber":"+12025550142"}`,
		"replace c --number +492025550143": `c{"phoneNumber":"+492025550143"}`,
		"replace c":                        "c also blocks +12025550143 and +492025550143: choose one with --number",
		"keep b":                           "b is no doubtful entry",
	} {
		var out, errs bytes.Buffer
		run(append(append([]string{"dnc", "doubtful"}, strings.Fields(args)...), "--url", server.URL, "--key", "k"), &out, &errs)
		if said := out.String() + errs.String(); !strings.Contains(said, want) || args == "list" && strings.Contains(said, "+15 ") {
			t.Errorf("%s: got %s", args, said)
		}
	}
}
