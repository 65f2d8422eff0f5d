// Kernels of the tree of fractions.
//
// A level has its children by column: numerators of each node's child 0, of its child 1, …, then denominators likewise, so that threads side by side, with
// nodes side by side, read memory side by side. The leaves stay as they came: indices of denominators, and small numerators. Once a variable is bound, eight
// columns are left: p0, p1 + lambda·d1, p2, p3, d0, …, d3.

#pragma once

#include "sums.cuh"

namespace assay {

constexpr uint32_t WIDEST = 4;

struct Fraction {
    Fr numerator;
    Fr denominator;
};

ASSAY_FN Fr small(int32_t n) {
    Fr magnitude = Fr::zero();
    magnitude.words[0] = n < 0 ? 0u - static_cast<uint32_t>(n) : static_cast<uint32_t>(n);
    magnitude = Fr::square_of_r() * magnitude;
    return n < 0 ? -magnitude : magnitude;
}

// Leaves as they came. Beyond the last they are 0/1.
struct Leaves {
    static constexpr bool MERGED = false;
    const Fr *values;
    const uint32_t *index;
    const int32_t *numerators;
    uint64_t count;
    uint32_t arity;

    ASSAY_FN Fr numerator(uint64_t node, uint32_t child) const {
        const uint64_t i = (node << arity) + child;
        return i < count ? value(numerators[i]) : Fr::zero();
    }
    ASSAY_FN Fr denominator(uint64_t node, uint32_t child) const {
        const uint64_t i = (node << arity) + child;
        return i < count ? values[index[i]] : Fr::one();
    }
    // numerator(node, child)·factor
    ASSAY_FN Fr numerator_times(uint64_t node, uint32_t child, const Fr &factor) const {
        const uint64_t i = (node << arity) + child;
        if (i >= count) return Fr::zero();
        return numerators[i] == 1 ? factor : small(numerators[i]) * factor;
    }

private:
    // Most numerators are 1.
    ASSAY_FN static Fr value(int32_t n) { return n == 1 ? Fr::one() : small(n); }
};

// A level within the tree. Beyond its last node are 0/1.
struct Columns {
    static constexpr bool MERGED = false;
    const Fr *columns;
    uint64_t nodes;
    uint32_t arity;

    ASSAY_FN Fr numerator(uint64_t node, uint32_t child) const { return node < nodes ? columns[child * nodes + node] : Fr::zero(); }
    ASSAY_FN Fr denominator(uint64_t node, uint32_t child) const { return node < nodes ? columns[((1u << arity) + child) * nodes + node] : Fr::one(); }
    ASSAY_FN Fr numerator_times(uint64_t node, uint32_t child, const Fr &factor) const { return numerator(node, child) * factor; }
};

// A level with some variables bound; numerator 1 has lambda times its denominator in it.
struct Merged {
    static constexpr bool MERGED = true;
    const Fr *columns;
    uint64_t nodes;
    Fr lambda;

    ASSAY_FN Fr numerator(uint64_t node, uint32_t child) const {
        if (node < nodes) return columns[child * nodes + node];
        return child == 1 ? lambda : Fr::zero();
    }
    ASSAY_FN Fr denominator(uint64_t node, uint32_t child) const { return node < nodes ? columns[(WIDEST + child) * nodes + node] : Fr::one(); }
};

// Fractions of the nodes, as columns of the next level, which is filled up with 0/1.
template <class Level> struct Parents : Plain {
    Level level;
    uint64_t nodes;
    uint32_t arity;
    Fr *out;
    uint32_t out_arity;
    uint64_t out_nodes;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t node = thread.index();
        if (node >= out_nodes << out_arity) return;
        Fraction fraction = {Fr::zero(), Fr::one()};
        if (node < nodes) {
            fraction = pair(node, 0);
            if (arity == 2) {
                const Fraction high = pair(node, 2);
                fraction = {fraction.numerator * high.denominator + high.numerator * fraction.denominator, fraction.denominator * high.denominator};
            }
        }
        const uint64_t child = node & ((1u << out_arity) - 1), place = node >> out_arity;
        out[child * out_nodes + place] = fraction.numerator;
        out[((1u << out_arity) + child) * out_nodes + place] = fraction.denominator;
    }

