package call

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sidetone/sidetone/llm"
	"github.com/sidetone/sidetone/telephony"
)

// PressKeysTool is what a model is told of the action that presses keys, under a name.
func PressKeysTool(name string) llm.Tool {
	return llm.Tool{
		Name: name,
		Description: "Presses keys on the phone, for the menu of a telephone system or an extension, once what you said was heard. " +
			"Nothing can be said meanwhile.",
		Schema: json.RawMessage(`{"type":"object","required":["buttons"],"properties":{"buttons":{"type":"string","minLength":1,"maxLength":32,` +
			`"pattern":"^[0-9*#A-Dw]+$","description":"The keys in their order: 0-9, * and #. w waits half a second."}}}`),
	}
}

const (
	// mostKeys bounds the keys of one run.
	mostKeys = 32
	// LongestPress is how long a run may take: some legs need 300 ms for a key, and as long
	// until the next.
	LongestPress = 25 * time.Second
)

// presser presses keys on a line. The machine runs it when what the agent said before
// was heard.
type presser struct{ leg telephony.Leg }

// Run implements Tool; its argument buttons, or digits, is what telephony.DigitSender takes.
func (p presser) Run(ctx context.Context, c ToolCall) (ToolResult, error) {
	var args struct{ Buttons, Digits string }
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return ToolResult{}, fmt.Errorf("read the keys: %w", err)
	}
	keys := cmp.Or(args.Buttons, args.Digits)
	if keys == "" || len(keys) > mostKeys || strings.Trim(keys, "0123456789*#ABCDwW") != "" {
		return ToolResult{}, telephony.Error("buttons must be 1 to 32 of the keys 0-9, *, #, A-D, and w for half a second")
	}
	line, ok := p.leg.(telephony.DigitSender)
	if !ok {
		return ToolResult{}, telephony.Error("the line cannot send keys")
	}
	if err := line.SendDigits(ctx, keys); err != nil {
		return ToolResult{}, fmt.Errorf("send the keys: %w", err)
	}
	return ToolResult{Text: "done"}, nil
}
