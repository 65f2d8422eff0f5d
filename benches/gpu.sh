#!/usr/bin/env bash
# A CUDA device against the processor beside it: one call, some minutes. Wants the sources, nvcc (see gpu/cuda/build.sh), and cargo or the bench's binary.
#   benches/gpu.sh [binary]    binary: what `cargo bench --no-run -p assay-benches --bench gpu` made, for machines without cargo
#   ASSAY_GPU_LIBRARY          a library that is built already
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${ASSAY_GPU_LIBRARY:-}" ]; then
    out=${TMPDIR:-/tmp}/assay-gpu-bench
    # for this machine's devices only, if it says what they are and nvcc knows them all
    if [ -z "${ASSAY_CUDA_ARCHS:-}" ]; then
        unset ASSAY_CUDA_ARCHS
        nvcc=$("$root/gpu/cuda/build.sh" --nvcc)
        known=$("$nvcc" --list-gpu-code)
        archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | grep -xE '[0-9]+' | sort -un || true)
        for arch in $archs; do
            if ! grep -qx "sm_$arch" <<<"$known"; then archs=; fi
        done
        if [ -n "$archs" ]; then export ASSAY_CUDA_ARCHS=$archs; fi
    fi
    ASSAY_BUILD_JOBS=${ASSAY_BUILD_JOBS:-$(nproc)} "$root/gpu/cuda/build.sh" "$out" >&2
    export ASSAY_GPU_LIBRARY=$out/libassay_gpu.so
fi
if [ $# -gt 0 ]; then
    exec "$1" --bench
fi
cd "$root"
exec cargo bench --locked -p assay-benches --bench gpu
