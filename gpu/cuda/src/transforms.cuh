// Transforms of vectors that are on the device.

#pragma once

#include <algorithm>

#include "context.cuh"
#include "ntt.cuh"

namespace assay {

// Of order 2^28: arkworks' generator 5 to the power of (r - 1) / 2^28.
constexpr Fr LARGEST_ROOT = {{0x80d13d9c, 0x636e7355, 0x2445ffd6, 0xa22bf374, 0x1eb203d8, 0x56452ac0, 0x2963f9e7, 0x1860ef94}};

// The table for vectors of 2^log elements.
inline const Fr *twiddles(Context &context, uint32_t log) {
    const uint64_t count = 1ull << log;
    if (context.twiddles.size() >= count) return context.twiddles.data();
    // the smaller table first, which is part of the larger
    context.twiddles = Buffer<Fr>();
    Buffer<Fr> table(context.device, count);
    FillTwiddles fill;
    fill.roots.roots[MOST_LOG] = LARGEST_ROOT;
    for (uint32_t k = MOST_LOG; k-- > 0;) fill.roots.roots[k] = fill.roots.roots[k + 1].squared();
    fill.count = count;
    fill.out = table.data();
    launch_for(context.device, count, fill);
    context.twiddles = std::move(table);
    return context.twiddles.data();
}

// The tables of a `PowersTable`.
inline Buffer<Fr> powers(Device &device, uint32_t log, const Fr &factor) {
    FillPowers fill;
    fill.factor = factor;
    fill.low = log / 2;
    fill.high = log - fill.low;
    fill.step = power(factor, 1ull << fill.low);
    Fr size = Fr::one();
    for (uint32_t i = 0; i < log; ++i) size = size.doubled();
    fill.scale = Fr::inverse(size);
    const uint64_t count = (1ull << fill.low) + (1ull << fill.high);
    Buffer<Fr> out(device, count);
    fill.out = out.data();
    launch_for(device, count, fill);
    return out;
}

// Vectors of 2^log elements, one after the other on the device.
struct Vectors {
    Device &device;
    uint32_t log;
    Fr *data;
    uint64_t count;

    void scale(const Fr *powers) const {
        Scale kernel;
        kernel.data = data;
        kernel.count = count;
        kernel.powers = {powers, log};
        launch_for(device, count, kernel);
    }

    template <bool FORWARD> void pass(const Fr *twiddles, uint32_t low, uint32_t levels) const {
        Transform<FORWARD> kernel;
        kernel.data = data;
        kernel.count = count;
        kernel.twiddles = twiddles;
        kernel.low = low;
        kernel.levels = levels;
        launch(device, divided_up(count, TILE), kernel);
    }

    // The lowest levels together, the others in passes of about as many levels each, with four consecutive elements at least.
    template <bool FORWARD> void transform(const Fr *twiddles) const {
        const uint32_t first = std::min(log, TILE_LOG), rest = log - first;
        const uint32_t passes = static_cast<uint32_t>(divided_up(rest, TILE_LOG - 2));
        if (first && FORWARD) pass<FORWARD>(twiddles, 0, first);
        for (uint32_t i = 0; i < passes; ++i) {
            const uint32_t k = FORWARD ? i : passes - 1 - i, low = rest * k / passes;
            pass<FORWARD>(twiddles, first + low, rest * (k + 1) / passes - low);
        }
        if (first && !FORWARD) pass<FORWARD>(twiddles, 0, first);
    }
};

} // namespace assay
