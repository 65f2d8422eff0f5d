#!/usr/bin/env bash
# Tests what is committed under web/: the verifier in Node, against keys and proofs that the command makes here; then, in a browser, verifier and site.
# ASSAY_SITE=dist tests the site's files as they are, without building the program anew.
# The browser is $CHROMIUM, or one that is installed; with ASSAY_INSTALL_BROWSER=1 Debian's is. Where there is none, the tests say so and end.
set -euo pipefail
cd "$(dirname "$0")"
export ASSAY=${ASSAY:-$(realpath ..)/target/release/assay}
[ -x "$ASSAY" ] || cargo build --release --locked --workspace

[ -d node_modules/playwright-core ] && [ -d node_modules/micro-eth-signer ] || npm ci --no-audit --no-fund --loglevel=error
./committed.sh

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
export ASSAY_MADE=$made ASSAY_HOME=$made/home
models=$(realpath ../fixtures/models)
(
    cd "$made"
    exec 2>errors
    "$ASSAY" compile "$models/digits_cnn.onnx" --calibrate "$models/digits_calibration.json" -o digits.assay
    "$ASSAY" compile "$models/digits_mlp.onnx" --calibrate "$models/digits_calibration.json" -o mlp.assay
    "$ASSAY" setup digits.assay
    "$ASSAY" setup mlp.assay
    "$ASSAY" setup --wrap groth16 --dev digits.assay
    input="$models/digit_7.json"
    "$ASSAY" prove digits.assay --input "$input" --context "job 1" -o universal.json
    "$ASSAY" prove digits.assay --input "$input" --context "job 1" -o other.json
    "$ASSAY" prove digits.assay --input "$input" --context "job 1" --wrap groth16 -o groth16.json
    "$ASSAY" prove digits.assay --input "$input" --public-input -o public.json
    "$ASSAY" setup --batch 2 --separate digits.assay
    "$ASSAY" prove digits.assay --input "$models/digit_7.json" --batch 2 --separate --public-input -o shared.json
    "$ASSAY" commit --key digits.key --input "$input" --public-input -o commitment.json
    "$ASSAY" commit --key digits.key --input "$input" -o private.json
    cp digits.key universal.key
    cp digits.groth16.key groth16.key
    for wrap in universal groth16; do "$ASSAY" --json verify $wrap.json --model $wrap.key > $wrap.verified.json; done
) > "$made/log" || { cat "$made/log" "$made/errors" >&2; exit 1; }
python3 verifier/test/forge.py "$made"

node --test verifier/test/verifier.test.mjs site/test/*.test.mjs
find_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
CHROMIUM=${CHROMIUM:-$(find_browser)}
if [ -z "$CHROMIUM" ] && [ "${ASSAY_INSTALL_BROWSER:-}" = 1 ]; then
    { apt-get update && apt-get install -y --no-install-recommends chromium; } > "$made/log" 2>&1 || cat "$made/log" >&2
    CHROMIUM=$(find_browser)
fi
if [ -z "$CHROMIUM" ]; then
    echo "web: SKIPPED in a browser, since there is none: install Debian's chromium (ASSAY_INSTALL_BROWSER=1 does), or name one with CHROMIUM"
    exit
fi
export CHROMIUM
node --test browser/*.test.mjs
