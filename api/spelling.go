package api

import (
	"net/http"
	"strings"
)

// spellings finds the path that a client means: a slash at its end and the case
// of its letters make no difference. What stands for a wildcard keeps its case.
type spellings struct {
	plain    map[string]string // paths without wildcards, by their lower case
	patterns [][]string        // the segments of the others
}

func newSpellings(paths []string) spellings {
	s := spellings{plain: map[string]string{}}
	for _, path := range paths {
		if strings.Contains(path, "{") {
			s.patterns = append(s.patterns, strings.Split(path, "/"))
		} else {
			s.plain[strings.ToLower(path)] = path
		}
	}
	return s
}

// correct gives next the path as the routes spell it, or as it came when it is
// none of theirs.
func (s spellings) correct(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := s.find(r.URL.Path); path != r.URL.Path {
			u := *r.URL
			u.Path, u.RawPath = path, ""
			corrected := *r
			corrected.URL = &u
			r = &corrected
		}
		next.ServeHTTP(w, r)
	})
}

// find returns path in the spelling of the routes; unknown ones unchanged.
func (s spellings) find(path string) string {
	bare := strings.TrimSuffix(path, "/")
	if found, ok := s.plain[strings.ToLower(bare)]; ok {
		return found
	}
	segments := strings.Split(bare, "/")
	for _, pattern := range s.patterns {
		if corrected, ok := respell(segments, pattern); ok {
			return corrected
		}
	}
	return path
}

// respell returns the path of segments as pattern spells it; false when it does
// not match.
func respell(segments, pattern []string) (string, bool) {
	if len(segments) != len(pattern) {
		return "", false
	}
	out := make([]string, len(pattern))
	for i, want := range pattern {
		switch {
		case strings.HasPrefix(want, "{"):
			out[i] = segments[i]
		case strings.EqualFold(segments[i], want):
			out[i] = want
		default:
			return "", false
		}
	}
	return strings.Join(out, "/"), true
}
