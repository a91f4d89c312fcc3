package sidetone

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The shapes in which an external action is told to its server: the contract's own, and
// those of tool calls of other products.
const (
	WireContract   = "contract"
	WireVapi       = "vapi"
	WireRetell     = "retell"
	WireElevenLabs = "elevenlabs"
)

// Wires lists the shapes.
func Wires() []string { return []string{WireContract, WireVapi, WireRetell, WireElevenLabs} }

const (
	// DefaultActionTimeout is how long a server may take to answer, MostActionTimeout what
	// an action may give it.
	DefaultActionTimeout = 10 * time.Second
	MostActionTimeout    = 25 * time.Second
	// mostActionWait is how long an action may let the caller hear nothing.
	mostActionWait = 3 * time.Second
	// mostSentences is how many sentences a list of an action may have, mostClaims how many
	// words, and mostHeaders how many headers it may send.
	mostSentences = 20
	mostClaims    = 100
	mostHeaders   = 20
)

// ExternalAction is the configuration of an external action, read.
type ExternalAction struct {
	// Name and Description are for the model. URL is where the request goes.
	Name, Description, URL string
	// InputSchema is the JSON Schema of the arguments, an object.
	InputSchema json.RawMessage
	// Muted says that the caller's words wait for the result.
	Muted bool
	// SaysFirst says that the model writes what is spoken before the request; OnSend are
	// sentences, one of which is spoken instead.
	SaysFirst bool
	OnSend    []string
	// Answers says that the model answers the result; OnReceive are sentences, one of which
	// is spoken instead. Without either nothing is said because of it.
	Answers   bool
	OnReceive []string
	// OnWait are sentences, one of which is spoken when there is no result after Wait.
	OnWait []string
	Wait   time.Duration
	// OnFailure are sentences, one of which is spoken when it failed.
	OnFailure []string
	// Timeout is how long the server may take to answer.
	Timeout time.Duration
	// Repeatable says that it may be done twice.
	Repeatable bool
	// AfterSpeech says that the request waits until what the agent said before was heard.
	AfterSpeech bool
	// Claims are words, by language, that claim its effect; Otherwise is the sentence, by
	// language, that is spoken instead when there was none.
	Claims    map[string][]string
	Otherwise map[string]string
	// Wire is the shape of the request and its answer, of Wires().
	Wire string
	// Method is of the request.
	Method string
	// Headers are sent with it. SecretHeader is the one that holds the signature secret as
	// it is; "" for none.
	Headers      map[string]string
	SecretHeader string
}

// sentences are a JSON value that is true, false, a sentence or a list of them.
type sentences struct {
	yes  bool
	list []string
}

// UnmarshalJSON reads any of them.
func (s *sentences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &s.yes) == nil {
		return nil
	}
	if json.Unmarshal(text, &one) == nil {
		if strings.TrimSpace(one) != "" {
			s.list = []string{one}
		}
		return nil
	}
	return json.Unmarshal(text, &s.list)
}

// externalConfig is the configuration as it is stored.
type externalConfig struct {
	Name           string              `json:"name"`
	Description    string              `json:"description"`
	URL            string              `json:"url"`
	InputSchema    json.RawMessage     `json:"input_schema"`
	ProcessingMode string              `json:"processing_mode"`
	SpeakOnSend    sentences           `json:"speak_on_send"`
	SpeakOnReceive sentences           `json:"speak_on_receive"`
	SpeakOnWait    sentences           `json:"speak_on_wait"`
	WaitSeconds    float64             `json:"wait_seconds"`
	SpeakOnFailure sentences           `json:"speak_on_failure"`
	TimeoutSeconds float64             `json:"timeout_seconds"`
	Repeatable     bool                `json:"repeatable"`
	AfterSpeech    *bool               `json:"after_speech"`
	Claims         map[string][]string `json:"claims"`
	Otherwise      map[string]string   `json:"otherwise"`
	Wire           string              `json:"wire"`
	Method         string              `json:"method"`
	Headers        map[string]string   `json:"headers"`
	SecretHeader   string              `json:"secret_header"`
}

