#!/bin/sh
# Installs the pinned toolchain if it is missing, compiles, and writes artifacts/*.json.
# `build.sh --check` writes nothing and fails if the committed artifacts are not what the sources give.
set -eu
cd "$(dirname "$0")"
if [ ! -x node_modules/.bin/forge ] || [ ! -d node_modules/solc ] || [ ! -d node_modules/@openzeppelin/contracts ]; then
  # not `npm ci`: it wants the optional binaries of every platform in the lock file; versions are exact and integrity is checked all the same
  npm install --no-save --no-audit --no-fund
fi
# from nothing: with a warm cache the compiler sees fewer files and may order code otherwise
node_modules/.bin/forge build --force src test/utils/TestToken.sol test/utils/AuthorizedToken.sol test/utils/GaslessTokens.sol test/utils/X402.sol
node tools/artifacts.mjs "$@"
