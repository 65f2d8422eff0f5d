#!/bin/sh
# Checks that the committed artifacts are what the sources give, then runs the tests, which deploy those artifacts. Arguments go to forge.
# Without any, the gas of every call is compared with docs/gas.md as well.
set -eu
cd "$(dirname "$0")"
./build.sh --check
FOUNDRY_PROFILE=test node_modules/.bin/forge test "$@"
if [ $# -eq 0 ]; then node tools/gas.mjs --check; fi
