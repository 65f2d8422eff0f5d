#!/usr/bin/env bash
# Tests the Python package as the workspace built it: against the command, and by the example, which trains, sells, buys and verifies.
# The example needs scikit-learn and skl2onnx (fixtures/requirements.txt) in $PYTHON, and anvil; where they are not, it is skipped, and said so.
set -euo pipefail
cd "$(dirname "$0")/.."
# as `cargo test --release --workspace` builds them, which runs this script
export ASSAY=${ASSAY:-$PWD/target/release/assay}
library=${ASSAY_PYTHON_LIBRARY:-$PWD/target/release/deps/libassay_client_native.so}
PYTHON=${PYTHON:-python3}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cp -r python/assay_client "$made/"
cp "$library" "$made/assay_client/assay_client_native.abi3.so"
export PYTHONPATH=$made PYTHONDONTWRITEBYTECODE=1 ASSAY_HOME=$made/home
"$PYTHON" -m unittest discover -s python/tests
if ! "$PYTHON" -c 'import sklearn, skl2onnx' 2> "$made/missing"; then
    echo "python: SKIPPED the example: $(tail -n 1 "$made/missing")"
elif [ ! -e verifier-contracts/node_modules/.bin/anvil ] && [ -z "${ANVIL:-}" ]; then
    echo "python: SKIPPED the example: anvil is not installed"
else
    "$PYTHON" examples/python/digits.py --assay "$ASSAY"
fi
