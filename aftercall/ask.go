package aftercall

import (
	"context"
	"strings"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/llm"
)

const (
	// mostAsked is how often a model is asked: once, and twice again about its faults.
	mostAsked = 3
	// longestAnswer is how many bytes of an answer are read.
	longestAnswer = 256 << 10
	// answerTokens bounds an answer.
	answerTokens = 4096
)

// Ask asks a model, and again with the faults of its answer, twice at most. What still has
// none of the right form then is a result without a value that says why. An error is the
// model's failure to answer.
func Ask(ctx context.Context, d llm.Driver, model string, q Question) (sidetone.Findings, error) {
	answer, messages := NewAnswer(q), q.Messages()
	for asked := 1; ; asked++ {
		text, err := generate(ctx, d, llm.Request{Model: model, Messages: messages, MaxTokens: answerTokens, Seed: q.call.ID})
		if err != nil {
			return sidetone.Findings{}, err
		}
		faults := answer.Read(text)
		if len(faults) == 0 || asked == mostAsked {
			return sidetone.Findings{Results: answer.Results(), DoNotCall: answer.DoNotCall()}, nil
		}
		messages = append(messages, llm.Message{Role: llm.Assistant, Text: text},
			llm.Message{Role: llm.User, Text: "Your answer has faults. Give the whole JSON object again, without them:\n- " + strings.Join(faults, "\n- ")})
	}
}

// generate is one answer as text.
func generate(ctx context.Context, d llm.Driver, r llm.Request) (string, error) {
	var b strings.Builder
	for delta, err := range d.Generate(ctx, r) {
		if err != nil {
			return "", err
		}
		if b.Len()+len(delta.Text) > longestAnswer {
			return b.String(), nil // it is no answer of the form that was asked for
		}
		b.WriteString(delta.Text)
		if delta.Done != nil {
			break
		}
	}
	return b.String(), nil
}
