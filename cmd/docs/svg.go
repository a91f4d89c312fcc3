package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// The places of the picture, in its pixels.
const (
	width, height = 960, 330
	left, right   = 66, 950
	callerMiddle  = 108
	agentMiddle   = 206
	swing         = 30 // of the loudest sample
	gapHeight     = 160
	agentText     = 266
	lineHeight    = 16
	letter        = 6.6 // width of one, about
	column        = 2   // width of a bar of sound
	axis          = height - 14
)

// style makes the picture readable on light and on dark pages.
const style = `
.page { fill: #ffffff; stroke: #d0d7de } text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2328 }
.small { font-size: 12px } .dim, text.dim { fill: #59636e } .axis { stroke: #d0d7de }
.caller { stroke: #0969da } .agent { stroke: #1a7f37 } text.caller { fill: #0969da; stroke: none; font-weight: 600 }
text.agent { fill: #1a7f37; stroke: none; font-weight: 600 } .unheard { fill: #59636e; font-style: italic }
.gap { stroke: #8250df; fill: none } text.gap { fill: #8250df; stroke: none } .cut { stroke: #bc4c00; stroke-dasharray: 4 3 } text.cut { fill: #bc4c00; stroke: none }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .dim, text.dim, .unheard { fill: #9198a1 } .axis { stroke: #3d444d }
.caller { stroke: #58a6ff } .agent { stroke: #3fb950 } text.caller { fill: #58a6ff } text.agent { fill: #3fb950 }
.gap { stroke: #bc8cff } text.gap { fill: #bc8cff } .cut { stroke: #f0883e } text.cut { fill: #f0883e }
}
`

// svg draws the scene.
func (s *scene) svg() string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&out, "<title id=\"t\">A call of make demo</title>\n<desc id=\"d\">%s</desc>\n<style>%s</style>\n", html.EscapeString(s.description()), style)
	fmt.Fprintf(&out, `<rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="6"/>`+"\n", width-1, height-1)
	fmt.Fprintf(&out, `<text class="small dim" x="14" y="22">The recording of a call of make demo, seconds %.0f to %.0f, and what the call's events say about it</text>`+"\n",
		s.from.Seconds(), s.to.Seconds())
	s.lane(&out, "caller", 0, callerMiddle)
	s.lane(&out, "agent", 1, agentMiddle)
	s.drawGaps(&out)
	s.drawInterruption(&out)
	s.words(&out)
	s.scale(&out)
	out.WriteString("</svg>\n")
	return out.String()
}

// x is where a time lies.
func (s *scene) x(at time.Duration) float64 {
	return left + (right-left)*float64(at-s.from)/float64(s.to-s.from)
}

// lane draws the sound of a channel, one bar for each column.
func (s *scene) lane(out *strings.Builder, name string, channel int, middle float64) {
	fmt.Fprintf(out, `<text class="%s" x="14" y="%.0f">%s</text>`+"\n", name, middle+4, name)
	fmt.Fprintf(out, `<path class="axis" d="M%d %.0fH%d"/>`+"\n", left, middle, right)
	fmt.Fprintf(out, `<path class="%s" stroke-width="1.4" d="`, name)
	sound := s.sound[channel][s.index(s.from):]
	per := float64(len(sound)) * column / (right - left)
	loudest := peak(sound)
	for i := 0; i < (right-left)/column; i++ {
		level := peak(sound[int(float64(i)*per):int(float64(i+1)*per)])
		if level < audible {
			continue
		}
		h := swing * float64(level) / float64(loudest)
		fmt.Fprintf(out, "M%d %.1fv%.1f", left+i*column, middle-h, 2*h)
	}
	out.WriteString("\"/>\n")
}

func (s *scene) index(at time.Duration) int { return int(at.Seconds() * float64(s.rate)) }

func peak(sound []int16) int {
	most := 0
	for _, sample := range sound {
		most = max(most, int(sample), -int(sample))
	}
	return most
}

