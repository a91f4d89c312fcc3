//go:build bench

package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sidetone/sidetone/store/storetest"
	"github.com/sidetone/sidetone/webhook/delivery"
)

// TestTwentyThousand is TestFailingAtRandom with 20,000 messages.
func TestTwentyThousand(t *testing.T) { failAtRandom(t, 400, 50) }

// running starts a worker with true connections; the function that it returns ends it.
func (b *bench) running(sent func(string, bool, time.Duration)) (stop func()) {
	w := delivery.New(delivery.Config{Node: "n", Ledger: b.s, Sent: sent, Log: slog.New(slog.DiscardHandler),
		Client: func(string) *http.Client { return http.DefaultClient }})
	b.s.SetDeliverer(w.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	return func() { cancel(); <-done }
}

// at lets the bench's webhook lead to an address.
func (b *bench) at(address string) {
	b.t.Helper()
	b.address = address
	b.hook = b.webhook(fmt.Sprint("hook", time.Now().UnixNano()))
}

// TestDeliveryRate delivers 10,000 messages that wait, of 400 calls to 4 webhooks, to an
// endpoint on this machine: at least 1,000 a second.
func TestDeliveryRate(t *testing.T) {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer sink.Close()
	b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
	for i := range 4 {
		b.at(sink.URL)
		for j := range 100 {
			b.begin(fmt.Sprint("call", i, "-", j))
			b.say(fmt.Sprint("call", i, "-", j), 1, 24)
		}
	}
	var mu sync.Mutex
	count, all := 0, make(chan struct{})
	began := time.Now()
	defer b.running(func(string, bool, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == 10_000 {
			close(all)
		}
	})()
	<-all
	rate := 10_000 / time.Since(began).Seconds()
	t.Logf("%.0f deliveries a second", rate)
	if rate < 1000 {
		t.Error("fewer than 1,000")
	}
}

// firstAttempts tells a webhook 500 things, one every 5 ms, and returns the 99th percentile
// of the time to the first request.
func (b *bench) firstAttempts(delays *[]time.Duration, mu *sync.Mutex, call string) time.Duration {
	b.t.Helper()
	mu.Lock()
	*delays = nil
	mu.Unlock()
	b.begin(call)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := range 500 {
		<-tick.C
		if i%10 == 0 {
			b.begin(fmt.Sprint(call, "-", i))
		}
		b.say(fmt.Sprint(call, "-", i/10*10), i+1, 1)
	}
	for {
		<-tick.C
		mu.Lock()
		n := len(*delays)
		mu.Unlock()
		if n >= 551 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(*delays)
	return (*delays)[len(*delays)*99/100]
}

// TestDeadEndpointCosts: on an idle node the first request comes within 250 ms (p99); with
// 10,000 messages waiting for a dead endpoint it takes a tenth longer at most, and these cost
// 32 MiB at most.
func TestDeadEndpointCosts(t *testing.T) {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer sink.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + closed.Addr().String()
	_ = closed.Close()
	b := newBench(t, storetest.Open(t, storetest.SQLite(t), nil))
	b.at(sink.URL)
	good := b.hook
	var mu sync.Mutex
	var delays []time.Duration
	defer b.running(func(failure string, first bool, after time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if failure == "" && first {
			delays = append(delays, after)
		}
	})()
	b.firstAttempts(&delays, &mu, "warm")
	var without, with []time.Duration
	for i := range 3 {
		without = append(without, b.firstAttempts(&delays, &mu, fmt.Sprint("without", i)))
	}
	before := heap()
	b.at(address)
	for i := range 200 {
		b.begin(fmt.Sprint("dead", i))
		b.say(fmt.Sprint("dead", i), 1, 49)
	}
	if b.waiting() < 10_000 {
		t.Fatalf("only %d wait", b.waiting())
	}
	cost := heap() - before
	b.hook = good
	for i := range 3 {
		with = append(with, b.firstAttempts(&delays, &mu, fmt.Sprint("with", i)))
	}
	slices.Sort(without)
	slices.Sort(with)
	t.Logf("first attempt p99 (median of 3): %s without, %s with 10,000 waiting for a dead endpoint; %d KiB of heap for them", without[1], with[1], cost>>10)
	if without[1] > 250*time.Millisecond {
		t.Error("the first request comes later than 250 ms")
	}
	if cost > 32<<20 {
		t.Error("more than 32 MiB")
	}
	if float64(with[1]) > 1.1*float64(without[2]) {
		t.Error("more than a tenth longer than the slowest run without")
	}
}

func (b *bench) waiting() int {
	n, _, err := b.s.DeliveriesWaiting(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return int(n)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
