#!/usr/bin/env bash
# Tests the Python package as the workspace built it, against the command. python/test-wheel.sh tests the wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
# as `cargo test --release --workspace` builds them, which runs this script
export ASSAY=${ASSAY:-$PWD/target/release/assay}
library=${ASSAY_PYTHON_LIBRARY:-$PWD/target/release/deps/libassay_client_native.so}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cp -r python/assay_client "$made/"
cp "$library" "$made/assay_client/assay_client_native.abi3.so"
export PYTHONPATH=$made PYTHONDONTWRITEBYTECODE=1 ASSAY_HOME=$made/home
"${PYTHON:-python3}" -m unittest discover -v -s python/tests
