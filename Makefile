# Two commands matter: `make demo` and `make test`. Both install what they need beyond a Rust toolchain, Node 20 with npm, and Python 3.11.

CONTRACTS := verifier-contracts
TOOLCHAIN := $(CONTRACTS)/node_modules/.installed

.PHONY: demo test postgres scale fuzz nightly mutants mutants-rust build contracts wheel web lint clippy doc book sbom advisories bench bench-predicted bench-growth bench-large clean

# Where `bench-large` makes its networks: 2 GiB of files.
LARGE ?= target/large
LARGE_NETWORKS ?= gpt2_16 gpt2_64 bert_64 resnet50 mobilenetv2_224 vit_tiny

demo: $(TOOLCHAIN) ## compile a model, sell it, buy a proven inference, pay on chain; then everything that must fail
	cargo run --release --locked --bin assay -- demo

test: $(TOOLCHAIN) postgres lint ## everything; the demo is among the command's tests
	cargo test --release --locked --workspace
	$(CONTRACTS)/test.sh
	api/tests/schemathesis.sh
	web/test.sh
	python/test-wheel.sh
	gpu/cuda/test.sh
	.ci/book.sh

FUZZ_SECONDS ?= 3600

fuzz: ## mutations of every reader's corpus, for an hour or FUZZ_SECONDS; docs/testing.md
	ASSAY_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --release --locked --workspace --test decoders -- mutations --nocapture

SEED ?= $(shell date +%j)

nightly: fuzz ## what a night is for, with another SEED each day: every reader for FUZZ_SECONDS, 5,000 damaged models, 4,000 random graphs; needs PyTorch's requirements
	ASSAY_MUTATIONS=5000 ASSAY_MUTATIONS_FROM=$(SEED)00000 cargo test --release --locked --workspace --test compile -- mutated --nocapture
	cargo build --release --locked --workspace --examples
	python3 fixtures/random_graphs.py --count 4000 --seed $(SEED)00000

MUTANTS ?= 200

mutants: $(TOOLCHAIN) ## changes the Solidity verifier in one place at a time, MUTANTS times, and says what no test noticed; hours, docs/testing.md
	python3 tests/mutants/solidity.py run --sample $(MUTANTS) --results target/mutants-solidity.jsonl

mutants-rust: ## the same with the Rust verifier; one build of all changes, then MUTANTS of them
	python3 tests/mutants/rust.py build
	python3 tests/mutants/rust.py run --sample $(MUTANTS)

postgres: ## for the tests of several processes, which say so and are skipped where it is not; ASSAY_INSTALL_POSTGRES=1 installs Debian's
	@if ! command -v postgres >/dev/null && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then \
	  if [ "$(ASSAY_INSTALL_POSTGRES)" = 1 ]; then apt-get update && apt-get install -y --no-install-recommends postgresql; \
	  else echo "PostgreSQL is not installed (apt-get install postgresql): the tests that need it are skipped"; fi; fi

scale: ## docs/scale.md: jobs per second at 1, 2 and 4 workers, and a thousand jobs while workers are killed; needs PostgreSQL, many minutes
	cargo test --release --locked --workspace --test it -- --ignored --exact --nocapture --test-threads=1 \
	  shared::jobs_per_second shared::a_thousand_jobs

lint:
	cargo fmt --all --check
	python3 .ci/licences.py
	python3 tests/mutants/solidity.py check
	python3 tests/mutants/rust.py check

clippy: ## no warnings, and what the verifier must not do: unwrap, expect, index; CI runs it, `test` does not, since it compiles all dependencies once more
	cargo clippy --locked -p assay-circuits -p assay-prover --lib -- -D warnings

doc: ## the documentation of all crates, in target/doc; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

book: ## the documentation as a book, in target/book; links and chapters are checked
	.ci/book.sh

sbom: ## what the programs are made of, as CycloneDX: target/assay.cdx.json
	mkdir -p target
	python3 .ci/sbom.py > target/assay.cdx.json

ADVISORIES ?= target/advisory-db

advisories: ## known faults of dependencies, from a clone of RustSec's database (ADVISORIES=FOLDER), which is made if it is not there
	[ -d $(ADVISORIES) ] || git clone --quiet --depth 1 https://github.com/rustsec/advisory-db $(ADVISORIES)
	python3 .ci/advisories.py $(ADVISORIES)

build:
	cargo build --release --locked --workspace

contracts: $(TOOLCHAIN) ## compile the contracts and write the committed artifacts
	$(CONTRACTS)/build.sh

wheel: ## the Python package, target/wheels/assay_client-*.whl
	python/build.sh

web: ## write the committed verifier and site for browsers
	web/build.sh

bench: ## docs/benchmarks.md, about ten minutes
	ASSAY_BENCH_WRITE=1 cargo bench --locked -p assay-benches

bench-predicted: ## how long `assay compile` says that proofs take, and how long they do: docs/benchmarks.md; minutes
	ASSAY_BENCH_WRITE=1 cargo bench --locked -p assay-benches --bench folders -- predicted

GROWTH_NETWORKS := $(foreach n,8 16 32 64 128,gpt_tokens_$(n)) $(foreach n,32 64 128 256,gpt_width_$(n)) $(foreach n,1 2 4 8,gpt_layers_$(n))

bench-growth: ## charts of transformers by tokens, width and depth, made with PyTorch: docs/benchmarks.md; half an hour
	python3 fixtures/networks.py target/growth $(GROWTH_NETWORKS)
	ASSAY_BENCH_WRITE=1 ASSAY_BENCH_NETWORKS=target/growth cargo bench --locked -p assay-benches --bench folders -- growth

bench-large: ## GPT-2, BERT, ResNet-50 and others: made with PyTorch (fixtures/requirements.txt), compiled, proven; an hour, most of it compiling
	python3 fixtures/networks.py $(LARGE) $(LARGE_NETWORKS)
	ASSAY_BENCH_NETWORKS=$(LARGE) cargo bench --locked -p assay-benches --bench folders -- $(LARGE_NETWORKS)

clean:
	cargo clean
	rm -rf $(CONTRACTS)/node_modules $(CONTRACTS)/out $(CONTRACTS)/cache

$(TOOLCHAIN): $(CONTRACTS)/package-lock.json
	cd $(CONTRACTS) && npm install --no-save --no-audit --no-fund --loglevel=error
	touch $@
