package sip

import (
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// longestMinimum bounds the shortest session that is asked for, in seconds.
const longestMinimum = 24 * 60 * 60

// longerSession are the headers of a request that is sent again after 422: a proxy on
// the way had added an interval that is too short for another one
// (https://www.rfc-editor.org/rfc/rfc4028#section-7.3). Nil when res says nothing that
// can be met.
func longerSession(res *sip.Response) []header {
	if res.StatusCode != 422 {
		return nil
	}
	value, _ := paramsOf(headerValue(res, "Min-SE"))
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err != nil || seconds > longestMinimum {
		return nil
	}
	value = strconv.FormatUint(max(seconds, minSession), 10)
	return []header{{"Session-Expires", value}, {"Min-SE", value}}
}
