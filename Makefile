# What there is to do with this project, each by one word: `make help` lists them.
#
# Only `setup` changes the machine: it installs the Debian packages that are missing.

CARGO ?= cargo
MAKEFLAGS += --no-print-directory

.PHONY: help setup demo test faults faults-red soak hostile fuzz types lint doc features bench instructions ci clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name words; do \
		printf '  %-12s %s\n' "$$name" "$$words"; done

setup: ## Install the Debian packages that are missing (ODBC, its drivers, PostgreSQL, PgBouncer)
	@tools/setup

demo: setup ## Run the demonstration; SURVEYS=file.csv takes your own survey responses, ARGS="..." goes to it as it is
	@echo "demo: building (some minutes the first time)" >&2
	@$(CARGO) run --quiet --locked --release --example demo --all-features -- \
		$(if $(SURVEYS),--surveys "$(SURVEYS)") $(ARGS)

test: setup ## Run all tests: servers are started for them and stopped after them
	$(CARGO) test --locked --all-features

faults: setup ## Prove the promises by faults, with full loads; ARGS="--only T5,T7 --seed 42" goes to it as it is
	@$(CARGO) test --quiet --locked --all-features --test faults -- --full $(ARGS)
	@$(CARGO) build --quiet --locked --all-features --example replicated_survey
	@BATCHDB_REPLICA_ROUNDS=20 $(CARGO) test --quiet --locked --all-features --test examples -- --nocapture three_replicas

faults-red: setup ## The same faults on the bare drivers, which must be seen to break the promises
	@$(CARGO) test --quiet --locked --all-features --test faults -- --full --red $(ARGS)

soak: setup ## All faults for a while, by chance: MINUTES=10, and SEED=42 to repeat one
	@$(CARGO) test --quiet --locked --all-features --test faults -- --soak $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

hostile: setup ## Send 100,000 hostile values through each backend, cut 100,000 scripts; HOSTILE_SEED=number repeats a run
	HOSTILE_VALUES=100000 $(CARGO) test --locked --all-features --test it hostile -- --nocapture
	PROPTEST_CASES=100000 $(CARGO) test --locked --all-features --lib -- sql::script migrate::name migrate::directives

fuzz: ## Fuzz what reads migration files, MINUTES=1 for each target; needs a nightly compiler and cargo-fuzz
	@for target in script file_name directives; do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$$(($(or $(MINUTES),1) * 60)) -dict=fuzz/sql.dict || exit 1; done

types: setup ## Send many random values of every type through each backend; TYPES_SEED=number repeats a run
	TYPES_ROUNDS=200 $(CARGO) test --locked --all-features --test it types:: -- --nocapture

lint: ## Check the formatting, and clippy's opinion
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings

doc: ## Build the documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --all-features

features: ## Check each feature alone, none, one that may come from elsewhere, and that PostgreSQL alone needs no ODBC
	@CARGO="$(CARGO)" tools/features
	@CARGO="$(CARGO)" tools/postgres-only

bench: setup ## Measure side by side with the bare drivers; ARGS="--only point,rows" runs some rows, ARGS=--list names them
	@$(CARGO) bench --quiet --locked --all-features --bench driver -- $(ARGS)
	@$(if $(ARGS),,$(CARGO) bench --quiet --locked --all-features --bench allocations)

instructions: ## Count the instructions of a point query, and those of them that monitoring costs; installs valgrind
	@tools/setup valgrind
	@$(CARGO) bench --quiet --locked --all-features --bench instructions

ci: ## Run everything that must pass before a change lands
	@.ci/run

clean: ## Remove what was built
	$(CARGO) clean
