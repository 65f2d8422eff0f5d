#!/usr/bin/env bash
# Refuses what is committed under web/*/dist if it is not what the sources make. It needs web/node_modules (npm ci), and no Rust.
#   web/committed.sh    ASSAY_OLD_VERIFIER=1 goes on with an older verifier, for whoever has no Rust target wasm32-unknown-unknown
set -euo pipefail
cd "$(dirname "$0")"
node verifier/source.mjs || [ "${ASSAY_OLD_VERIFIER:-}" = 1 ]
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./bundle.sh "$fresh/client" "$fresh/site"
for name in client site; do
    # compared as they are without gzip
    diff -r --exclude='*.gz' "$name/dist" "$fresh/$name" > "$fresh/differs" || {
        head -c 500 "$fresh/differs" >&2
        echo "web/$name/dist is not what its sources make: run web/build.sh site" >&2
        exit 1
    }
done
for packed in site/dist/*.gz; do
    plain=$(basename "$packed" .gz)
    [ "$plain" = assay_verifier.wasm ] && plain=verifier/dist/$plain || plain=site/dist/$plain
    gzip -dc "$packed" | cmp - "$plain" >&2 || { echo "web/$packed is not web/$plain: run web/build.sh site" >&2; exit 1; }
done
