// Kernels of number-theoretic transforms.
//
// Values to coefficients decimate in frequency and leave bit-reversed order, the way back decimates in time: nothing is permuted. A pass does several levels on
// tiles in shared memory: the lowest levels on consecutive elements, higher ones on elements that are far apart, some consecutive ones together so that memory
// is read in whole sectors. Words of the elements lie in planes, so that the threads of a warp meet different banks.
//
// Twiddle h + j is w_2h^j for j < h, h every power of two, w_2h the root of order 2h: one table for all sizes and both directions, since w^-j = -w^(h-j).

#pragma once

#include "field.cuh"
#include "launch.cuh"

namespace assay {

constexpr uint32_t MOST_LOG = 28;
constexpr uint32_t TILE_LOG = 10;
constexpr uint32_t TILE = 1 << TILE_LOG;

// Roots of order 2^k at k.
struct Roots {
    Fr roots[MOST_LOG + 1];
};

struct FillTwiddles : Plain {
    Roots roots;
    uint64_t count;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= count) return;
        Fr twiddle = Fr::one();
        if (i > 1) {
            uint32_t log = 0;
            while (i >> (log + 1)) ++log;
            // w_2h^(2^bit) is the root of order 2^(log + 1 - bit)
            ASSAY_ROLLED for (uint32_t bit = 0; bit < log; ++bit) {
                if (i >> bit & 1) twiddle = twiddle * roots.roots[log + 1 - bit];
            }
        }
        out[i] = twiddle;
    }
};

// Levels `low` to `low + levels - 1`, level k being the butterflies of elements 2^k apart.
template <bool FORWARD> struct Transform {
    static constexpr uint32_t THREADS = 256;
    static constexpr uint32_t BLOCKS = 3;
    static constexpr size_t SHARED = TILE * sizeof(Fr);
    static constexpr bool SYNC = true;
    Fr *data;
    // Of all vectors.
    uint64_t count;
    const Fr *twiddles;
    uint32_t low;
    uint32_t levels;

    ASSAY_FN void operator()(const Thread &thread) const {
        // 2^run consecutive elements belong to a tile together
        const uint32_t run = low ? TILE_LOG - levels : TILE_LOG;
        const uint64_t first = origin(thread.block, run);
        ASSAY_ROLLED for (uint32_t e = thread.thread; e < TILE; e += THREADS) {
            const uint64_t place = placed(first, e, run);
            if (place < count) put(thread, e, data[place]);
        }
        // for elements of a tile, level 0 is `low` less what `run` adds
        const uint32_t base = low ? run : 0;
        ASSAY_ROLLED for (uint32_t i = 0; i < levels; ++i) {
            const uint32_t level = FORWARD ? i : levels - 1 - i;
            thread.sync();
            ASSAY_ROLLED for (uint32_t j = thread.thread; j < TILE / 2; j += THREADS) {
                const uint32_t half = base + level, a = (j >> half) << (half + 1) | (j & ((1u << half) - 1)), b = a + (1u << half);
                if (placed(first, b, run) < count) butterfly(thread, a, b, placed(first, a, run), low + level);
            }
        }
        thread.sync();
        ASSAY_ROLLED for (uint32_t e = thread.thread; e < TILE; e += THREADS) {
            const uint64_t place = placed(first, e, run);
            if (place < count) data[place] = get(thread, e);
        }
    }

private:
    ASSAY_FN uint64_t origin(uint64_t tile, uint32_t run) const {
        if (low == 0) return tile << TILE_LOG;
        const uint64_t mask = (1ull << (low - run)) - 1;
        return (tile & ~mask) << (levels + run) | (tile & mask) << run;
    }

    ASSAY_FN uint64_t placed(uint64_t first, uint32_t e, uint32_t run) const {
        if (low == 0) return first + e;
        return first + (static_cast<uint64_t>(e >> run) << low) + (e & ((1u << run) - 1));
    }

    ASSAY_FN void butterfly(const Thread &thread, uint32_t a, uint32_t b, uint64_t place, uint32_t level) const {
        const Fr x = get(thread, a), y = get(thread, b);
        const uint64_t half = 1ull << level, j = place & (half - 1);
        if (FORWARD) {
            const Fr product = y * twiddles[half + j];
            put(thread, a, x + product);
            put(thread, b, x - product);
        } else {
            const Fr difference = j ? y - x : x - y;
            put(thread, a, x + y);
            put(thread, b, difference * twiddles[j ? 2 * half - j : half]);
        }
    }

    ASSAY_FN static Fr get(const Thread &thread, uint32_t e) {
        const uint32_t *words = reinterpret_cast<const uint32_t *>(thread.shared) + e;
        Fr out;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) out.words[i] = words[i * TILE];
        return out;
    }

    ASSAY_FN static void put(const Thread &thread, uint32_t e, const Fr &value) {
        uint32_t *words = reinterpret_cast<uint32_t *>(thread.shared) + e;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) words[i * TILE] = value.words[i];
    }
};

// Powers of a factor in two tables: those of the low half of an exponent's bits, over 2^log, and of the rest.
struct FillPowers : Plain {
    Fr factor;
    Fr step;
    Fr scale;
    uint32_t low;
    uint32_t high;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index(), lows = 1ull << low, highs = 1ull << high;
        if (i >= lows + highs) return;
        out[i] = i < lows ? scale * power(factor, i) : power(step, i - lows);
    }
};

// The two tables of `FillPowers`, for coefficients of 2^log elements: factor^i / 2^log.
struct PowersTable {
    const Fr *powers;
    uint32_t log;

    ASSAY_FN Fr at(uint64_t i) const {
        const uint32_t low = log / 2;
        return powers[i & ((1u << low) - 1)] * powers[(1u << low) + (i >> low)];
    }
};

ASSAY_FN uint64_t reversed_bits(uint64_t i, uint32_t log) {
    uint64_t out = 0;
    for (uint32_t bit = 0; bit < log; ++bit) out |= (i >> bit & 1) << (log - 1 - bit);
    return out;
}

// Multiplies the element at the place of coefficient i by factor^i / 2^log.
struct Scale : Plain {
    Fr *data;
    uint64_t count;
    PowersTable powers;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i < count) data[i] = data[i] * powers.at(reversed_bits(i, powers.log));
    }
};

} // namespace assay
