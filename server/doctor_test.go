package server

import (
	"strings"
	"testing"
)

// TestDoctorSaysHowRecordingsAreAnswered has lame, a program that is missing,
// and none at all.
func TestDoctorSaysHowRecordingsAreAnswered(t *testing.T) {
	t.Parallel()
	for program, want := range map[string]string{
		"lame": "answered as MP3, made by ", "no-such-encoder": "answered as WAV: ", "": "answered as WAV: recordings.lame is empty",
	} {
		got := checkEncoder(program)
		missing := program == "no-such-encoder"
		if !strings.HasPrefix(got.Detail, want) || strings.Contains(got.Fix, "install lame") != missing || (program != "lame" && !got.Optional) {
			t.Errorf("%q: got %+v", program, got)
		}
	}
}
