package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/sidetone/sidetone"
	"github.com/sidetone/sidetone/webhook"
)

// webhooksCommand has the secret, the test and a receiver beside the five commands.
type webhooksCommand struct {
	plainNoun
	RotateSecret webhookRotate `cmd:"" help:"Give one another secret; the one before signs beside it for a while."`
	Test         webhookTest   `cmd:"" help:"Send a test to one, and show what came of it."`
	Listen       webhookListen `cmd:"" help:"Receive what webhooks are told, on this machine, and say whether the signatures are right."`
}

// deliveriesCommand is what webhooks were to be told.
type deliveriesCommand struct {
	List   listCommand      `cmd:"" help:"Show a page, or all of them."`
	Get    getCommand       `cmd:"" help:"Show one with its requests and their responses."`
	Replay deliveriesReplay `cmd:"" help:"Send again what was delivered or given up: one, or those that the flags select."`
}

type webhookRotate struct {
	remote
	ID      string `arg:"" help:"Id of the webhook."`
	Overlap int    `help:"Hours for which the secret before goes on signing; 0 ends it at once." default:"24" placeholder:"HOURS"`
}

// Run gives the webhook another secret and prints it.
func (w webhookRotate) Run(a *app) error {
	out, err := w.ask(a, http.MethodPost, "/v1/webhooks/rotate_secret", url.Values{"id": {w.ID}, "overlap_hours": {strconv.Itoa(w.Overlap)}}, nil)
	if err != nil {
		return err
	}
	return w.show(a, out)
}

type webhookTest struct {
	remote
	ID string `arg:"" help:"Id of the webhook."`
}

// Run sends a test; errSilent when it was not delivered.
func (w webhookTest) Run(a *app) error {
	out, err := w.ask(a, http.MethodPost, "/v1/webhooks/test", url.Values{"id": {w.ID}}, nil)
	if err != nil {
		return err
	}
	if err := w.show(a, out); err != nil {
		return err
	}
	if out["delivered"] == false {
		return errSilent
	}
	return nil
}

type deliveriesReplay struct {
	remote
	ID      string `arg:"" optional:"" help:"Id of a delivery."`
	Webhook string `help:"Those of this webhook." placeholder:"ID"`
	Call    string `help:"Those about this call." placeholder:"ID"`
	State   string `help:"delivered or dead." placeholder:"STATE"`
	Type    string `help:"Those of this event." placeholder:"EVENT"`
	Since   string `help:"Not before this time." placeholder:"TIME"`
	Until   string `help:"Before this time." placeholder:"TIME"`
}

// Run queues deliveries again until there are no more.
func (d deliveriesReplay) Run(a *app) error {
	what := object{}
	for name, value := range map[string]string{"id": d.ID, "webhook": d.Webhook, "call_id": d.Call, "state": d.State, "type": d.Type, "since": d.Since, "until": d.Until} {
		if value != "" {
			what[name] = value
		}
	}
	out, err := d.ask(a, http.MethodPost, "/v1/webhook_deliveries/replay", nil, what)
	if err != nil {
		return err
	}
	return d.show(a, out)
}

const (
	// listenMost is the largest body that the receiver takes.
	listenMost = 8 << 20
	// listenHeader bounds how long a request's header may take.
	listenHeader = 5 * time.Second
)

type webhookListen struct {
	Addr   string `help:"Where to listen, host:port; port 0 takes a free one." default:"127.0.0.1:8099" placeholder:"ADDR"`
	Secret string `help:"The webhook's signature_secret; better given as a variable. Without it signatures are not checked." env:"SIDETONE_WEBHOOK_SECRET" placeholder:"SECRET"`
	Status int    `help:"The status to answer with, to see what a failure does." default:"204" placeholder:"STATUS"`
	Bodies bool   `help:"Print whole bodies."`
	Count  int    `help:"End after so many; 0: never." placeholder:"N"`
}

// Run receives until it is interrupted.
func (l webhookListen) Run(a *app) error {
	secret := sidetone.Secret(l.Secret)
	if secret != "" {
		if _, err := sidetone.WebhookKey(secret); err != nil {
			return errors.New("--secret must be a webhook's signature_secret: whsec_ and base64")
		}
	}
	if l.Status < 200 || l.Status > 599 {
		return errors.New("--status must be between 200 and 599")
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(a.ctx, "tcp", l.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(a.err, "listening on http://%s\n", listener.Addr())
	ctx, enough := context.WithCancel(a.ctx)
	defer enough()
	r := &receiver{listen: l, secret: secret, out: plainWriter{a.out}, now: time.Now, enough: enough}
	server := &http.Server{Handler: r, ReadHeaderTimeout: listenHeader}
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(end) // it is over either way
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// receiver prints what webhooks are told.
type receiver struct {
	listen webhookListen
	secret sidetone.Secret
	out    io.Writer
	now    func() time.Time
	enough context.CancelFunc

	mu    sync.Mutex
	count int
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, listenMost))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	verdict, status := r.verdict(q.Header, body)
	fmt.Fprintf(r.out, "%s %s %s\n", r.now().Format("15:04:05.000"), line(body), verdict)
	if r.listen.Bodies {
		fmt.Fprintf(r.out, "%s\n", body)
	}
	w.WriteHeader(status)
	if r.count++; r.count == r.listen.Count {
		r.enough()
	}
}

// verdict says whether the signature is right, and what is answered.
func (r *receiver) verdict(h http.Header, body []byte) (string, int) {
	if r.secret == "" {
		return "(signature not checked)", r.listen.Status
	}
	if err := webhook.Verify(h, body, r.secret, r.now()); err != nil {
		return "NOT VERIFIED: " + err.Error(), http.StatusUnauthorized
	}
	return "verified", r.listen.Status
}

// line is a delivery in a few words.
func line(body []byte) string {
	var sent struct {
		Type     string
		CallID   string `json:"call_id"`
		Sequence int64
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return fmt.Sprintf("%d bytes that are no JSON object", len(body))
	}
	text := sent.Type
	if sent.CallID != "" {
		text += fmt.Sprintf(" call %s #%d", sent.CallID, sent.Sequence)
	}
	return text
}
