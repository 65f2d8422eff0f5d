#!/usr/bin/env bash
# Makes client and site out of their sources, into two folders: web/build.sh those that are committed, web/test.sh others, to compare them.
#   web/bundle.sh CLIENT SITE    it needs web/node_modules (npm ci)
set -euo pipefail
client=$(realpath -m "$1") site=$(realpath -m "$2")
cd "$(dirname "$0")"
rm -rf "$client" "$site"
mkdir -p "$site"
npx tsc -p client --outDir "$client"
# the types of the site; esbuild looks at none
npx tsc -p site
notice='/*! QR codes: qrcode-generator, Copyright (c) 2009 Kazuhiko Arase, MIT license, http://www.opensource.org/licenses/mit-license.php */'
npx esbuild site/src/main.ts --bundle --minify --format=esm --target=es2022 --banner:js="$notice" --outfile="$site/site.js" --log-level=warning
cp site/index.html site/site.css site/badge.svg "$site/"
# what browsers are sent; gzip's bytes may be others on another machine, so nothing compares them
for name in site.js site.css; do gzip -9 -n -c "$site/$name" > "$site/$name.gz"; done
gzip -9 -n -c verifier/dist/assay_verifier.wasm > "$site/assay_verifier.wasm.gz"
