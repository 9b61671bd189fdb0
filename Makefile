.PHONY: help run demo test generate check lint bench bench-save diff mutants simulate torture abuse crowd

# Packages that ./... leaves out.
ASIDE = ./api/conformance/testdata/mapserver ./.ci/contract-diff

# It reads what 'make bench' writes. Nothing is built from it, so that it is not in go.mod.
BENCHSTAT = go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

# How many rounds 'make torture' has on each database.
ROUNDS = 100

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\): [^#]*## \(.*\)/  \1\t\2/p; s/^\([a-z-]*\): ## \(.*\)/  \1\t\2/p' Makefile | expand -t 15

run: ## run the backend on SQLite in ./rejoin-data
	go run ./server/cmd/rejoin serve

demo: ## a lively community, and a page of another origin that embeds every widget of it in every way; Ctrl-C ends both
	go run ./server/internal/demo

# SQLite was translated from C and keeps its data outside of Go's heap, where the race detector does not look: instrumented,
# it finds nothing there and costs as much as half of the tests. The driver around it is watched like everything else.
UNWATCHED = -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc/...=-race=false

test: ## every test, on SQLite and, where it is installed, on PostgreSQL
	@echo "The first run also compiles everything with the race detector: about ten minutes on two cores. Later runs take about half of that."
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		echo "PostgreSQL is not installed: the tests run on SQLite only."
	go test -race -timeout 60m $(UNWATCHED) ./...

generate: ## models, client, stub and JSON from the contract
	go generate ./gen ./api/conformance

check: generate ## what is committed is what the contract generates, formatted, vetted and linted
	@echo "What is generated is compared with what is committed, not with what is in the work tree: commit first."
	@git diff --exit-code HEAD -- gen api/openapi.gen.json client/*.gen.go api/conformance/CONFORMANCE.md || \
		{ echo "What is committed is not what api/openapi.yaml generates: commit what 'make generate' wrote."; exit 1; }
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted:" $$unformatted; exit 1; }
	go mod tidy -diff
	go vet ./... $(ASIDE)
	go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./... $(ASIDE)
	go test ./api ./api/conformance -run 'Contract|Document'

lint: ## the contract by the rules of Redocly and Spectral, and its formats against ajv-formats (needs Node.js)
	@.ci/lint

bench: ## speed, side by side with what it is compared to, in one table: make bench ONLY='POST /channels'
	@mkdir -p .bench && rm -f .bench/latest.txt
	REJOIN_BENCH_ONLY='$(ONLY)' REJOIN_BENCH_LINES='$(CURDIR)/.bench/latest.txt' go test ./server -run '^$$' -bench . -timeout 20m
	go test ./api/contract -run '^$$' -bench . -count 5 > .bench/contract.txt; status=$$?; cat .bench/contract.txt; exit $$status
	@cat .bench/contract.txt >> .bench/latest.txt
	@test ! -f .bench/baseline.txt || $(BENCHSTAT) .bench/baseline.txt .bench/latest.txt

bench-save: ## keep what 'make bench' measured last: later runs are compared with it
	@test -f .bench/latest.txt || { echo "Nothing is measured yet: run 'make bench' first."; exit 1; }
	cp .bench/latest.txt .bench/baseline.txt

diff: ## whether the contract breaks callers of the last released one, or of another: make diff BASE=<revision>
	go test ./.ci/contract-diff
	@go run ./.ci/contract-diff $(BASE)

mutants: ## whether the conformance suite notices each of many deliberate faults
	go run ./server/internal/mutants

simulate: ## 1,000 members live for 400 days on each database, and what they have is counted again: README.md says what
	REJOIN_SIMULATE=long go test ./server -run EveryNumberIsRight -count=1 -v -timeout 4h

torture: ## whether anything is lost, doubled or left over after 100 kills on each database: make torture ROUNDS=1000
	REJOIN_TEST_TORTURE=$(ROUNDS) go test ./server/cmd/rejoin -run TestNothingIsLostOrDoubled -count 1 -v -timeout 2h

abuse: ## what users notice while others send 100,000 hostile requests, 2,000 slow connections, 500 uploads and 5,000 log-ins
	REJOIN_TEST_ABUSE=whole go test ./server/cmd/rejoin -run TestHonestUsersAreServedWhateverOthersSend -count 1 -v -timeout 1h

crowd: ## how soon a message is with 5,000 who follow, and 10,000 events with 1,000 webhooks, while servers are killed, too
	REJOIN_TEST_CROWD=whole go test ./server/cmd/rejoin -run 'TestAMessageReachesEverybody|OfWhatWebhooksAreSent' -count 1 -v -timeout 2h
