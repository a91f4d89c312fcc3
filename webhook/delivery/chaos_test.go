package delivery_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	reference "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/store"
)

// TestFailingAtRandom: an endpoint that fails at random, and is dead for a while, gets
// everything, each call's messages in their order.
func TestFailingAtRandom(t *testing.T) {
	t.Parallel()
	failAtRandom(t, 40, 25)
}

// failAtRandom sends what calls tell to an endpoint that fails every fourth time in one of
// many ways, and is dead for two hours.
func failAtRandom(t *testing.T, calls, messages int) {
	t.Helper()
	inBubble(t, func(t *testing.T, b *bench) {
		b.sweep = 5 * time.Second
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
		dead := time.Now().Add(2 * time.Second)
		alive := dead.Add(2 * time.Hour)
		taken := map[string]int{} // by the webhook-id
		var order []request
		e := &endpoint{}
		e.answer = func(_ int, r request) (*http.Response, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if now := time.Now(); now.After(dead) && now.Before(alive) {
				return nil, errors.New("connection refused")
			}
			switch random.IntN(24) {
			case 0:
				return respond(500, ""), nil
			case 1:
				return respond(429, "", "Retry-After", "2"), nil
			case 2:
				return nil, errors.New("connection reset")
			case 3:
				return respond(301, ""), nil
			case 4:
				return respond(404, ""), nil
			case 5: // it took it, and the answer was lost
				taken[r.id]++
				order = append(order, r)
				return nil, errors.New("connection reset")
			}
			taken[r.id]++
			order = append(order, r)
			return respond(200, ""), nil
		}
		stop := b.worker("n", b.s, e)
		defer stop()
		for i := range calls {
			b.begin(fmt.Sprint("call", i))
			b.say(fmt.Sprint("call", i), 1, messages-1)
		}
		for hour := 0; hour < 100 && b.states()[sidetone.DeliveryDone] < calls*messages; hour++ {
			<-time.After(time.Hour)
		}
		stop()
		if b.states()[sidetone.DeliveryDone] != calls*messages || len(taken) != calls*messages {
			t.Errorf("%d of %d arrived: %v", len(taken), calls*messages, b.states())
		}
		b.inOrder(order)
	})
}

// inOrder checks the order of what an endpoint took, and every signature.
func (b *bench) inOrder(took []request) {
	b.t.Helper()
	var h sidetone.Webhook
	if err := b.s.Read(b.t.Context(), b.env, func(tx *store.Tx) (err error) { h, err = tx.Webhook(b.hook.WebhookID); return err }); err != nil {
		b.t.Fatal(err)
	}
	verifier, err := reference.NewWebhook(h.Secret.Reveal())
	if err != nil {
		b.t.Fatal(err)
	}
	last := map[string]int64{}
	for _, r := range took {
		if next := last[r.callID] + 1; r.sequence != next && r.sequence != next-1 { // the one before may come again
			b.t.Errorf("%s: %d follows %d", r.callID, r.sequence, last[r.callID])
		}
		last[r.callID] = r.sequence
		if err := verifier.VerifyIgnoringTimestamp([]byte(r.body), r.header); err != nil {
			b.t.Errorf("%s: %v", r.id, err)
		}
	}
}