    ASSAY_FN Fraction pair(uint64_t node, uint32_t child) const {
        const Fr low = level.denominator(node, child), high = level.denominator(node, child + 1);
        return {level.numerator_times(node, child, high) + level.numerator_times(node, child + 1, low), low * high};
    }
};

// The children of node 0, numerators first.
template <class Level> struct FirstNode : Plain {
    Level level;
    uint32_t arity;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        if (thread.index() != 0) return;
        for (uint32_t child = 0; child < 1u << arity; ++child) {
            out[child] = level.numerator(0, child);
            out[(1u << arity) + child] = level.denominator(0, child);
        }
    }
};

// table[k]·(1 - x), table[k]·x at 2k, 2k + 1.
struct SplitWeights : Plain {
    const Fr *table;
    Fr x;
    uint64_t count;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = 2 * thread.index();
        if (i >= count) return;
        const Fr value = table[thread.index()], high = value * x;
        out[i] = value - high;
        if (i + 1 < count) out[i + 1] = high;
    }
};

// The message of a round. The sums are of g at 0, at -1, at 2, of its leading coefficient, and of the weights.
template <class Level> struct LevelMessage : Summing<5> {
    Level level;
    Fr lambda;
    const Fr *weights;
    uint64_t pairs;
    Sums<5> *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        Sums<5> sums;
        ASSAY_UNROLLED for (int i = 0; i < 5; ++i) sums.values[i] = Fr::zero();
        ASSAY_ROLLED for (uint64_t pair = thread.index(); pair < pairs; pair += thread.count()) {
            const Fr weight = weights[pair];
            // one program for all points: four would not fit an instruction cache, while what they read again is in the nearest data cache
            ASSAY_ROLLED for (int point = 0; point < 4; ++point) sums.values[point] = sums.values[point] + weight * g(pair, point);
            sums.values[4] = sums.values[4] + weight;
        }
        sum_of_block<5>(thread, sums, out + thread.block);
    }

private:
    ASSAY_FN static Fr at(const Fr &low, const Fr &high, int point) {
        if (point == 0) return low;
        const Fr step = high - low;
        return point == 1 ? low - step : point == 2 ? high + step : step;
    }

    ASSAY_FN Fr g(uint64_t pair, int point) const {
        const Fr d0 = denominator(pair, 0, point), d1 = denominator(pair, 1, point);
        const Fr left = numerator(pair, 0, point) * d1 + numerator(pair, 1, point) * d0, left_product = d0 * d1;
        const Fr d2 = denominator(pair, 2, point), d3 = denominator(pair, 3, point);
        Fr right = numerator(pair, 2, point) * d3 + numerator(pair, 3, point) * d2;
        const Fr right_product = d2 * d3;
        if (!Level::MERGED) right = right + lambda * right_product;
        return left * right_product + right * left_product;
    }

    ASSAY_FN Fr numerator(uint64_t pair, uint32_t child, int point) const {
        return at(level.numerator(2 * pair, child), level.numerator(2 * pair + 1, child), point);
    }
    ASSAY_FN Fr denominator(uint64_t pair, uint32_t child, int point) const {
        return at(level.denominator(2 * pair, child), level.denominator(2 * pair + 1, child), point);
    }
};

// Binds the lowest variable to x: two nodes become one, merged.
template <class Level> struct LevelBind : Plain {
    static constexpr uint32_t BLOCKS = 4;
    Level level;
    Fr lambda;
    Fr x;
    uint64_t results;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t node = thread.index();
        if (node >= results) return;
        ASSAY_ROLLED for (uint32_t child = 0; child < WIDEST; ++child) {
            Fr numerator = bound(level.numerator(2 * node, child), level.numerator(2 * node + 1, child));
            const Fr denominator = bound(level.denominator(2 * node, child), level.denominator(2 * node + 1, child));
            if (!Level::MERGED && child == 1) numerator = numerator + lambda * denominator;
            out[child * results + node] = numerator;
            out[(WIDEST + child) * results + node] = denominator;
        }
    }

    ASSAY_FN Fr bound(const Fr &low, const Fr &high) const { return low + x * (high - low); }
};

// Whether all indices are below `limit`: sets `wrong` if not.
struct CheckIndices : Plain {
    const uint32_t *index;
    uint64_t count;
    uint64_t limit;
    uint32_t *wrong;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i < count && index[i] >= limit) *wrong = 1;
    }
};

} // namespace assay
