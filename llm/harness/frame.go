package harness

import (
	"encoding/json"
	"time"
)

// frame has what matters of all frames of both protocols that programs send.
type frame struct {
	// Type is of ConversationRelay, ResponseType of Retell.
	Type         string `json:"type"`
	ResponseType string `json:"response_type"`

	Token         *string `json:"token"`
	Last          bool    `json:"last"`
	Lang          string  `json:"lang"`
	Interruptible *bool   `json:"interruptible"`
	Preemptible   bool    `json:"preemptible"`
	Digits        string  `json:"digits"`
	HandoffData   any     `json:"handoffData"`

	ResponseID      *int   `json:"response_id"`
	Content         string `json:"content"`
	ContentComplete bool   `json:"content_complete"`
	EndCall         bool   `json:"end_call"`
	TransferNumber  string `json:"transfer_number"`
	DigitToPress    string `json:"digit_to_press"`
	NoInterruption  bool   `json:"no_interruption_allowed"`
	ToolCallID      string `json:"tool_call_id"`
	Name            string `json:"name"`
	Successful      *bool  `json:"successful"`
	Config          config `json:"config"`
}

// config is what a program of Retell's protocol asks for when it begins.
type config struct {
	AutoReconnect bool `json:"auto_reconnect"`
	CallDetails   bool `json:"call_details"`
	ToolCalls     bool `json:"transcript_with_tool_calls"`
}

// kind names the frame. One of Retell's without a name is a response.
func (f *frame) kind() string {
	switch {
	case f.Type != "":
		return f.Type
	case f.ResponseType == "" && f.ResponseID != nil:
		return "response"
	}
	return f.ResponseType
}

// said reports whether the frame is part of an answer of ConversationRelay's, and so
// of no use when nobody waits for that any more.
func (f *frame) said() bool { return f.Type == "text" || f.Type == "play" }

// late reports whether the frame answers a request of Retell's, which was over before.
// What the program says first has the number 0.
func (f *frame) late() bool {
	return f.Type == "" && f.kind() == "response" && (f.ResponseID == nil || *f.ResponseID != 0)
}

// quiet reports whether the frame can wait until the program is asked.
func (f *frame) quiet() bool {
	switch f.kind() {
	case "text", "play", "sendDigits", "language", "end", "response", "agent_interrupt":
		return false
	}
	return true
}

// dtmf is a key of the caller's.
func dtmf(key rune) any { return map[string]string{"type": "dtmf", "digit": string(key)} }

// interrupt says what was heard of an answer that was cut off.
func interrupt(text string, length time.Duration) any {
	return map[string]any{"type": "interrupt", "utteranceUntilInterrupt": text, "durationUntilInterruptMs": length.Milliseconds()}
}

// direction is Twilio's and Retell's word.
func (c *Call) direction() string {
	if c.Outgoing {
		return "outbound"
	}
	return "inbound"
}

// values are the call's; never null.
func (c *Call) values() map[string]string {
	if c.Values == nil {
		return map[string]string{}
	}
	return c.Values
}

// setup is ConversationRelay's first frame. A call has one name here.
func (c *Call) setup() any {
	return map[string]any{"type": "setup", "sessionId": c.ID, "callSid": c.ID, "parentCallSid": "", "accountSid": c.Account,
		"from": c.From, "to": c.To, "forwardedFrom": "", "callerName": "", "direction": c.direction(), "callType": "PSTN",
		"callStatus": "IN-PROGRESS", "customParameters": c.values()}
}

// details are what Retell tells of a call.
func (c *Call) details() any {
	return map[string]any{"interaction_type": "call_details", "call": map[string]any{
		"call_id": c.ID, "call_type": "phone_call", "call_status": "ongoing", "agent_id": c.Agent, "direction": c.direction(),
		"from_number": c.From, "to_number": c.To, "metadata": map[string]string{}, "retell_llm_dynamic_variables": c.values()}}
}

// digitsOf are the arguments of send_digits.
func digitsOf(keys string) json.RawMessage {
	raw, _ := json.Marshal(map[string]string{"digits": keys}) // texts have JSON
	return raw
}
