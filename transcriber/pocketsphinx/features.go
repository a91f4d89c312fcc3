package pocketsphinx

import (
	"errors"
	"fmt"
	"os"

	"github.com/sidetone/sidetone/process"
)

// features are the parameters of the program's front end: those of the installed
// model en-us (feat.params beside it), without the cepstral mean. A mean on the
// program's command line would be ignored, so that it reads all of them from us.
const features = `-lowerf 130
-upperf 6800
-nfilt 25
-transform dct
-lifter 22
-feat 1s_c_d_dd
-svspec 0-12/13-25/26-38
-agc none
-cmn batch
-varnorm no
-model ptm
`

// The cepstral means of speech on a telephone line, with which the recognition of a
// call begins; from its second sentence on the program follows the caller. They are
// measured by TestCepstralMeans, over G.722 and over G.711.
const (
	wideMean   = "52.52,11.22,-1.37,22.73,-3.30,-0.31,4.60,-11.06,-3.91,-3.84,3.56,1.16,-0.79"
	narrowMean = "50.92,8.21,4.00,11.76,11.97,-15.84,16.46,-14.92,-9.28,8.57,-10.74,11.79,-5.16"
)

// featuresFile returns what a child reads its features from, for frames of the
// given rate. The caller closes it.
func featuresFile(given int) (*os.File, error) {
	mean := wideMean
	if given == narrowRate {
		mean = narrowMean
	}
	read, write, err := process.SmallPipe()
	if err != nil {
		return nil, err
	}
	// The pipe holds all of it before anybody reads.
	_, err = write.WriteString(features + "-cmninit " + mean + "\n")
	if err := errors.Join(err, write.Close()); err != nil {
		_ = read.Close()
		return nil, fmt.Errorf("write the features: %w", err)
	}
	return read, nil
}

// mirror fills the upper half of the band of resampled telephone sound, which is
// empty, with a mirror image of the lower half 9.5 dB below it: halving every second
// sample does that. The model knows wide bands only and takes an empty half for
// other sounds (docs/adr/0005-offline-recogniser.md).
func mirror(pcm []int16) {
	for i := 1; i < len(pcm); i += 2 {
		pcm[i] /= 2
	}
}
