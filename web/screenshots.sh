#!/usr/bin/env bash
# Makes docs/web-*.png, the pictures of the site. It needs a built `assay`, anvil (make demo installs it) and a Chromium.
set -euo pipefail
cd "$(dirname "$0")"
export ASSAY=${ASSAY:-$(realpath ..)/target/release/assay} CHROMIUM=${CHROMIUM:-$(command -v chromium)}
[ -d node_modules/playwright-core ] || npm ci --no-audit --no-fund --loglevel=error
node browser/screenshots.mjs
