// Package tonewords is a voice and a recogniser for checks that must be exact:
// every word is a sound of its own, at known samples, and is read back after
// G.711, resampling between telephone rates and loss of what lay around it. The
// sound counts as speech for audio.VAD, and holds no DTMF and no beep.
package tonewords
