package telephony

import (
	"context"
	"fmt"
	"time"
)

// Transferer is implemented by legs whose far end can be asked to go on with somebody
// else in our place, without our staying on the line (a blind transfer,
// https://www.rfc-editor.org/rfc/rfc3515).
type Transferer interface {
	// Transfer asks the far end to call another number, and returns how that went, at
	// the latest after TransferRequest.Within. Without an error the other one has
	// answered the far end, and the leg is hung up: Events ends after it. Otherwise the
	// error is ErrGone, what ended ctx, or a *TransferError, and the leg goes on unless
	// the far end hung up. One transfer of a leg is under way at a time.
	Transfer(ctx context.Context, req TransferRequest) error
}

// TransferRequest says where a far end is sent.
type TransferRequest struct {
	// To is an E.164 number with plus. That it may be called is the caller's to know.
	To string
	// Within bounds the whole transfer; 0 means 60 s.
	Within time.Duration
	// Silence bounds the time until the far end responds, and from when it has accepted to its
	// first report, be it that it tries; 0 means Within.
	Silence time.Duration
	// Headers go with the request; see CheckHeaders.
	Headers map[string]string
	// Progress, when set, is told of what the far end reports: first 0, when it has
	// accepted the transfer, then each provisional status of its call, such as 180. It
	// is not called after Transfer returned, and must return soon.
	Progress func(status int)
}

// TransferError is a transfer of which it is not known that it succeeded.
type TransferError struct {
	// Status is the far end's own code: of its refusal to transfer, or, when Accepted
	// is set, of the call that it made. 0: it told none.
	Status int
	// Accepted says that the far end took the transfer on. With Status 0 nobody knows
	// what came of it: it must not be taken for a failure, nor repeated.
	Accepted bool
	// Err is the underlying error, may be nil.
	Err error
}

// Error says how far the transfer came.
func (e *TransferError) Error() string {
	var text string
	switch {
	case !e.Accepted && e.Status == 0:
		text = "transfer: not confirmed by the far end"
	case !e.Accepted:
		text = fmt.Sprintf("transfer: refused with status %d", e.Status)
	case e.Status == 0:
		text = "transfer: accepted, and its outcome is not known"
	default:
		text = fmt.Sprintf("transfer: failed with status %d", e.Status)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the underlying error.
func (e *TransferError) Unwrap() error { return e.Err }