// External reads the configuration of an external action. One that Validate accepts can be
// read.
func (a Action) External() (ExternalAction, error) {
	var c externalConfig
	if err := json.Unmarshal(a.Config, &c); err != nil {
		return ExternalAction{}, Errorf(Invalid, "config of action %s cannot be read", a.ID)
	}
	e := ExternalAction{
		Name: c.Name, Description: c.Description, URL: c.URL, InputSchema: c.InputSchema, Muted: c.ProcessingMode != "normal",
		SaysFirst: c.SpeakOnSend.yes, OnSend: c.SpeakOnSend.list, Answers: c.SpeakOnReceive.yes, OnReceive: c.SpeakOnReceive.list,
		OnWait: c.SpeakOnWait.list, Wait: seconds(c.WaitSeconds), OnFailure: c.SpeakOnFailure.list, Timeout: seconds(c.TimeoutSeconds),
		Repeatable: c.Repeatable, AfterSpeech: len(c.Claims) > 0, Claims: c.Claims, Otherwise: c.Otherwise,
		Wire: c.Wire, Method: c.Method, Headers: c.Headers, SecretHeader: c.SecretHeader,
	}
	if c.AfterSpeech != nil {
		e.AfterSpeech = *c.AfterSpeech
	}
	if e.Timeout == 0 {
		e.Timeout = DefaultActionTimeout
	}
	if e.Wire == "" {
		e.Wire = WireContract
	}
	if e.Method == "" {
		e.Method = http.MethodPost
	}
	if e.SecretHeader == "" && e.Wire == WireVapi {
		e.SecretHeader = "X-Vapi-Secret"
	}
	return e, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// SendsSecret says that the action's secret goes to its server as it is, instead of signing
// what does.
func (a Action) SendsSecret() bool {
	e, err := a.External()
	return a.Type == typeExternal && err == nil && e.SecretHeader != ""
}

const typeExternal = "action_external"

// externalMembers are what the configuration of an external action may hold.
func externalMembers() []string {
	return []string{"processing_mode", "name", "description", "url", "input_schema", "speak_on_send", "speak_on_receive", "speak_on_wait", "wait_seconds",
		"speak_on_failure", "timeout_seconds", "repeatable", "after_speech", "claims", "otherwise", "wire", "method", "headers", "secret_header"}
}

func validateExternal(c map[string]any) error {
	for _, name := range []string{"name", "description", "url"} {
		text, ok := c[name].(string)
		switch {
		case c[name] == nil:
			return Errorf(Invalid, "config.%s is required", name)
		case !ok:
			return Errorf(Invalid, "config.%s must be a string", name)
		}
		if err := maxLength("config."+name, text, 4096); err != nil {
			return err
		}
	}
	address, _ := c["url"].(string)
	if err := webAddress("config.url", address); err != nil {
		return err
	}
	schema, ok := c["input_schema"].(map[string]any)
	switch {
	case c["input_schema"] == nil:
		return Errorf(Invalid, "config.input_schema is required")
	case !ok || schema["type"] != nil && schema["type"] != "object":
		return Errorf(Invalid, "config.input_schema must be the JSON Schema of an object")
	case c["processing_mode"] != "muted" && c["processing_mode"] != "normal":
		return Errorf(Invalid, "config.processing_mode must be one of muted, normal")
	}
	for _, validate := range []func(map[string]any) error{validateSpoken, validateRun, validateClaims, validateWire} {
		if err := validate(c); err != nil {
			return err
		}
	}
	return nil
}

// validateSpoken checks what an external action says, and when.
func validateSpoken(c map[string]any) error {
	for _, name := range []string{"speak_on_send", "speak_on_receive", "speak_on_wait", "speak_on_failure"} {
		flag, isFlag := c[name].(bool)
		text, isText := c[name].(string)
		off := c[name] == nil || isFlag && !flag || isText && strings.TrimSpace(text) == ""
		if off || isFlag && (name == "speak_on_send" || name == "speak_on_receive") {
			continue
		}
		if err := validateSentences(name, c[name]); err != nil {
			return err
		}
	}
	return validateSeconds(c, "wait_seconds", mostActionWait)
}

func validateSentences(name string, v any) error {
	list, isList := v.([]any)
	if text, ok := v.(string); ok {
		list, isList = []any{text}, true
	}
	if !isList || len(list) == 0 {
		if name == "speak_on_send" || name == "speak_on_receive" {
			return Errorf(Invalid, "config.%s must be true, false, a sentence or a list of sentences", name)
		}
		return Errorf(Invalid, "config.%s must be a sentence or a list of sentences", name)
	}
	if len(list) > mostSentences {
		return Errorf(Invalid, "config.%s must have at most %d sentences", name, mostSentences)
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok || strings.TrimSpace(text) == "" {
			return Errorf(Invalid, "config.%s must have sentences that say something", name)
		}
		if err := maxLength("config."+name, text, 1000); err != nil {
			return err
		}
	}
	return nil
}

func validateSeconds(c map[string]any, name string, most time.Duration) error {
	n, ok := c[name].(float64)
	if c[name] != nil && (!ok || n < 0.5 || seconds(n) > most) {
		return Errorf(Invalid, "config.%s must be a number of seconds from 0.5 to %g", name, most.Seconds())
	}
	return nil
}

// validateRun checks how an external action is run.
func validateRun(c map[string]any) error {
	for _, name := range []string{"repeatable", "after_speech"} {
		if _, ok := c[name].(bool); c[name] != nil && !ok {
			return Errorf(Invalid, "config.%s must be true or false", name)
		}
	}
	return validateSeconds(c, "timeout_seconds", MostActionTimeout)
}

// validateClaims checks which words claim an effect, and what is said without one.
func validateClaims(c map[string]any) error {
	claims, isObject := c["claims"].(map[string]any)
	otherwise, alsoObject := c["otherwise"].(map[string]any)
	switch {
	case c["claims"] != nil && !isObject:
		return Errorf(Invalid, "config.claims must be an object of lists of words, by language")
	case c["otherwise"] != nil && !alsoObject:
		return Errorf(Invalid, "config.otherwise must be an object of sentences, by language")
	}
	for language, v := range claims {
		words, isList := v.([]any)
		switch {
		case !slices.Contains(Languages(), language):
			return Errorf(Invalid, "config.claims must have languages of %s", strings.Join(Languages(), ", "))
		case !isList || len(words) > mostClaims || !slices.ContainsFunc(words, isWord) || slices.ContainsFunc(words, func(w any) bool { return !isWord(w) }):
			return Errorf(Invalid, "config.claims.%s must be a list of 1 to %d words", language, mostClaims)
		}
		if _, ok := otherwise[language]; !ok {
			return Errorf(Invalid, "config.otherwise.%s is required, what is said when a claim would not be true", language)
		}
	}
	for language, v := range otherwise {
		if _, ok := claims[language]; !ok {
			return Errorf(Invalid, "config.otherwise.%s needs config.claims.%s", language, language)
		}
		if text, ok := v.(string); !ok || strings.TrimSpace(text) == "" || len(text) > 1000 {
			return Errorf(Invalid, "config.otherwise.%s must be a sentence of at most 1000 bytes", language)
		}
	}
	return nil
}

func isWord(v any) bool {
	text, ok := v.(string)
	return ok && strings.TrimSpace(text) != "" && len(text) <= 100
}

// validateWire checks the shape of the request.
func validateWire(c map[string]any) error {
	wire, method := WireContract, http.MethodPost
	for name, into := range map[string]*string{"wire": &wire, "method": &method} {
		if text, ok := c[name].(string); ok {
			*into = text
		} else if c[name] != nil {
			return Errorf(Invalid, "config.%s must be a string", name)
		}
	}
	address, _ := c["url"].(string)
	u, _ := url.Parse(address) // which was checked
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	secret, isText := c["secret_header"].(string)
	switch {
	case !slices.Contains(Wires(), wire):
		return Errorf(Invalid, "config.wire must be one of %s", strings.Join(Wires(), ", "))
	case !slices.Contains(methods, method):
		return Errorf(Invalid, "config.method must be one of %s", strings.Join(methods, ", "))
	case method != http.MethodPost && wire != WireElevenLabs:
		return Errorf(Invalid, "config.method must be POST unless config.wire is %s", WireElevenLabs)
	case c["secret_header"] != nil && (!isText || !headerName(secret) || ownHeader(secret)):
		return Errorf(Invalid, "config.secret_header must be the name of a header of your own, such as Authorization")
	case c["secret_header"] != nil && wire != WireVapi && wire != WireElevenLabs:
		return Errorf(Invalid, "config.secret_header needs config.wire %s or %s: the others sign the request", WireVapi, WireElevenLabs)
	case u != nil && strings.ContainsAny(u.Host, "{}"):
		return Errorf(Invalid, "config.url must name its host: arguments fill its path and query only")
	}
	return validateHeaders(c["headers"])
}

// headerName says that a text is a token of RFC 9110 section 5.6.2.
func headerName(text string) bool {
	return text != "" && len(text) <= 100 && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") == ""
}

// ownHeader says that a header is the server's to set.
func ownHeader(name string) bool {
	switch name = strings.ToLower(name); name {
	case "host", "content-length", "content-type", "connection", "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive",
		"idempotency-key", "x-vocode-signature", "x-retell-signature":
		return true
	}
	return strings.HasPrefix(name, "webhook-") || strings.HasPrefix(name, "proxy-")
}

// keyHeader says that a header usually holds a secret.
func keyHeader(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"authorization", "cookie", "secret", "token", "password", "api-key", "apikey", "api_key"}, func(part string) bool { return strings.Contains(name, part) })
}

