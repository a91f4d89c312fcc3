package flite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/sidetone/sidetone/process"
)

// output is what the program said about one sentence.
type output struct {
	wav []byte
	// spoken are the phones of the sound, with their ends in seconds.
	spoken []phone
	// apart are the phones of each word spoken on its own; nil when unknown.
	apart [][]string
}

// phone is one speech sound; its name is "pau" for a pause.
type phone struct {
	name string
	end  float64
}

// run speaks the sentence, and at the same time its words one by one to learn
// which phones are whose.
func (d *Driver) run(ctx context.Context, voice string, s sentence) (output, error) {
	apart := make(chan [][]string, 1)
	go func() { apart <- d.wordPhones(ctx, s) }()
	wav, spoken, err := d.sound(ctx, voice, s.clean())
	return output{wav: wav, spoken: spoken, apart: <-apart}, err
}

// sound returns the WAV file and the phones of text. The WAV file comes through
// a pipe of its own, because the phones go to standard output.
func (d *Driver) sound(ctx context.Context, voice, text string) (wav []byte, spoken []phone, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open a pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	cmd := process.Command(ctx, d.program, "-voice", voice, "-psdur", "-t", text, "-o", "/dev/fd/3")
	var phones strings.Builder
	var stderr process.Tail
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &phones, &stderr, []*os.File{write}
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return nil, nil, process.Explain(ctx, d.program, err, &stderr)
	}
	wav, readErr := io.ReadAll(io.LimitReader(read, maxWAV))
	_ = read.Close() // who would write more must not wait for ever
	if err := cmd.Wait(); err != nil {
		return nil, nil, process.Explain(ctx, d.program, err, &stderr)
	}
	if readErr != nil {
		return nil, nil, fmt.Errorf("read the sound: %w", readErr)
	}
	return wav, parsePhones(phones.String()), nil
}

// maxWAV bounds the sound of one sentence: 5 minutes.
const maxWAV = 300 * native * 2

// wordPhones returns the phones of each word of s; nil when they cannot be told
// apart, which costs exactness of the word times and nothing else. The quickest
// voice says them, commas make a pause after each.
func (d *Driver) wordPhones(ctx context.Context, s sentence) [][]string {
	list := make([]string, len(s.words))
	for i, w := range s.words {
		list[i] = strings.TrimRight(w.say, ".,;:!?") + ","
	}
	out, err := process.Output(ctx, d.program, "-voice", "kal", "-ps", "-t", strings.Join(list, " "), "-o", "none")
	if err != nil {
		return nil
	}
	var groups [][]string
	open := false
	for name := range strings.FieldsSeq(string(out)) {
		switch {
		case name == "pau":
			open = false
		case open:
			groups[len(groups)-1] = append(groups[len(groups)-1], name)
		default:
			groups, open = append(groups, []string{name}), true
		}
	}
	if len(groups) != len(s.words) {
		return nil
	}
	return groups
}

// parsePhones reads "name:end name:end ..."; what it cannot read it leaves out.
func parsePhones(text string) []phone {
	var all []phone
	last := 0.0
	for field := range strings.FieldsSeq(text) {
		name, end, ok := strings.Cut(field, ":")
		seconds, err := strconv.ParseFloat(end, 64)
		if !ok || err != nil || !(seconds >= last && seconds < 3600) {
			continue
		}
		last = seconds
		all = append(all, phone{name, seconds})
	}
	return all
}

// parseWAV reads a mono 16-bit RIFF file.
func parseWAV(file []byte) (pcm []int16, rate int, err error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return nil, 0, errors.New("read the sound: not a WAV file")
	}
	for rest := file[12:]; len(rest) >= 8; {
		size := int64(binary.LittleEndian.Uint32(rest[4:8]))
		body := rest[8:]
		body = body[:min(size, int64(len(body)))]
		switch string(rest[:4]) {
		case "fmt ":
			if len(body) < 16 || binary.LittleEndian.Uint16(body[2:]) != 1 || binary.LittleEndian.Uint16(body[14:]) != 16 {
				return nil, 0, errors.New("read the sound: not mono 16-bit")
			}
			rate = int(binary.LittleEndian.Uint32(body[4:]))
		case "data":
			pcm = make([]int16, len(body)/2)
			for i := range pcm {
				pcm[i] = int16(binary.LittleEndian.Uint16(body[2*i:]))
			}
			if rate == 0 {
				return nil, 0, errors.New("read the sound: data before its format")
			}
			return pcm, rate, nil
		}
		rest = rest[min(8+size+size&1, int64(len(rest))):]
	}
	return nil, 0, errors.New("read the sound: no data in it")
}
