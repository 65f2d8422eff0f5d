#!/bin/sh
# Installs the pinned toolchain if it is missing, compiles, and writes artifacts/*.json.
# `build.sh --check` writes nothing and fails if the committed artifacts are not what the sources give.
set -eu
cd "$(dirname "$0")"
if [ ! -x node_modules/.bin/forge ] || [ ! -d node_modules/solc ] || [ ! -d node_modules/@openzeppelin/contracts ]; then
  npm ci --no-audit --no-fund
fi
node_modules/.bin/forge build src test/utils/TestToken.sol
node tools/artifacts.mjs "$@"
