#!/usr/bin/env bash
# Builds libassay_gpu.so with nvcc, needing nothing at run time but NVIDIA's driver.
#   build.sh [folder]               the library; folder: where to, gpu/cuda/build if not given
#   build.sh --emulated [folder]    libassay_gpu_emulated.so, where the processor plays the device; wants a C++ compiler only
#   build.sh --test [folder]        the tests of what is internal, on the emulated library, and runs them
#   build.sh --nvcc                 which nvcc it would be
# Environment:
#   NVCC                  the compiler; else in PATH, in /usr/local/cuda, or in the wheels of ASSAY_CUDA_PYTHON (python3 if not set)
#   ASSAY_CUDA_ARCHS      compute capabilities to compile for; else those of 80, 90 and 120 that nvcc knows. PTX of the first and of the last comes
#                         along: a device that none of them fits compiles the nearest one before it (10.x takes 8.0's, what comes after 12.x takes 12.0's)
#   NVCCFLAGS             more of nvcc's flags
#   ASSAY_BUILD_JOBS      compilers at a time, 2 if not set
#   CXX, CXXFLAGS         the C++ compiler, and more of its flags
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kind=cuda
case ${1:-} in
    --emulated) kind=emulated; shift ;;
    --test) kind=test; shift ;;
    --nvcc) kind=nvcc ;;
    -*) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
out=${1:-$here/build}
objects=$out/$kind

units="context msm_g1 msm_g2 ntt cells product tree quotient"
cxx=${CXX:-g++}
flags="-std=c++17 -O2 -fPIC -Wall -Wextra -Wno-psabi ${CXXFLAGS:-}"

# Runs the commands that it reads, some at a time.
parallel() {
    tr '\n' '\0' | xargs -0 -P "${ASSAY_BUILD_JOBS:-2}" -I{} bash -c '{}'
}

find_nvcc() {
    if [ -n "${NVCC:-}" ]; then echo "$NVCC"; return; fi
    if command -v nvcc; then return; fi
    if [ -x /usr/local/cuda/bin/nvcc ]; then echo /usr/local/cuda/bin/nvcc; return; fi
    "${ASSAY_CUDA_PYTHON:-python3}" - <<'PYTHON'
import pathlib, sys, sysconfig
packages = pathlib.Path(sysconfig.get_paths()["purelib"])
found = sorted(packages.glob("nvidia/cu*/bin/nvcc"))
if not found:
    sys.exit("no nvcc: set NVCC, or install the wheels nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-runtime nvidia-cuda-cccl")
print(found[-1])
PYTHON
}

build_cuda() {
    local nvcc root known archs gencode arch libraries
    nvcc=$(find_nvcc)
    root=$(cd "$(dirname "$nvcc")/.." && pwd)
    known=$("$nvcc" --list-gpu-code)
    # an array, whatever blanks are about the words
    read -ra archs <<<"$(tr '\n' ' ' <<<"${ASSAY_CUDA_ARCHS:-}")"
    if [ ${#archs[@]} -eq 0 ]; then
        for arch in 80 90 120; do
            if grep -qx "sm_$arch" <<<"$known"; then archs+=("$arch"); fi
        done
    fi
    if [ ${#archs[@]} -eq 0 ]; then
        echo "$nvcc knows none of 80, 90 and 120: set ASSAY_CUDA_ARCHS" >&2
        exit 1
    fi
    gencode=
    for arch in "${archs[@]}"; do gencode="$gencode -gencode arch=compute_$arch,code=sm_$arch"; done
    for arch in $(printf '%s\n' "${archs[0]}" "${archs[-1]}" | uniq); do gencode="$gencode -gencode arch=compute_$arch,code=compute_$arch"; done
    for unit in $units platform_cuda sort_cuda; do
        echo "'$nvcc' -ccbin '$cxx' -std=c++17 -O3 $gencode -Xcompiler -fPIC,-Wall,-Wno-psabi ${NVCCFLAGS:-}" \
            "-c '$here/src/$unit.cu' -o '$objects/$unit.o'"
    done | parallel
    for libraries in "$root/lib64" "$root/lib" "$root/targets/$(uname -m)-linux/lib" "$root/lib/$(uname -m)-linux-gnu"; do
        [ -f "$libraries/libcudart_static.a" ] && break
    done
    "$cxx" -shared -static-libstdc++ -static-libgcc -Wl,--version-script="$here/src/exports.map" -Wl,-z,defs \
        "$objects"/*.o "$libraries/libcudart_static.a" -ldl -lrt -lpthread -o "$out/libassay_gpu.so"
    echo "$out/libassay_gpu.so"
}

# Objects of the emulated library.
compile_emulated() {
    for unit in $units; do echo "'$cxx' $flags -x c++ -c '$here/src/$unit.cu' -o '$objects/$unit.o'"; done
    echo "'$cxx' $flags -c '$here/src/platform_emulated.cpp' -o '$objects/platform_emulated.o'"
}

if [ "$kind" = nvcc ]; then find_nvcc; exit; fi
mkdir -p "$objects"
rm -f "$objects"/*.o
case $kind in
    cuda) build_cuda ;;
    emulated)
        compile_emulated | parallel
        "$cxx" -shared $flags -Wl,--version-script="$here/src/exports.map" "$objects"/*.o -o "$out/libassay_gpu_emulated.so"
        echo "$out/libassay_gpu_emulated.so"
        ;;
    test)
        {
            compile_emulated
            for test in "$here"/tests/*.cpp; do
                echo "'$cxx' $flags -c '$test' -o '$objects/test_$(basename "$test" .cpp).o'"
            done
        } | parallel
        "$cxx" $flags "$objects"/*.o -pthread -o "$out/assay_gpu_tests"
        "$out/assay_gpu_tests"
        ;;
esac
