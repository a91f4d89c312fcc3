# Every target with a "##" comment shows in `make help`.
SHELL := /bin/bash
GO ?= go
BIN := bin/sidetone
BEGUN := $(shell date +%s)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT_VERSION := v2.15.0
RUNS ?= 10
SHIFTS ?= $(shell seq 0 19)
# They start no goroutine (repo_test.go sees to it), so that the race detector
# has nothing to find in them; it makes their sums five times slower.
PURE := ./audio ./conversation ./conversation/script ./conversation/turns ./journal
# SQLite is C that was translated to Go, one goroutine to a connection: watching each
# of its accesses takes six times as long and has nothing to find. The package
# instantiates nothing generic; one that does must be watched, for the linker may take
# its copy for the whole program.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

.PHONY: setup
setup: ## Install the system programs that the tests and the benchmark need
	@scripts/setup all

.PHONY: setup-demo
setup-demo: ## Install the system programs that the demo needs
	@scripts/setup demo

.PHONY: build
build: ## Build bin/sidetone
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/sidetone

.PHONY: demo
demo: setup-demo build ## A whole day of a clinic's receptionist in a minute: real SIP, real speech, no account
	@$(BIN) demo

.PHONY: run
run: setup-demo build ## Leave a server running and print how to call it
	@$(BIN) serve --data data --hints

.PHONY: test
test: setup ## Run every test, with the race detector where goroutines are
	$(GO) vet ./...
	$(GO) test -timeout 15m $(PURE)
	$(GO) test -timeout 15m -run '/sqlite|^(TestNothingIsAcceptedAndIgnored|TestGoldenRenderings)$$' ./api   # six times slower with the race detector; two lines below are the tests on Postgres
	$(GO) test -timeout 15m -run '^(TestHeardWordsAtEveryPosition|TestOwnSoundDoesNotInterruptTheAgent)$$' ./call   # in full length
	$(GO) test $(RACE) -timeout 15m ./telephony/sip $$($(GO) list ./... | grep -v /e2e | grep -vxF "$$($(GO) list $(PURE))")
	$(GO) test -timeout 5m -tags million -run '^TestMillion' ./store   # compares times, which the race detector would distort
	$(GO) test -p 1 -timeout 12m ./e2e/...   # real time and real speech: nothing else may load the machine
	@echo "every test passed, in $$((($$(date +%s) - $(BEGUN)) / 60)) min $$((($$(date +%s) - $(BEGUN)) % 60)) s"

.PHONY: faults
faults: setup ## Break things: hostile SIP and RTP, killed programs, full disks; then the long runs of ordinary tests
	$(GO) test -count=1 -v -timeout 60m -tags faults ./e2e/faults
	SIDETONE_TEST_LONG=1 $(GO) test -count=1 -v -timeout 30m -run '^TestNoFaultOfAVendorIsMetWithSilence$$' ./call
	SIDETONE_TEST_LONG=1 $(GO) test -count=1 -timeout 60m \
		$$(grep -rl --include='*_test.go' SIDETONE_TEST_LONG . | xargs -n 1 dirname | sort -u)

.PHONY: vendors
vendors: setup ## Let the official clients of vendors talk with our stand-ins, without a network; npm brings the clients
	$(GO) test -count=1 -v -timeout 10m -tags vendors ./e2e/vendors
	$(GO) test -count=1 -v -timeout 6m -tags vendors -run '^TestTwiliosLibraryAnswers$$' ./e2e

.PHONY: live
live: setup ## Run the suites of drivers against vendors themselves, with your keys and at their prices
	$(GO) test -count=1 -v -timeout 30m -run '^TestLive$$' ./server -live

.PHONY: demo-repeat
demo-repeat: setup-demo build ## Play the demo RUNS times each way and twice for each of SHIFTS (ms); 70 runs take an hour and a quarter
	@RUNS="$(RUNS)" SHIFTS="$(SHIFTS)" scripts/demo-repeat

.PHONY: lint
lint: ## Run the linters
	@scripts/lint $(LINT_VERSION)

.PHONY: bench
bench: setup build ## Measure against the committed baseline, in about half an hour
	$(GO) test -count=1 -v -tags bench -run '^(TestReadsAgainst|TestUpdatesShare|TestRefusals|TestForged)' ./api   # ratios within one run
	$(GO) test -count=1 -v -timeout 10m -tags bench -run '^(TestDialLatency|TestIdleServer|TestReplayAll)$$' ./e2e/faults
	$(GO) test -count=1 -v -timeout 10m -tags bench -run '^(TestTwentyThousand|TestDeliveryRate|TestDeadEndpointCosts)$$' ./webhook/delivery
	$(GO) test -count=1 -v -timeout 5m -tags million -run '^TestMillion' ./store
	@$(BIN) bench --baseline bench/baseline.json

.PHONY: dist
dist: ## Build the release into dist/: binaries, systemd unit, bill of materials, checksums
	@scripts/dist $(VERSION)

.PHONY: docs
docs: ## Write the documents that show what the program supports; a test fails when they are stale
	$(GO) run ./cmd/docs support
	$(GO) run ./cmd/docs vendors

.PHONY: picture
picture: setup-demo build ## Draw docs/call.svg from the recording and the events of a real demo
	@scripts/picture

.PHONY: fmt
fmt: ## Format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist
