package server

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/transcriber"
)

// TestSlotsAreShared takes places for calls like "a>", which environment a
// placed, and ">a", which came in for it.
func TestSlotsAreShared(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		free      int
		ask, want string // a plus for each call that gets a place
	}{
		"a campaign leaves others half":         {4, "a> a> a> a> b> >c >c", "++--++-"},
		"each takes no more than it leaves":     {8, "a> a> a> a> a> b> b> b> c> d> >e >f", "++++-++-++--"},
		"of three":                              {3, "a> a> a> b> >c", "++-+-"},
		"of two":                                {2, "a> a> b> >c", "+-+-"},
		"one is not shared":                     {1, "a> b> >c", "+--"},
		"none":                                  {0, "a> >a", "--"},
		"what comes in takes what is free":      {3, ">a >a >a >a", "+++-"},
		"what came in is not counted as placed": {4, ">a >a a> a>", "+++-"},
	} {
		s := newSlots(c.free, func() {})
		got := ""
		for i, ask := range strings.Fields(c.ask) {
			_, ok := s.take(strconv.Itoa(i), strings.Trim(ask, ">"), strings.HasSuffix(ask, ">"))
			got += map[bool]string{true: "+", false: "-"}[ok]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSlotsAreGivenBackOnce(t *testing.T) {
	t.Parallel()
	freed := 0
	s := newSlots(2, func() { freed++ })
	for range 3 {
		var releases []func()
		for i, placed := range []bool{true, false} {
			release, ok := s.take(strconv.Itoa(i), "a", placed)
			if !ok {
				t.Fatal("no place")
			}
			releases = append(releases, release)
		}
		for _, release := range releases {
			release()
			release()
		}
	}
	if freed != 6 || s.free != 2 || len(s.placed) != 0 {
		t.Errorf("%d were given back; %d are free, %v placed", freed, s.free, s.placed)
	}
}

// A call that is planned again, because its line is not what was expected, keeps its
// place although others wait for one.
func TestACallSharesItsPlaceWithItself(t *testing.T) {
	t.Parallel()
	freed := 0
	s := newSlots(1, func() { freed++ })
	first, ok := s.take("call", "a", true)
	if !ok {
		t.Fatal("no place")
	}
	again, ok := s.take("call", "a", true)
	if !ok {
		t.Fatal("the call does not keep its place")
	}
	first()
	first()
	if _, ok := s.take("other", "a", false); ok || freed != 0 {
		t.Errorf("another call got the place; %d were given back", freed)
	}
	again()
	if _, ok := s.take("other", "a", false); !ok || freed != 1 {
		t.Errorf("the place is not free; %d were given back", freed)
	}
}

func TestPlacedCallsLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	p := testProviders(Defaults())
	plan := func(environmentID string, outgoing bool) error {
		c := planned(sidetone.Agent{}, sidetone.Voice{})
		c.EnvironmentID, c.Outgoing = environmentID, outgoing
		_, err := p.Plan(t.Context(), c, 16000)
		return err
	}
	for range 40 {
		if err := plan("busy", true); err != nil && !errors.Is(err, transcriber.ErrBusy) {
			t.Fatal(err)
		}
	}
	if err := plan("single", true); err != nil {
		t.Errorf("another environment's single call: %v", err)
	}
	if err := plan("called", false); err != nil {
		t.Errorf("a call that comes in: %v", err)
	}
}
