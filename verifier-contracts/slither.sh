#!/bin/sh
# Runs Slither over the contracts and prints what it finds of high and medium severity; docs/contracts.md judges it.
# It needs `slither` on the PATH: `pip install slither-analyzer` (0.11.6 was used). Works on a copy, and leaves nothing here.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r src tools foundry.toml package.json "$work"
ln -s "$PWD/node_modules" "$work/node_modules"
cd "$work"
PATH="$work/node_modules/.bin:$PATH"
forge build --build-info --force src > build.log 2>&1 || { cat build.log; exit 1; }
slither . --ignore-compile --foundry-out-directory out --filter-paths 'node_modules' --exclude-informational --exclude-low --exclude-optimization --fail-none
