package flite

import "github.com/sidetone/sidetone/synthesizer"

// align finds the time of each word in the sound: spoken are the phones of the
// sentence, apart the phones of each word on its own (nil when unknown). Times
// are in samples at the native rate.
func align(words []word, spoken []phone, apart [][]string) []synthesizer.Word {
	var voiced []span
	from := 0.0
	for _, p := range spoken {
		if p.name != "pau" {
			voiced = append(voiced, span{p.name, sample(from), sample(p.end)})
		}
		from = p.end
	}
	if len(voiced) == 0 {
		return nil
	}
	owner := owners(voiced, apart)
	if !complete(owner, len(words)) {
		owner = byLetters(words, len(voiced))
	}
	if !complete(owner, len(words)) {
		return nil
	}
	all := make([]synthesizer.Word, len(words))
	for i, w := range words {
		all[i] = synthesizer.Word{Start: w.start, End: w.end, FromSample: -1}
	}
	for i, s := range voiced {
		w := &all[owner[i]]
		if w.FromSample < 0 {
			w.FromSample = s.from
		}
		w.ToSample = s.to
	}
	return all
}

// span is a phone that is not a pause, in samples.
type span struct {
	name     string
	from, to int64
}

func sample(seconds float64) int64 { return int64(seconds * native) }

// complete reports whether each of n words owns a phone.
func complete(owner []int, n int) bool {
	next := 0
	for _, o := range owner {
		if o == next {
			next++
		} else if o != next-1 {
			return false
		}
	}
	return next == n
}

// byLetters gives each word a share of the phones by its number of letters.
func byLetters(words []word, phones int) []int {
	total := 0
	for _, w := range words {
		total += len(w.say)
	}
	owner := make([]int, 0, phones)
	done := 0
	for i, w := range words {
		done += len(w.say)
		// Each word gets at least one phone and leaves one for each after it.
		upTo := max(len(owner)+1, done*phones/max(total, 1))
		upTo = min(upTo, phones-(len(words)-1-i))
		for len(owner) < upTo {
			owner = append(owner, i)
		}
	}
	return owner
}

// owners aligns the phones of the sentence with those of the words on their
// own - function words are reduced in a sentence, so the two differ a little -
// and returns for each phone the word it belongs to.
func owners(voiced []span, apart [][]string) []int {
	var names []string
	var whose []int
	for i, group := range apart {
		for _, name := range group {
			names, whose = append(names, name), append(whose, i)
		}
	}
	if len(names) == 0 {
		return nil
	}
	cost := editCosts(voiced, names)
	owner := make([]int, len(voiced))
	i, j := len(voiced), len(names)
	for i > 0 {
		switch {
		case j > 0 && cost[i][j] == cost[i-1][j-1]+differ(voiced[i-1].name, names[j-1]):
			i, j = i-1, j-1
			owner[i] = whose[j]
		case j > 0 && cost[i][j] == cost[i][j-1]+gapCost:
			j--
		default:
			i--
			owner[i] = whose[max(j-1, 0)]
		}
	}
	return owner
}

// The costs of the alignment: a phone left out or added, and a phone changed
// within its class or into another class.
const (
	gapCost   = 4
	nearCost  = 3
	otherCost = 7
)

// editCosts fills the table of the cheapest alignments of all beginnings.
func editCosts(voiced []span, names []string) [][]int {
	cost := make([][]int, len(voiced)+1)
	for i := range cost {
		cost[i] = make([]int, len(names)+1)
		for j := range cost[i] {
			switch {
			case i == 0:
				cost[i][j] = j * gapCost
			case j == 0:
				cost[i][j] = i * gapCost
			default:
				cost[i][j] = min(cost[i-1][j-1]+differ(voiced[i-1].name, names[j-1]), cost[i-1][j]+gapCost, cost[i][j-1]+gapCost)
			}
		}
	}
	return cost
}

// differ returns the cost of one phone standing for another.
func differ(a, b string) int {
	switch {
	case a == b:
		return 0
	case vowel(a) == vowel(b):
		return nearCost
	default:
		return otherCost
	}
}

func vowel(name string) bool {
	switch name[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return true
	default:
		return false
	}
}
