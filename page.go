package sidetone

// PageQuery asks for one page of a list.
type PageQuery struct {
	// Page counts from 1; Size is 1 to 100.
	Page, Size int
	// Cursor continues where the page that handed it out ended; Page is then
	// not looked at. It fits only the list, order and filters it was made for.
	Cursor string
	// SortColumn names a documented column; "" means newest first.
	SortColumn string
	// SortDesc reverses SortColumn's order.
	SortDesc bool
	// Filters are all to hold.
	Filters []Filter
	// Uncounted says that nobody wants Total.
	Uncounted bool
}

// Filter compares one documented column.
type Filter struct {
	// Column is the documented name.
	Column string
	// Op is eq, ne, in, gt, gte, lt, lte or contains.
	Op string
	// Values holds one operand, or several for in; each is a string, float64,
	// bool or nil.
	Values []any
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	// Page and Size repeat the query; after a cursor Page counts on.
	Page, Size int
	// HasMore says that a later page exists; NextCursor then leads to it.
	HasMore    bool
	NextCursor string
	// Total counts all rows; exact up to 10,000, an estimate above.
	Total int64
	// TotalIsEstimated says that Total is an estimate.
	TotalIsEstimated bool
}

// Validate checks the ranges of q.
func (q PageQuery) Validate() error {
	if q.Page < 1 && q.Cursor == "" {
		return Errorf(Invalid, "page must be 1 or more")
	}
	if q.Size < 1 || q.Size > 100 {
		return Errorf(Invalid, "size must be between 1 and 100")
	}
	return nil
}