// drawGaps draws how long the answers took.
func (s *scene) drawGaps(out *strings.Builder) {
	for _, g := range s.gaps {
		begin, end := s.x(g.answer-g.took), s.x(g.answer)
		if begin < left {
			continue
		}
		fmt.Fprintf(out, `<path class="gap" d="M%.1f %dv-10m0 5H%.1fm0 -5v10"/>`+"\n", begin, gapHeight+5, end)
		fmt.Fprintf(out, `<text class="small gap" x="%.1f" y="%d" text-anchor="middle">%d ms</text>`+"\n", (begin+end)/2, gapHeight-9, g.took.Round(time.Millisecond).Milliseconds())
	}
}

// drawInterruption marks where the caller cuts in and how soon the agent is silent.
func (s *scene) drawInterruption(out *strings.Builder) {
	fmt.Fprintf(out, `<path class="cut" d="M%.1f %dV%d"/>`+"\n", s.x(s.onset), callerMiddle-swing, agentMiddle+swing)
	for i, line := range []string{"interrupted: the agent is", fmt.Sprintf("silent after %d ms", (s.silent - s.onset).Round(time.Millisecond).Milliseconds())} {
		fmt.Fprintf(out, `<text class="small cut" x="%.1f" y="%d">%s</text>`+"\n", s.x(s.silent)+10, agentMiddle-2+i*lineHeight, line)
	}
}

// words writes what was said, the caller's above and the agent's below the sound.
func (s *scene) words(out *strings.Builder) {
	for i, t := range s.caller {
		lines := wrap(fmt.Sprintf("“%s”", t.heard), s.room(s.caller, i))
		for n, line := range lines {
			s.word(out, t, "", line, callerMiddle-swing-8-(len(lines)-1-n)*lineHeight)
		}
	}
	for i, t := range s.agent {
		lines := wrap(t.heard, s.room(s.agent, i))
		for n, line := range lines {
			s.word(out, t, "", line, agentText+n*lineHeight)
		}
		if t.unheard != "" {
			s.word(out, t, "unheard", clip("not heard: "+t.unheard, s.room(s.agent, i)), agentText+len(lines)*lineHeight)
		}
	}
}

// room is how many letters fit between an utterance and the next one.
func (s *scene) room(all []turn, i int) int {
	end := float64(right)
	if i+1 < len(all) {
		end = s.x(all[i+1].begin)
	}
	return int(math.Max(8, (end-s.x(all[i].begin)-8)/letter))
}

func (s *scene) word(out *strings.Builder, t turn, class, line string, y int) {
	if t.begin < s.from {
		return
	}
	fmt.Fprintf(out, `<text class="%s" x="%.1f" y="%d">%s</text>`+"\n", class, s.x(t.begin), y, html.EscapeString(line))
}

// wrap breaks a text into lines of so many letters.
func wrap(text string, letters int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		if n := len(lines); n > 0 && len([]rune(lines[n-1]))+1+len([]rune(word)) <= letters {
			lines[n-1] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// clip is the first line of a text.
func clip(text string, letters int) string {
	lines := wrap(text, letters-2)
	if len(lines) > 1 {
		return lines[0] + " …"
	}
	return strings.Join(lines, "")
}

// scale draws the seconds.
func (s *scene) scale(out *strings.Builder) {
	const step = 2 * time.Second
	for at := s.from.Truncate(step) + step; at < s.to; at += step {
		fmt.Fprintf(out, `<text class="small dim" x="%.1f" y="%d" text-anchor="middle">%.0f s</text>`+"\n", s.x(at), axis, at.Seconds())
	}
}

// description says in words what is drawn.
func (s *scene) description() string {
	var parts []string
	for _, t := range s.caller {
		if t.begin >= s.from {
			parts = append(parts, fmt.Sprintf("At %.1f s the caller says: %s.", t.begin.Seconds(), t.heard))
		}
	}
	for _, t := range s.agent {
		if t.begin >= s.from {
			parts = append(parts, fmt.Sprintf("At %.1f s the agent says: %s", t.begin.Seconds(), t.heard))
		}
	}
	return strings.Join(parts, " ") + fmt.Sprintf(" The agent is interrupted at %.1f s and silent after %d ms.",
		s.onset.Seconds(), (s.silent-s.onset).Round(time.Millisecond).Milliseconds())
}
