package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
)

// connect stands for client.New(url, key) in the examples, which run on a
// server of their own: what they print is what it answered.
func connect() (api *client.Client, url string, stop func()) {
	dir, err := os.MkdirTemp("", "sidetone-example-")
	if err != nil {
		log.Fatal(err)
	}
	api, url, end, err := start(dir)
	if err != nil {
		log.Fatal(err)
	}
	return api, url, func() {
		if err := errors.Join(end(), os.RemoveAll(dir)); err != nil {
			log.Print(err)
		}
	}
}

// An agent that answers a number: made of a prompt, placed on a number that is
// bought, and changed later. What a change does not name stays.
func ExampleNumbers_Update() {
	ctx := context.Background()
	api, _, stop := connect()
	defer stop()

	agent, err := api.Agents().Create(ctx, client.Agent{
		Name:           "Baker",
		Prompt:         &client.Prompt{Content: "You answer the phone of a bakery."},
		InitialMessage: "Corner bakery, what can I do for you?",
	})
	if err != nil {
		log.Fatal(err)
	}
	number, err := api.Numbers().Buy(ctx, client.Purchase{PhoneNumber: "+14155550100"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := api.Numbers().Update(ctx, number.Number, client.Change{"inbound_agent": agent.ID}); err != nil {
		log.Fatal(err)
	}
	number, err = api.Numbers().Update(ctx, number.Number, client.Change{"label": "Main line", "max_concurrent_calls": 4})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(number.Number, number.Label, "is answered by", number.InboundAgent.Object.Name)
	// Output: +14155550100 Main line is answered by Baker
}

// A call is placed, followed event by event, and read when it is over. Nobody
// answers this number, so that the call ends at once.
func ExampleCalls_Events() {
	ctx := context.Background()
	api, _, stop := connect()
	defer stop()

	number, err := api.Numbers().Buy(ctx, client.Purchase{AreaCode: "415"})
	if err != nil {
		log.Fatal(err)
	}
	call, err := api.Calls().Create(ctx, client.CallRequest{
		FromNumber: number.Number,
		ToNumber:   "+12125550177",
		Agent:      client.Agent{Prompt: &client.Prompt{Content: "playbook: reminder\notherwise:\n  say: See you on Tuesday, ${name}."}},
		Context:    map[string]any{"name": "Ann"},
	}, client.IdempotencyKey("reminder-of-ann")) // sent twice, it calls once
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range api.Calls().Events(ctx, call.ID, 0) {
		if err != nil {
			log.Fatal(err) // or go on behind the last event's Sequence
		}
		if event.Type == "ended" {
			fmt.Println("ended:", event.Text)
		}
	}
	call, err = api.Calls().Get(ctx, call.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.ToNumber, call.Status, call.EndReason, call.Over())
	// Output:
	// ended: unknown_number
	// +12125550177 ended unknown_number true
}

// All reads a list to its end, page by page as the loop goes.
func ExampleLister_All() {
	ctx := context.Background()
	api, _, stop := connect()
	defer stop()

	for _, label := range []string{"greeting", "farewell", "hold"} {
		if _, err := api.Prompts().Create(ctx, client.Prompt{Label: label, Content: "..."}); err != nil {
			log.Fatal(err)
		}
	}
	query := client.Query{SortColumn: "label", Filters: `{"label": {"ne": "hold"}}`}
	for prompt, err := range api.Prompts().All(ctx, query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(prompt.Label)
	}
	// Output:
	// farewell
	// greeting
}

// A refusal says what is wrong, and with which property.
func ExampleError() {
	ctx := context.Background()
	api, _, stop := connect()
	defer stop()

	_, err := api.Agents().Create(ctx, client.Agent{Prompt: &client.Prompt{Content: "Hi"}, Language: "tlh"})
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.StatusCode, refused.Kind)
		fmt.Println(refused.Message)
	}
	// Output:
	// 400 Bad Request
	// language must be one of en, es, de, hi, pt, fr, nl, id, it, ja, ko
}

// A second environment with a key that sees nothing else, and a key that a
// client has already.
func ExampleClient_Environments() {
	ctx := context.Background()
	api, url, stop := connect()
	defer stop()

	staging, err := api.Environments().Create(ctx, "staging")
	if err != nil {
		log.Fatal(err)
	}
	there := *api // the first key is account-wide: it may act there
	there.Environment = staging.ID
	key, err := there.APIKeys().Create(ctx, client.KeyRequest{Label: "tests", Scopes: []string{"read"}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := there.APIKeys().Import(ctx, sidetone.Secret("bearer-of-the-old-system-1234"), client.KeyRequest{Label: "old"}); err != nil {
		log.Fatal(err)
	}
	who, err := client.New(url, key.Key).WhoAmI(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(who.Label, "works in", who.Environment.Name, "and may", who.Scopes)
	// Output: tests works in staging and may [read]
}
