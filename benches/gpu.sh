#!/usr/bin/env bash
# A CUDA device against the processor beside it: one call, some minutes. Wants the sources, nvcc (see gpu/cuda/build.sh), and cargo or the bench's binary.
#   benches/gpu.sh [binary]    binary: what `cargo bench --no-run -p assay-benches --bench gpu` made, for machines without cargo
#   ASSAY_GPU_LIBRARY          a library that is built already
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${ASSAY_GPU_LIBRARY:-}" ]; then
    out=${TMPDIR:-/tmp}/assay-gpu-bench
    # for this machine's devices only, if it says what they are
    archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ' | sort -un | tr '\n' ' ' || true)
    ASSAY_CUDA_ARCHS=${archs:-80 90 120} "$root/gpu/cuda/build.sh" "$out" >&2
    export ASSAY_GPU_LIBRARY=$out/libassay_gpu.so
fi
if [ $# -gt 0 ]; then
    exec "$1" --bench
fi
cd "$root"
exec cargo bench --locked -p assay-benches --bench gpu
