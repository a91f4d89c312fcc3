package sidetone

import "strings"

// IsE164 says that number is in the form in which phone numbers are stored: a
// plus and 3 to 15 digits. How people write numbers is the business of package
// phonenumber.
func IsE164(number string) bool {
	digits, plus := strings.CutPrefix(number, "+")
	return plus && len(digits) >= 3 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}
