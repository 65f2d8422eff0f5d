// How scalars are cut into digits.

#pragma once

#include "platform.cuh"

namespace assay {

// A scalar has 254 bits; with one more no carry is left after the last digit.
constexpr uint32_t SCALAR_BITS = 255;
// The widest window.
constexpr uint32_t MOST_BITS = 22;
// Costs in multiplications: of an entry (an addition, and what sorting takes), and of a bucket (additions and doublings, at a fraction of the device's speed).
constexpr uint64_t ENTRY_COST = 12;
constexpr uint64_t BUCKET_COST = 80;

// A window is `bits` wide. With multiples, windows that are `span` bits apart share their buckets, each with its own multiple of the base; `groups` windows
// have buckets of their own. A group has a bucket for each of the digits 1 to 2^(bits - 1).
struct Windows {
    uint32_t bits;
    uint32_t groups;
    uint32_t strides;
    uint32_t span;

    ASSAY_FN uint32_t count() const { return groups * strides; }
    ASSAY_FN uint64_t buckets() const { return static_cast<uint64_t>(groups) << (bits - 1); }
    ASSAY_FN uint32_t width(uint32_t group) const { return group + 1 < groups ? bits : span - group * bits; }

    uint64_t cost(uint64_t items, uint32_t lists) const { return items * count() * ENTRY_COST + lists * buckets() * BUCKET_COST; }

    // The cheapest for scalars of `bits` bits (the last of which takes the carry) in `lists` lists with `items` scalars together, multiples of bases being
    // `stride` bits apart, with `most` buckets at most if that is possible at all.
    static Windows cheapest(uint64_t items, uint32_t lists, uint32_t bits, uint32_t stride, uint64_t most) {
        const uint32_t strides = static_cast<uint32_t>(divided_up(bits, stride)), span = strides > 1 ? stride : bits;
        Windows best = {1, span, strides, span};
        uint64_t least = UINT64_MAX;
        for (uint32_t groups = 1; groups <= span; ++groups) {
            const Windows windows = {static_cast<uint32_t>(divided_up(span, groups)), groups, strides, span};
            // not so wide that the last window has nothing left
            if (windows.bits > MOST_BITS || (groups - 1) * windows.bits >= span) continue;
            const uint64_t buckets = lists * windows.buckets(), cost = windows.cost(items, lists);
            if (cost >= least || buckets >> 31 || buckets > most) continue;
            best = windows;
            least = cost;
        }
        return best;
    }

    // How many multiples of each of `len` bases are best kept, `most` at most: as few as come close to the least cost of a full-width multiplication.
    static uint32_t multiples(uint64_t len, uint32_t most, uint64_t most_buckets) {
        uint32_t best = 1;
        uint64_t least = UINT64_MAX;
        for (uint32_t multiples = 1; multiples <= most; ++multiples) {
            const uint32_t stride = static_cast<uint32_t>(divided_up(SCALAR_BITS, multiples));
            const uint64_t cost = cheapest(len, 1, SCALAR_BITS, stride, most_buckets).cost(len, 1);
            if (cost >= least - least / 32) continue;
            best = multiples;
            least = cost;
        }
        return best;
    }
};

} // namespace assay
