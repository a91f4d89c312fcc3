package openai

import "time"

// NewShortLived returns a driver whose connections are replaced at an age.
func NewShortLived(o Options, age time.Duration) *Realtime {
	o.lifetime = age
	return NewRealtime(o)
}

// NewImpatientUpload returns a driver whose uploads are bounded by limit.
func NewImpatientUpload(o UploadOptions, limit time.Duration) *Upload {
	o.limit = limit
	return NewUpload(o)
}
