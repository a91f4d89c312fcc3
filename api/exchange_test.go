package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/api/dialect"
)

// TestExchanges replays what real clients send, byte for byte with their own
// headers, and compares the answers; testdata/exchanges/README.md describes the
// files. With UPDATE_GOLDEN=1 it writes the answers into them.
func TestExchanges(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", "*.http"))
	if err != nil || len(files) < 4 {
		t.Fatalf("only %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			both(t, func(b *bench) { replay(b, file) })
		})
	}
}

func replay(b *bench, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	p := &player{bench: b, ids: map[string]string{}}
	p.keyOf("vocode")
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n\n") {
		out = append(out, p.play(block))
	}
	got := strings.Join(out, "\n\n") + "\n"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(raw), got); diff != "" {
		b.t.Errorf("(-want +got)\n%s", diff)
	}
}

// player carries out the blocks of a file in order.
type player struct {
	*bench
	vocodeKey string
	// ids are the ids seen so far by the names they have in the file, and names
	// the other way round.
	ids     map[string]string
	seen    []string
	answers []any
}

// keyOf makes the key whose setting is the profile.
func (p *player) keyOf(profile string) {
	secret := sidetone.NewKey()
	err := p.store.InsertAPIKey(p.t.Context(), sidetone.APIKey{
		ID: sidetone.NewIDs(time.Now).New(), EnvironmentID: p.env.ID, Label: profile, Hint: secret.Hint(), Hash: secret.Hash(),
		Profile: profile, Scopes: sidetone.OperatorScopes(), Created: time.Now(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.vocodeKey = secret.Reveal()
}

// play carries one block out and returns it with the answer that came.
func (p *player) play(block string) string {
	var kept, request []string
	for line := range strings.SplitSeq(block, "\n") {
		switch {
		case strings.HasPrefix(line, "<"):
			continue
		case strings.HasPrefix(line, ">"):
			request = append(request, strings.TrimPrefix(strings.TrimPrefix(line, ">"), " "))
		case strings.HasPrefix(line, "! finish "):
			callTest{bench: p.bench}.finish(p.fill(strings.TrimPrefix(line, "! finish ")))
		}
		kept = append(kept, line)
	}
	if len(request) == 0 {
		return block
	}
	answer := p.exchange(request)
	for line := range strings.SplitSeq(strings.TrimSpace(answer), "\n") {
		kept = append(kept, strings.TrimRight("< "+line, " "))
	}
	return strings.Join(kept, "\n")
}

// exchange sends the lines as they are and describes the answer.
func (p *player) exchange(lines []string) string {
	p.t.Helper()
	head, body := lines, ""
	for i, line := range lines {
		if line == "" {
			head, body = lines[:i], p.fill(strings.Join(lines[i+1:], "\n"))
			break
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", p.fill(head[0]))
	for _, line := range head[1:] {
		b.WriteString(p.fill(line) + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return p.describe(head, p.send(b.Bytes()))
}

func (p *player) send(request []byte) *http.Response {
	p.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(request); err != nil {
		p.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

func (p *player) describe(head []string, res *http.Response) string {
	p.t.Helper()
	defer res.Body.Close()
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			p.t.Fatal(err)
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		p.t.Fatal(err)
	}
	first := fmt.Sprintf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	var value any
	if json.Unmarshal(raw, &value) != nil {
		p.answers = append(p.answers, nil)
		return first + "\n" + string(raw)
	}
	p.answers = append(p.answers, value)
	p.hold(head, res.StatusCode, value)
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		p.t.Fatal(err)
	}
	return first + "\n" + p.name(string(indented(p.t, timeless("", plain))))
}

// hold checks the answer of the request against the document.
func (p *player) hold(head []string, status int, value any) {
	method, target, _ := strings.Cut(head[0], " ")
	path, _, _ := strings.Cut(target, "?")
	header := http.Header{}
	for _, line := range head[1:] {
		name, text, _ := strings.Cut(line, ": ")
		header.Add(name, text)
	}
	who := sidetone.Principal{}
	if strings.Contains(header.Get("Authorization"), "{{vocode key}}") {
		who.Profile = "vocode"
	}
	chosen := dialect.Of(header, who.Profile)
	p.check(method, path, chosen, answer{t: p.t, status: status, value: value})
}

// fill puts real values in the place of {{key}}, {{vocode key}}, {{id n}} and
// {{answer n path}}.
func (p *player) fill(text string) string {
	text = strings.NewReplacer("{{key}}", p.key, "{{vocode key}}", p.vocodeKey).Replace(text)
	return regexp.MustCompile(`\{\{(\w+) (\d+) ?([\w.]*)\}\}`).ReplaceAllStringFunc(text, func(match string) string {
		parts := strings.Fields(strings.Trim(match, "{}"))
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			p.t.Fatal(err)
		}
		if parts[0] == "id" {
			return p.seen[n-1]
		}
		value := p.answers[n-1]
		for _, name := range parts[2:] {
			for member := range strings.SplitSeq(name, ".") {
				value = value.(map[string]any)[member]
			}
		}
		if s, isText := value.(string); isText {
			return s
		}
		raw, err := json.Marshal(value)
		if err != nil {
			p.t.Fatal(err)
		}
		return string(raw)
	})
}

// name gives ids the names under which a file can refer to them.
func (p *player) name(text string) string {
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	return id.ReplaceAllStringFunc(text, func(match string) string {
		if p.ids[match] == "" {
			p.seen = append(p.seen, match)
			p.ids[match] = fmt.Sprintf("{{id %d}}", len(p.seen))
		}
		return p.ids[match]
	})
}

// timeless replaces the times that differ from run to run by their form.
func timeless(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for member := range v {
			v[member] = timeless(member, v[member])
		}
	case []any:
		for i := range v {
			v[i] = timeless(name, v[i])
		}
	case float64:
		if momentary(name) && v != 1793527200 && v != 1793527260 {
			return "a number of seconds"
		}
	case string:
		switch {
		case !momentary(name) || strings.HasPrefix(v, "2026-11-01T10:0") || strings.HasPrefix(v, "17935272"):
		case strings.Contains(v, "T"):
			return "an ISO time"
		default:
			return "seconds as text"
		}
	}
	return value
}

func momentary(name string) bool {
	return name == "created_at" || name == "start_time" || name == "end_time"
}
