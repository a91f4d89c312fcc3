# Every target with a "##" comment shows in `make help`.
SHELL := /bin/bash
GO ?= go
BIN := bin/sidetone
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT_VERSION := v2.15.0
RUNS ?= 10
SHIFTS ?= $(shell seq 0 19)
# They start no goroutine (repo_test.go sees to it), so that the race detector
# has nothing to find in them; it makes their sums five times slower.
PURE := ./audio ./conversation

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

.PHONY: setup
setup: ## Install the system programs that the demo and the tests need
	@scripts/setup

.PHONY: build
build: ## Build bin/sidetone
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/sidetone

.PHONY: demo
demo: setup build ## A whole day of a clinic's receptionist in a minute: real SIP, real speech, no account
	@$(BIN) demo

.PHONY: run
run: setup build ## Leave a server running and print how to call it
	@$(BIN) serve --data data --hints

.PHONY: test
test: setup ## Run every test, with the race detector where goroutines are
	$(GO) vet ./...
	$(GO) test -timeout 15m $(PURE)
	$(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v /e2e | grep -vxF "$$($(GO) list $(PURE))")
	$(GO) test -timeout 5m -tags million -run '^TestMillion' ./store   # compares times, which the race detector would distort
	$(GO) test -p 1 -timeout 12m ./e2e/...   # real time and real speech: nothing else may load the machine

.PHONY: faults
faults: setup ## Break things: hostile SIP and RTP, killed programs, full disks; then the long runs of ordinary tests
	$(GO) test -count=1 -v -timeout 20m ./e2e/faults
	SIDETONE_TEST_LONG=1 $(GO) test -count=1 -timeout 60m \
		$$(grep -rl --include='*_test.go' SIDETONE_TEST_LONG . | xargs -n 1 dirname | sort -u)

.PHONY: demo-repeat
demo-repeat: setup build ## Play the demo RUNS times each way and once for each of SHIFTS (ms); 40 runs take 40 minutes
	@RUNS="$(RUNS)" SHIFTS="$(SHIFTS)" scripts/demo-repeat

.PHONY: lint
lint: ## Run the linters
	@scripts/lint $(LINT_VERSION)

.PHONY: bench
bench: setup build ## Measure against the committed baseline, in about 17 minutes
	$(GO) test -count=1 -v -tags bench -run '^(TestReadsAgainst|TestUpdatesShare|TestRefusals|TestForged)' ./api   # ratios within one run
	SIDETONE_TEST_STRICT=1 $(GO) test -count=1 -v -timeout 5m -tags million -run '^TestMillion' ./store
	@$(BIN) bench --baseline bench/baseline.json

.PHONY: fmt
fmt: ## Format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
