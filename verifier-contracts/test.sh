#!/bin/sh
# Checks that the committed artifacts are what the sources give, then runs the tests, which deploy those artifacts. Arguments go to forge.
set -eu
cd "$(dirname "$0")"
./build.sh --check
FOUNDRY_PROFILE=test exec node_modules/.bin/forge test "$@"
