package api

import (
	"testing"

	"github.com/sidetone/sidetone/store/storetest"
)

// TestUnconfirmedCommitIs503 loses the reply to a COMMIT on Postgres: the client
// learns that nobody knows whether the change was stored, and a repetition with
// the same idempotency key leaves one prompt, whichever it was.
func TestUnconfirmedCommitIs503(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"not stored": false, "stored": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			through, arm := storetest.CutCommit(t, storetest.Postgres(t), stored)
			b := newBench(t, storetest.Open(t, through, nil))
			const target, body = "POST /v1/prompts/create", `{"label":"greeting","content":"Be kind."}`
			arm()
			b.with("key", target, body).fails(503, "the database did not confirm the change: it is not known whether it was stored")
			if got := b.with("key", target, body).want(201).header.Get("Idempotency-Replayed") == "true"; got != stored {
				t.Errorf("the answer is a repeated one: %v, want %v", got, stored)
			}
			if total := b.do("GET /v1/prompts/list", "").want(200).at("total"); total != float64(1) {
				t.Errorf("%v prompts", total)
			}
		})
	}
}
