#!/usr/bin/env bash
# Tests of the device library: its inside, on a processor that plays the device; and that it compiles and links for devices, where nvcc is at hand.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if ! command -v "${CXX:-g++}" >/dev/null; then
    echo "skipped: there is no C++ compiler for the emulated device"
    exit 0
fi
"$here/build.sh" --test "$out"
if "$here/build.sh" --nvcc >/dev/null 2>&1; then
    "$here/build.sh" "$out"
    # the driver aside, it wants nothing that a machine might lack
    if command -v ldd >/dev/null && ldd "$out/libassay_gpu.so" | grep "not found"; then exit 1; fi
else
    echo "skipped: there is no nvcc to compile for devices with (docs/gpu.md)"
fi
