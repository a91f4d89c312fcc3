package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/telephony"
	"github.com/sidetone/sidetone/telephony/telephonytest"
)

// dialled keeps what it was asked to dial.
type dialled struct {
	telephony.Driver
	req telephony.DialRequest
}

func (d *dialled) Dial(_ context.Context, req telephony.DialRequest, _ func()) (telephony.Leg, error) {
	d.req = req
	return nil, &telephony.DialError{Cause: telephony.CauseBusy}
}

func testTrunks(d telephony.Driver) trunks {
	return newTrunks(d, []Trunk{
		{Name: "one", Numbers: []string{"+1 415 555 0100", "+14155550101"}},
		{Name: "two", Numbers: []string{"+442079460000", "+14155550100", "broken number"}},
	})
}

func TestTrunkNumbersAreForSaleOnce(t *testing.T) {
	t.Parallel()
	shop := testTrunks(nil)
	cases := []struct {
		query telephony.NumberQuery
		want  []string
	}{
		{telephony.NumberQuery{}, []string{"+14155550100", "+14155550101", "+442079460000"}},
		{telephony.NumberQuery{Limit: 1}, []string{"+14155550100"}},
		{telephony.NumberQuery{AreaCode: "415"}, []string{"+14155550100", "+14155550101"}},
		{telephony.NumberQuery{Contains: "0101"}, []string{"+14155550101"}},
		{telephony.NumberQuery{Number: "+442079460000"}, []string{"+442079460000"}},
		{telephony.NumberQuery{Locality: "Berlin"}, nil},
	}
	for _, c := range cases {
		found, err := shop.Search(t.Context(), c.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range found {
			got = append(got, n.Number)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v: (-want +got)\n%s", c.query, diff)
		}
	}
	if err := shop.Buy(t.Context(), "+14155550101"); err != nil {
		t.Errorf("buy a listed number: %v", err)
	}
	if err := shop.Buy(t.Context(), "+14155559999"); !errors.Is(err, telephony.ErrTaken) {
		t.Errorf("buy an unlisted number: got %v, want ErrTaken", err)
	}
}

func TestCallsLeaveThroughTheTrunkOfTheirNumber(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{"+14155550100": "one", "+442079460000": "two"} {
		d := &dialled{}
		_, err := testTrunks(d).Dial(t.Context(), telephony.DialRequest{From: from, To: "+12"}, nil)
		var refused *telephony.DialError
		if !errors.As(err, &refused) || d.req.Trunk != want {
			t.Errorf("from %s: trunk %q, %v; want %q", from, d.req.Trunk, err, want)
		}
	}
	d := &dialled{}
	if _, err := testTrunks(d).Dial(t.Context(), telephony.DialRequest{From: "+19"}, nil); err == nil || d.req.To != "" {
		t.Errorf("a number of no trunk was dialled: %v", err)
	}
}

func TestCarriersAreFoundByTheCall(t *testing.T) {
	t.Parallel()
	stack := &telephonytest.MemoryDriver{}
	c := carriers{simulated: stack, trunks: func() trunks { return trunks{list: []Trunk{{Name: "carrier"}}} }}
	if d, err := c.For(t.Context(), sidetone.Call{Provider: "simulated"}); err != nil || d != telephony.Driver(stack) {
		t.Errorf("simulated: got %v, %v", d, err)
	}
	d, err := c.For(t.Context(), sidetone.Call{Provider: "sip"})
	if tr, ok := d.(trunks); err != nil || !ok || len(tr.list) != 1 {
		t.Errorf("sip: got %v, %v", d, err)
	}
	if _, err := c.For(t.Context(), sidetone.Call{Provider: "twilio"}); sidetone.CodeOf(err) != sidetone.Invalid || !strings.Contains(err.Error(), `"twilio"`) {
		t.Errorf("twilio: got %v", err)
	}
}