func validateHeaders(v any) error {
	headers, ok := v.(map[string]any)
	if v != nil && !ok || len(headers) > mostHeaders {
		return Errorf(Invalid, "config.headers must be an object of at most %d texts", mostHeaders)
	}
	for name, value := range headers {
		text, isText := value.(string)
		switch {
		case !headerName(name) || ownHeader(name):
			return Errorf(Invalid, "config.headers must have names of headers of your own")
		case keyHeader(name):
			return Errorf(Invalid, "config.headers must hold no secret: put it into config.signature_secret, and the header's name into config.secret_header")
		case !isText || len(text) > 1000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return Errorf(Invalid, "config.headers must hold texts of one line and at most 1000 bytes")
		}
	}
	return nil
}

// validateSignature checks the secret of an external action: what signs by the contract is
// base64, what other products take is any text that a header can hold.
func (a Action) validateSignature() error {
	text := a.SignatureSecret.Reveal()
	var c struct {
		Wire string `json:"wire"`
	}
	_ = json.Unmarshal(a.Config, &c) // which was checked
	if c.Wire == "" || c.Wire == WireContract {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return Errorf(Invalid, "config.signature_secret must be base64")
		}
		return nil
	}
	if len(text) > 4096 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Errorf(Invalid, "config.signature_secret must be of printable ASCII, at most 4096 bytes")
	}
	return nil
}
