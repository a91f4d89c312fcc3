package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/client"
)

// Example connects to a server.
func Example() {
	api := client.New("http://127.0.0.1:8080", sidetone.Secret(os.Getenv("SIDETONE_API_KEY")))
	api.Retries = 3 // reads, and what has an IdempotencyKey
	if err := remind(context.Background(), api, "+12125550177", os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// remind makes an agent, gives it a number, calls a customer and tells what
// happened.
func remind(ctx context.Context, api *client.Client, customer string, out io.Writer) error {
	agent, err := api.Agents().Create(ctx, client.Agent{
		Name:            "Reminder",
		Prompt:          &client.Prompt{Content: "playbook: reminder\notherwise:\n  say: See you on Tuesday, ${name}. Goodbye.\n  hang up"},
		InitialMessage:  "Hello, this is the clinic.",
		WaitForGreeting: new(false),
	}, client.IdempotencyKey("reminder-1"))
	if err != nil {
		return fmt.Errorf("create the agent: %w", err)
	}
	number, err := api.Numbers().Buy(ctx, client.Purchase{AreaCode: "415", InboundAgent: agent.ID}, client.IdempotencyKey("reminder-2"))
	if err != nil {
		return fmt.Errorf("buy a number: %w", err)
	}

	// Absent stays, nil is the default again, anything else is the new value.
	agent, err = api.Agents().Update(ctx, agent.ID, client.Change{
		"idle_time_seconds": 20,
		"voice":             nil,
		"prompt":            client.Change{"label": "Appointments"},
	})
	if err != nil {
		return fmt.Errorf("change the agent: %w", err)
	}

	call, err := api.Calls().Create(ctx, client.CallRequest{
		FromNumber: number.Number, ToNumber: customer, Agent: agent.ID, Context: map[string]any{"name": "Ann"},
	}, client.IdempotencyKey("reminder-3"))
	if err != nil {
		return fmt.Errorf("call %s: %w", customer, err)
	}
	for event, err := range api.Calls().Events(ctx, call.ID, 0) { // until the call is over
		if err != nil {
			return err
		}
		fmt.Fprintln(out, event.OffsetMS, event.Type, event.Text)
	}
	for call, err := range api.Calls().All(ctx, client.Query{Filters: `{"status": {"in": ["ended", "error"]}}`}) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, call.ToNumber, call.Status, call.EndReason)
	}

	_, err = api.Agents().Delete(ctx, agent.ID)
	var refused *client.Error
	if errors.As(err, &refused) && refused.StatusCode == 409 {
		fmt.Fprintln(out, refused.Message) // names the number that it answers
		return nil
	}
	return err
}
