package loadgen

import (
	"time"

	"github.com/sidetone/sidetone/audio"
)

// framePeriod is the time between packets, and the sound in each.
const framePeriod = audio.FrameDuration

// frameTicks is how far the RTP timestamp advances with a frame.
const frameTicks = 160

// payloadType returns the static RTP payload type of the codec (RFC 3551,
// section 6).
func (c Codec) payloadType() uint8 {
	switch c {
	case PCMA:
		return 8
	case G722:
		return 9
	default:
		return 0
	}
}

// rate returns the number of samples a second.
func (c Codec) rate() int {
	if c == G722 {
		return 16000
	}
	return 8000
}

// frame returns the number of samples of a frame.
func (c Codec) frame() int { return c.rate() / int(time.Second/framePeriod) }

// coder encodes and decodes one stream each way. Encoding and decoding may run
// at the same time, each on one goroutine.
type coder struct {
	codec   Codec
	encoder *audio.G722Encoder
	decoder *audio.G722Decoder
}

// newCoder returns a coder at the start of both streams.
func newCoder(c Codec) *coder {
	k := &coder{codec: c}
	if c == G722 {
		k.encoder, k.decoder = audio.NewG722Encoder(), audio.NewG722Decoder()
	}
	return k
}

// encode appends the codes of pcm to dst.
func (k *coder) encode(dst []byte, pcm []int16) []byte {
	switch k.codec {
	case PCMA:
		return audio.EncodeALaw(dst, pcm)
	case G722:
		return k.encoder.Encode(dst, pcm)
	default:
		return audio.EncodeULaw(dst, pcm)
	}
}

// decode appends the samples of payload to dst.
func (k *coder) decode(dst []int16, payload []byte) []int16 {
	switch k.codec {
	case PCMA:
		return audio.DecodeALaw(dst, payload)
	case G722:
		return k.decoder.Decode(dst, payload)
	default:
		return audio.DecodeULaw(dst, payload)
	}
}
