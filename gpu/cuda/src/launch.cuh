// Kernels: structs with their arguments as members, THREADS to a block, BLOCKS that should fit a multiprocessor, SHARED bytes of a block's memory, SYNC if its
// threads wait for one another, and a call operator that is one thread's work.

#pragma once

#include "platform.cuh"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include <cstring>

#include "fibers.h"
#endif

namespace assay {

struct Thread {
    uint32_t block;
    uint32_t thread;
    uint32_t threads;
    uint32_t blocks;
    unsigned char *shared;

    ASSAY_FN uint64_t index() const { return static_cast<uint64_t>(block) * threads + thread; }
    ASSAY_FN uint64_t count() const { return static_cast<uint64_t>(blocks) * threads; }

    // Waits for the block's other threads.
    ASSAY_FN void sync() const {
#ifdef __CUDA_ARCH__
        __syncthreads();
#elif !defined(__CUDACC__)
        fibers::yield();
#endif
    }
};

#ifdef __CUDACC__

template <class Kernel> __global__ void __launch_bounds__(Kernel::THREADS, Kernel::BLOCKS) run(const Kernel kernel) {
    extern __shared__ __align__(32) unsigned char shared[];
    kernel(Thread{blockIdx.x, threadIdx.x, Kernel::THREADS, gridDim.x, shared});
}

// Throws if it is an error: ASSAY_MEMORY for want of memory, ASSAY_DEVICE otherwise.
void check_cuda(cudaError_t error, const char *what);

template <class Kernel> void launch(Device &device, uint64_t blocks, const Kernel &kernel) {
    if (blocks == 0) return;
    require(blocks < (1ull << 31), "more blocks than a device runs");
    device.computes();
    run<Kernel><<<static_cast<uint32_t>(blocks), Kernel::THREADS, Kernel::SHARED, static_cast<cudaStream_t>(device.queue())>>>(kernel);
    check_cuda(cudaGetLastError(), "a kernel was not launched");
}

#else

// Fills memory before it is written to, so that what reads it then is wrong in the tests too.
constexpr int UNWRITTEN = 0xa5;

template <class Kernel> void launch(Device &, uint64_t blocks, const Kernel &kernel) {
    require(blocks < (1ull << 31), "more blocks than a device runs");
    const uint32_t count = static_cast<uint32_t>(blocks);
    std::unique_ptr<uint64_t[]> shared(new uint64_t[Kernel::SHARED / 8 + 4]);
    unsigned char *memory = reinterpret_cast<unsigned char *>(shared.get());
    memory += 32 - reinterpret_cast<uintptr_t>(memory) % 32;
    for (uint32_t block = 0; block < count; ++block) {
        std::memset(memory, UNWRITTEN, Kernel::SHARED);
        const auto work = [&](uint32_t thread) { kernel(Thread{block, thread, Kernel::THREADS, count, memory}); };
        if (Kernel::SYNC) {
            fibers::run(Kernel::THREADS, work);
        } else {
            for (uint32_t thread = 0; thread < Kernel::THREADS; ++thread) work(thread);
        }
    }
}

#endif

// Enough blocks for a thread each.
template <class Kernel> void launch_for(Device &device, uint64_t threads, const Kernel &kernel) {
    launch(device, divided_up(threads, Kernel::THREADS), kernel);
}

// What kernels are if they do not say otherwise.
struct Plain {
    static constexpr uint32_t THREADS = 128;
    static constexpr uint32_t BLOCKS = 1;
    static constexpr size_t SHARED = 0;
    static constexpr bool SYNC = false;
};

} // namespace assay
