# Every target with a "##" comment shows in `make help`.
SHELL := /bin/bash
GO ?= go
BIN := bin/sidetone
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT_VERSION := v2.15.0

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
test: setup ## Run every test, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v /e2e)
	$(GO) test -p 1 -timeout 12m ./e2e/...   # real time and real speech: nothing else may load the machine

.PHONY: lint
lint: ## Run the linters
	@scripts/lint $(LINT_VERSION)

.PHONY: bench
bench: build ## Measure against the committed baseline
	@$(BIN) bench --baseline bench/baseline.json

.PHONY: fmt
fmt: ## Format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
