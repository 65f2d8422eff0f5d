#!/usr/bin/env bash
# Makes what is committed under web/*/dist: the verifier as WebAssembly with its JavaScript, the client, and the site that the service shows.
#   web/build.sh         all; it needs Rust's target wasm32-unknown-unknown (rustup target add wasm32-unknown-unknown), and Node with npm
#   web/build.sh site    client and site alone, with the verifier that is there; it needs Node with npm
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --loglevel=error

if [ "${1:-all}" != site ]; then
    # nothing in the verifier draws randomness, so it needs none of the host; no path of this machine goes into it
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--cfg getrandom_backend=\"unsupported\" --remap-path-prefix $HOME=/"
    folder=${CARGO_TARGET_DIR:-../target}
    cargo rustc --locked -p assay-verifier --lib --crate-type cdylib --profile wasm --target wasm32-unknown-unknown --target-dir "$folder"
    rm -rf verifier/dist
    npx tsc -p verifier
    # less to load, with what every browser and Node reads: -O1, since -Oz makes no less of it after gzip, and a slower verifier
    # Debian's wasm-opt (binaryen) takes a minute, and npm's several
    optimise=(wasm-opt)
    command -v wasm-opt > /dev/null || optimise=(npx --yes --package binaryen@132.0.0 wasm-opt)
    "${optimise[@]}" -O1 --strip-debug --strip-producers \
        --enable-{bulk-memory,sign-ext,mutable-globals,nontrapping-float-to-int,multivalue,reference-types} \
        "$folder/wasm32-unknown-unknown/wasm/assay_verifier.wasm" -o verifier/dist/assay_verifier.wasm
    node verifier/source.mjs --write
fi

# the types are those of the service's description, which the tests compare with the service
npx openapi-typescript client/openapi.json --output client/src/openapi.ts > /dev/null
./bundle.sh client/dist site/dist
