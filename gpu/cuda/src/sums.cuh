// Sums of field elements over all threads: each block leaves its own, and one more block adds those.

#pragma once

#include "field.cuh"
#include "launch.cuh"

namespace assay {

constexpr uint32_t SUM_THREADS = 128;

// N sums at a time.
template <unsigned N> struct Sums {
    Fr values[N];
};

// Kernels that end with `sum_of_block`.
template <unsigned N> struct Summing {
    static constexpr uint32_t THREADS = SUM_THREADS;
    static constexpr uint32_t BLOCKS = 2;
    static constexpr size_t SHARED = SUM_THREADS * sizeof(Sums<N>);
    static constexpr bool SYNC = true;
};

// All threads' sums to `out` by the first thread.
template <unsigned N> ASSAY_FN void sum_of_block(const Thread &thread, const Sums<N> &own, Sums<N> *out) {
    Fr *all = reinterpret_cast<Fr *>(thread.shared);
    ASSAY_UNROLLED for (unsigned i = 0; i < N; ++i) all[i * SUM_THREADS + thread.thread] = own.values[i];
    ASSAY_ROLLED for (uint32_t half = SUM_THREADS / 2; half > 0; half /= 2) {
        thread.sync();
        if (thread.thread < half) {
            ASSAY_ROLLED for (unsigned i = 0; i < N; ++i) {
                Fr &sum = all[i * SUM_THREADS + thread.thread];
                sum = sum + all[i * SUM_THREADS + thread.thread + half];
            }
        }
    }
    if (thread.thread == 0) {
        ASSAY_UNROLLED for (unsigned i = 0; i < N; ++i) out->values[i] = all[i * SUM_THREADS];
    }
}

template <unsigned N> struct SumOfBlocks : Summing<N> {
    const Sums<N> *parts;
    uint64_t count;
    Sums<N> *out;

    SumOfBlocks(const Sums<N> *parts, uint64_t count, Sums<N> *out) : parts(parts), count(count), out(out) {}

    ASSAY_FN void operator()(const Thread &thread) const {
        Sums<N> sums;
        ASSAY_UNROLLED for (unsigned i = 0; i < N; ++i) sums.values[i] = Fr::zero();
        ASSAY_ROLLED for (uint64_t j = thread.index(); j < count; j += thread.count()) {
            ASSAY_UNROLLED for (unsigned i = 0; i < N; ++i) sums.values[i] = sums.values[i] + parts[j].values[i];
        }
        sum_of_block<N>(thread, sums, out + thread.block);
    }
};

// Blocks that fill a device, for `count` terms.
inline uint64_t sum_blocks(const Device &device, uint64_t count) {
    const uint64_t most = 4ull * device.multiprocessors(), wanted = divided_up(count, SUM_THREADS);
    return wanted < most ? wanted : most;
}

// Adds what `blocks` blocks left, on the device.
template <unsigned N> void add_blocks(Device &device, const Sums<N> *parts, uint64_t blocks, Sums<N> *out) {
    launch(device, 1, SumOfBlocks<N>(parts, blocks, out));
}

} // namespace assay
