package sip

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sidetone/sidetone/telephony"
)

const (
	// nameTime bounds the look-up of the names in a description.
	nameTime = 500 * time.Millisecond
	// maxParts and maxDepth bound a body of several parts.
	maxParts, maxDepth = 16, 3
)

// description reads the session description of a message; nil without one.
func (d *Driver) description(msg sip.Message) (*sdp, *fault) {
	body, f := sessionBody(headerValue(msg, "Content-Type"), msg.Body())
	if f != nil || body == nil {
		return nil, f
	}
	out, err := parseSDP(body)
	if err != nil {
		return nil, &fault{status: 400, reason: "Bad Request: session description"}
	}
	d.resolveNames(out)
	return out, nil
}

// agreed reads an answer to an offer of ours.
func (d *Driver) agreed(msg sip.Message, g guard) (*stream, error) {
	answer, f := d.description(msg)
	switch {
	case f != nil:
		return nil, f
	case answer == nil:
		return nil, errors.New("no session description in the answer")
	}
	return negotiate(answer, d.cfg.Codecs, g)
}

// sessionBody is the description in a body, which may have several parts
// (https://www.rfc-editor.org/rfc/rfc5621); nil when there is none. A body without
// a type counts as one when it begins like one.
func sessionBody(kind string, body []byte) ([]byte, *fault) {
	if len(body) == 0 {
		return nil, nil
	}
	found, _ := parts(kind, body, 0)
	switch {
	case found != nil:
		return found, nil
	case kind == "" && bytes.HasPrefix(bytes.TrimSpace(body), []byte("v=")):
		return body, nil
	case strings.HasPrefix(mediaType(kind), "multipart/"):
		return nil, nil
	}
	return nil, &fault{415, "Unsupported Media Type", []header{{"Accept", "application/sdp, multipart/mixed"}}}
}

// otherParts are those of a body of several that are no session description.
func otherParts(kind string, body []byte) []telephony.Part {
	if !strings.HasPrefix(mediaType(kind), "multipart/") {
		return nil
	}
	_, others := parts(kind, body, 0)
	return others
}

// parts takes a body apart: its first session description, and the rest.
func parts(kind string, body []byte, depth int) (session []byte, others []telephony.Part) {
	switch base := mediaType(kind); {
	case base == "application/sdp":
		return body, nil
	case !strings.HasPrefix(base, "multipart/") || depth == maxDepth:
		return nil, []telephony.Part{{Type: kind, Body: bytes.Clone(body)}}
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary(kind, body))
	for range maxParts {
		p, err := r.NextRawPart()
		if err != nil {
			break
		}
		content, err := io.ReadAll(p)
		if err != nil && len(content) == 0 {
			break
		}
		inner, more := parts(p.Header.Get("Content-Type"), content, depth+1)
		if session == nil {
			session = inner
		}
		others = append(others, more...)
	}
	return session, others
}

// mediaType is the type of a Content-Type header, in lower case.
func mediaType(kind string) string {
	base, _ := paramsOf(kind)
	main, sub, whole := strings.Cut(strings.ToLower(base), "/")
	if !whole {
		return main
	}
	return strings.TrimSpace(main) + "/" + strings.TrimSpace(sub)
}

// boundary is what separates the parts of a body: as its type says, else as the
// body begins.
func boundary(kind string, body []byte) string {
	_, params := paramsOf(kind)
	if text, _ := param(params, "boundary"); text != "" {
		return text
	}
	line, _, _ := strings.Cut(strings.TrimLeft(string(body), "\r\n"), "\n")
	return strings.TrimPrefix(strings.TrimSpace(line), "--")
}

// resolveNames gives sections that name a host its address, and takes away those that
// no socket of ours reaches.
func (d *Driver) resolveNames(s *sdp) {
	ctx, cancel := context.WithTimeout(context.Background(), nameTime)
	defer cancel()
	known := map[string]netip.Addr{}
	for i := range s.medias {
		m := &s.medias[i]
		if m.kind != "audio" || m.port == 0 {
			continue
		}
		if m.host != "" {
			addr, ok := known[m.host]
			if !ok {
				addr = d.reachable(ctx, m.host)
				known[m.host] = addr
			}
			m.addr = addr
		}
		if !d.ports.reaches(m.addr) {
			m.addr = netip.Addr{}
		}
	}
}

// reachable is the first address of a host that a socket of ours reaches.
func (d *Driver) reachable(ctx context.Context, host string) netip.Addr {
	found, err := d.cfg.Lookup(ctx, host)
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range found {
		if a = a.Unmap(); d.ports.reaches(a) && !a.IsUnspecified() {
			return a
		}
	}
	return netip.Addr{}
}
