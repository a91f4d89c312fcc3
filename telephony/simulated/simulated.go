// Package simulated is a carrier that exists only in this process: it sells
// numbers that are set aside for fiction and can therefore never ring a real
// telephone. It implements telephony.NumberShop and nothing else; calls to its
// numbers are real SIP calls, which the SIP listener serves.
package simulated

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sidetone/sidetone/telephony"
)

// Listener is the name of the telephony driver that serves calls to and from
// the numbers of this carrier, on its local route (trunk "").
const Listener = "sip"

// defaultLimit is how many numbers a search returns that does not say.
const defaultLimit = 20

// block is a run of 100 to 1000 numbers in one place.
type block struct {
	country, area, locality string
	prefix                  string // E.164 up to the running digits
	digits                  int    // how many digits run
	first, last             int
}

// northAmerica is one area code: 555-0100 to 555-0199 are fictional
// (NANPA, 555 line numbers).
func northAmerica(country, area, locality string) block {
	return block{country: country, area: area, locality: locality, prefix: "+1" + area + "5550", digits: 3, first: 100, last: 199}
}

// inventory lists what there is, in the order of search results.
func inventory() []block {
	blocks := []block{
		northAmerica("US", "212", "New York"),
		northAmerica("US", "415", "San Francisco"),
		northAmerica("US", "206", "Seattle"),
		northAmerica("US", "312", "Chicago"),
		northAmerica("US", "213", "Los Angeles"),
		northAmerica("US", "617", "Boston"),
		northAmerica("US", "512", "Austin"),
		northAmerica("US", "305", "Miami"),
		northAmerica("US", "303", "Denver"),
		northAmerica("US", "404", "Atlanta"),
		northAmerica("US", "202", "Washington"),
		northAmerica("US", "215", "Philadelphia"),
		northAmerica("US", "602", "Phoenix"),
		northAmerica("US", "702", "Las Vegas"),
		northAmerica("US", "503", "Portland"),
		northAmerica("US", "713", "Houston"),
		northAmerica("US", "214", "Dallas"),
		northAmerica("US", "619", "San Diego"),
		northAmerica("US", "313", "Detroit"),
		northAmerica("US", "808", "Honolulu"),
		northAmerica("CA", "416", "Toronto"),
		northAmerica("CA", "514", "Montreal"),
		northAmerica("CA", "604", "Vancouver"),
	}
	return append(blocks,
		// Ofcom: numbers for drama use.
		block{"GB", "1632", "Anywhere", "+441632960", 3, 0, 999},
		block{"GB", "20", "London", "+4420794600", 2, 0, 99},
		block{"GB", "113", "Leeds", "+441134960", 3, 0, 999},
		block{"GB", "131", "Edinburgh", "+441314960", 3, 0, 999},
		// ACMA: numbers for creative works.
		block{"AU", "2", "Sydney", "+6125550", 4, 0, 99},
		block{"AU", "3", "Melbourne", "+6135550", 4, 0, 99},
		// ComReg: numbers for drama.
		block{"IE", "20", "Anywhere", "+35320915", 4, 0, 999},
	)
}

// number returns the i-th number of a block.
func (b block) number(i int) string { return fmt.Sprintf("%s%0*d", b.prefix, b.digits, i) }

// Shop sells the numbers. Create it with New. Its methods may be called
// concurrently. What was bought lives in memory; the caller, who stores it,
// tells New.
type Shop struct {
	blocks []block
	mu     sync.Mutex
	sold   map[string]bool
}

// New returns a shop in which the given numbers, in E.164 with plus, are sold
// already.
func New(sold ...string) *Shop {
	s := &Shop{blocks: inventory(), sold: make(map[string]bool, len(sold))}
	for _, n := range sold {
		s.sold[n] = true
	}
	return s
}

// Search implements telephony.NumberShop. Results come town by town, lowest
// number first; a search without Limit returns 20.
func (s *Shop) Search(ctx context.Context, q telephony.NumberQuery) ([]telephony.AvailableNumber, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []telephony.AvailableNumber
	for _, b := range s.blocks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !b.matches(q) {
			continue
		}
		for i := b.first; i <= b.last && len(out) < q.Limit; i++ {
			n := b.number(i)
			if s.sold[n] || !strings.Contains(n, q.Contains) || (q.Number != "" && q.Number != n) {
				continue
			}
			out = append(out, telephony.AvailableNumber{Number: n, Locality: b.locality, Country: b.country})
		}
	}
	return out, nil
}

// matches compares what is the same for a whole block.
func (b block) matches(q telephony.NumberQuery) bool {
	return (q.AreaCode == "" || q.AreaCode == b.area) &&
		(q.Country == "" || strings.EqualFold(q.Country, b.country)) &&
		(q.Locality == "" || strings.EqualFold(q.Locality, b.locality)) &&
		(q.Number == "" || strings.HasPrefix(q.Number, b.prefix))
}

// Buy implements telephony.NumberShop. A number that this carrier never had is
// ErrTaken too.
func (s *Shop) Buy(ctx context.Context, number string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sold[number] || !s.has(number) {
		return fmt.Errorf("buy %s: %w", number, telephony.ErrTaken)
	}
	s.sold[number] = true
	return nil
}

// has says whether the number is in the inventory, sold or not.
func (s *Shop) has(number string) bool {
	return slices.ContainsFunc(s.blocks, func(b block) bool {
		rest, ok := strings.CutPrefix(number, b.prefix)
		if !ok || len(rest) != b.digits {
			return false
		}
		n := 0
		for _, r := range rest {
			if r < '0' || r > '9' {
				return false
			}
			n = n*10 + int(r-'0')
		}
		return n >= b.first && n <= b.last
	})
}

// Release implements telephony.NumberShop.
func (s *Shop) Release(ctx context.Context, number string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sold, number)
	return nil
}
