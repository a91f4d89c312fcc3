package api

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestDocsPageNeedsNothingButThisServer(t *testing.T) {
	both(t, func(b *bench) {
		page := b.send("GET /docs", "", nil).want(200)
		if strings.Contains(string(page.raw), "://") {
			t.Error("the page refers to another server")
		}
		links := regexp.MustCompile(`(?:src|href)="(/docs/[^"]+)"`).FindAllSubmatch(page.raw, -1)
		if len(links) != 4 {
			t.Fatalf("the page names %d files", len(links))
		}
		for _, link := range links {
			name := string(link[1])
			plain := b.send("GET "+name, "", nil).want(200)
			packed := b.send("GET "+name, "", http.Header{"Accept-Encoding": {"gzip"}}).want(200)
			if packed.header.Get("Content-Encoding") == "gzip" {
				raw, err := unpack(packed.raw)
				if err != nil {
					t.Fatal(err)
				}
				packed.raw = raw
			}
			if len(plain.raw) < 300 || !bytes.Equal(plain.raw, packed.raw) {
				t.Errorf("%s has %d bytes, unpacked %d", name, len(plain.raw), len(packed.raw))
			}
			if kind := plain.header.Get("Content-Type"); strings.HasSuffix(name, ".js") && !strings.HasPrefix(kind, "text/javascript") {
				t.Errorf("%s is %s", name, kind)
			}
		}
	})
}

// There is no page at the root yet, so browsers are led to the document.
func TestRootLeadsToTheDocument(t *testing.T) {
	both(t, func(b *bench) {
		for _, method := range []string{"GET", "HEAD"} {
			if got := b.send(method+" /", "", nil).want(302).header.Get("Location"); got != "/docs" {
				t.Errorf("%s leads to %q", method, got)
			}
		}
		b.send("POST /", "{}", nil).want(404)
		b.send("GET /nothing", "", nil).want(404)
	})
}

func TestDocsPageKeepsItsPolicy(t *testing.T) {
	both(t, func(b *bench) {
		page := b.send("GET /docs", "", nil).want(200)
		policy := page.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy is %q", policy)
		}
		if found := regexp.MustCompile(`<script>|\son[a-z]+=|style=`).Find(page.raw); found != nil {
			t.Errorf("the page holds %s, which its policy forbids", found)
		}
	})
}

func TestDocsServesNoOtherFiles(t *testing.T) {
	both(t, func(b *bench) {
		for _, name := range []string{"oauth2-redirect.html", "embed.go", "swagger-ui-bundle.js.gz", "..%2Fserver.go", "%2e%2e"} {
			b.send("GET /docs/"+name, "", nil).want(404)
		}
	})
}
