// Scalars cut into signed digits: for each scalar and window an entry, the bucket that the base belongs to, and the base with its sign.

#pragma once

#include "field.cuh"
#include "launch.cuh"
#include "windows.cuh"

namespace assay {

constexpr uint32_t NEGATIVE = 1u << 31;

// Full-width scalars.
struct FullScalars {
    static constexpr int WORDS = 8;
    const Fr *scalars;

    ASSAY_FN bool load(uint64_t i, uint32_t (&words)[WORDS]) const {
        Fr plain = Fr::zero();
        plain.words[0] = 1;
        plain = scalars[i] * plain;
        ASSAY_UNROLLED for (int j = 0; j < WORDS; ++j) words[j] = plain.words[j];
        return false;
    }
};

// 32 bits, as magnitude and sign.
struct SmallScalars {
    static constexpr int WORDS = 1;
    const int32_t *scalars;

    ASSAY_FN static uint32_t magnitude(int32_t scalar) { return scalar < 0 ? 0u - static_cast<uint32_t>(scalar) : static_cast<uint32_t>(scalar); }

    ASSAY_FN bool load(uint64_t i, uint32_t (&words)[WORDS]) const {
        words[0] = magnitude(scalars[i]);
        return scalars[i] < 0;
    }
};

template <class Scalars> struct Digits : Plain {
    Scalars scalars;
    // The scalars of a chunk are some of `lists` lists one after the other; list k begins at ends[k - 1].
    uint64_t first;
    uint64_t count;
    const uint64_t *ends;
    uint32_t lists;
    Windows windows;
    // Where the first base is, and how far its multiples are apart.
    uint64_t base;
    uint64_t bases;
    uint32_t none;
    // Window by window, each with `count` entries.
    uint32_t *keys;
    uint32_t *values;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= count) return;
        uint32_t list = 0;
        for (uint32_t step = lists; step > 1;) {
            // `list` is the first of `step` lists, one of which has the scalar
            const uint32_t half = step / 2;
            const bool later = ends[list + half - 1] <= first + i;
            list += later ? half : 0;
            step = later ? step - half : half;
        }
        const uint64_t place = base + first + i - (list ? ends[list - 1] : 0);
        uint32_t words[Scalars::WORDS];
        const bool negative = scalars.load(i, words);
        uint32_t carry = 0;
        uint64_t entry = i;
        ASSAY_ROLLED for (uint32_t stride = 0; stride < windows.strides; ++stride) {
            ASSAY_ROLLED for (uint32_t group = 0; group < windows.groups; ++group, entry += count) {
                const uint32_t width = windows.width(group), whole = 1u << width;
                uint32_t digit = (words[0] & (whole - 1)) + carry;
                drop(words, width);
                carry = digit > whole / 2;
                const bool minus = carry != 0;
                if (minus) digit = whole - digit;
                const uint64_t bucket = list * windows.buckets() + (static_cast<uint64_t>(group) << (windows.bits - 1)) + digit - 1;
                keys[entry] = digit == 0 ? none : static_cast<uint32_t>(bucket);
                values[entry] = static_cast<uint32_t>(place + stride * bases) | (minus != negative ? NEGATIVE : 0);
            }
        }
    }

    ASSAY_FN static void drop(uint32_t (&words)[Scalars::WORDS], uint32_t bits) {
        ASSAY_UNROLLED for (int j = 0; j + 1 < Scalars::WORDS; ++j) {
            words[j] = static_cast<uint32_t>((static_cast<uint64_t>(words[j + 1]) << 32 | words[j]) >> bits);
        }
        words[Scalars::WORDS - 1] = bits < 32 ? words[Scalars::WORDS - 1] >> bits : 0;
    }
};

// The largest magnitude.
struct LargestMagnitude : Plain {
    static constexpr uint32_t EACH = 32;
    const int32_t *scalars;
    uint64_t count;
    uint32_t *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        uint32_t largest = 0;
        for (uint64_t i = thread.index(); i < count; i += thread.count()) {
            const uint32_t magnitude = SmallScalars::magnitude(scalars[i]);
            largest = magnitude > largest ? magnitude : largest;
        }
        atomic_max(out, largest);
    }

    ASSAY_FN static void atomic_max(uint32_t *target, uint32_t value) {
#ifdef __CUDA_ARCH__
        atomicMax(target, value);
#else
        if (value > *target) *target = value;
#endif
    }
};

} // namespace assay
