// Sums of buckets. Entries lie sorted by bucket and are cut into segments of equal length, one for each thread, wherever buckets begin: however the entries are
// distributed (all in one bucket, say) all threads have the same work. A bucket that lies within a segment is finished by its thread; the ends of segments
// leave partial sums, two for each, which are sorted again and summed in the same way, until one segment is left.

#pragma once

#include "curve.cuh"
#include "launch.cuh"

namespace assay {

// Bases by index and sign; a bucket goes on from what is in it.
template <class F> struct BaseEntries {
    static constexpr bool PARTIAL = false;
    const uint32_t *values;
    const Affine<F> *bases;

    ASSAY_FN void add_to(Xyzz<F> &sum, uint32_t entry) const {
        const uint32_t value = values[entry];
        const Affine<F> base = bases[value & 0x7fffffff];
        sum.add(base, value >> 31);
    }
};

// Partial sums.
template <class F> struct PartialEntries {
    static constexpr bool PARTIAL = true;
    const Xyzz<F> *sums;

    ASSAY_FN void add_to(Xyzz<F> &sum, uint32_t entry) const {
        const Xyzz<F> other = sums[entry];
        sum.add(other);
    }
};

// Registers for 512 threads on a multiprocessor: a point, a base and what an addition has on the way are some 100 words; over the extension field twice as
// much.
template <class F> struct Occupancy {
    static constexpr uint32_t BLOCKS = 2;
};
template <> struct Occupancy<Fq> {
    static constexpr uint32_t BLOCKS = 4;
};

template <class F, class Entries> struct Accumulate : Plain {
    static constexpr uint32_t BLOCKS = Occupancy<F>::BLOCKS;
    Entries entries;
    const uint32_t *keys;
    uint32_t count;
    uint32_t length;
    uint32_t segments;
    // Entries with this key, at the end, are in no bucket.
    uint32_t none;
    Xyzz<F> *buckets;
    // Two for each segment.
    uint32_t *partial_keys;
    Xyzz<F> *partial_sums;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint32_t segment = static_cast<uint32_t>(thread.index());
        if (segment >= segments) return;
        const uint32_t begin = segment * length, end = count - begin < length ? count : begin + length;
        uint32_t key = keys[begin];
        // unless a bucket that began before ends in this segment
        leave(2 * segment, key, Xyzz<F>::identity());
        if (key == none) return leave(2 * segment + 1, key, Xyzz<F>::identity());
        // whether the bucket begins in this segment
        bool whole = begin == 0 || keys[begin - 1] != key;
        Xyzz<F> sum = start(key, whole);
        ASSAY_ROLLED for (uint32_t entry = begin; entry < end; ++entry) {
            const uint32_t next = keys[entry];
            if (next != key) {
                if (whole) {
                    finish(key, sum);
                } else {
                    leave(2 * segment, key, sum);
                }
                if (next == none) return leave(2 * segment + 1, key, Xyzz<F>::identity());
                key = next;
                whole = true;
                sum = start(key, true);
            }
            entries.add_to(sum, entry);
        }
        if (whole && (end == count || keys[end] != key)) {
            finish(key, sum);
            sum = Xyzz<F>::identity();
        } else if (whole && !Entries::PARTIAL) {
            buckets[key] = Xyzz<F>::identity();
        }
        leave(2 * segment + 1, key, sum);
    }

private:
    // Of a bucket's entries only the first takes over what is in the bucket.
    ASSAY_FN Xyzz<F> start(uint32_t key, bool whole) const {
        if (Entries::PARTIAL || !whole) return Xyzz<F>::identity();
        return buckets[key];
    }

    // Identities among partial sums stand for buckets that are finished.
    ASSAY_FN void finish(uint32_t key, const Xyzz<F> &sum) const {
        if (!Entries::PARTIAL || !sum.is_identity()) buckets[key] = sum;
    }

    ASSAY_FN void leave(uint32_t place, uint32_t key, const Xyzz<F> &sum) const {
        partial_keys[place] = key;
        partial_sums[place] = sum;
    }
};

// Sum over a group's buckets of bucket times digit, in parts: a thread has `length` buckets, from the highest down, and adds the sum so far each time; what is
// left is the part's first digit times its sum.
template <class F> struct WeighBuckets : Plain {
    static constexpr uint32_t BLOCKS = 2;
    const Xyzz<F> *buckets;
    uint64_t parts;
    uint32_t parts_of_group;
    uint32_t length;
    uint32_t *keys;
    Xyzz<F> *sums;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t part = thread.index();
        if (part >= parts) return;
        Xyzz<F> sum = Xyzz<F>::identity(), weighted = Xyzz<F>::identity();
        ASSAY_ROLLED for (uint32_t i = 2 * length; i-- > 0;) {
            // one addition in the program for both sums: odd rounds add a bucket, even ones the sum
            const bool bucket = i & 1;
            Xyzz<F> target = weighted, other = sum;
            if (bucket) {
                target = sum;
                other = buckets[part * length + i / 2];
            }
            target.add(other);
            if (bucket) {
                sum = target;
            } else {
                weighted = target;
            }
        }
        uint32_t factor = static_cast<uint32_t>(part % parts_of_group) * length;
        ASSAY_ROLLED for (; factor; factor >>= 1) {
            if (factor & 1) weighted.add(sum);
            sum.double_in_place();
        }
        keys[part] = static_cast<uint32_t>(part / parts_of_group);
        sums[part] = weighted;
    }
};

// Room for the partial sums of two passes, one of which reads what the other leaves.
template <class F> class Partials {
public:
    static constexpr uint32_t LENGTH = 8;

    static uint64_t bytes(uint64_t segments) {
        return (2 * segments + 2 * divided_up(2 * segments, LENGTH)) * (sizeof(uint32_t) + sizeof(Xyzz<F>));
    }

    // For so many segments of the first pass.
    Partials(Device &device, uint64_t segments) : device_(device) {
        const uint64_t counts[2] = {2 * segments, 2 * divided_up(2 * segments, LENGTH)};
        for (unsigned i = 0; i < 2; ++i) {
            keys_[i] = Buffer<uint32_t>(device, counts[i]);
            sums_[i] = Buffer<Xyzz<F>>(device, counts[i]);
        }
    }

    uint32_t *keys() const { return keys_[0].data(); }
    Xyzz<F> *sums() const { return sums_[0].data(); }

    // Adds bases to buckets; `keys` are sorted.
    void accumulate(const BaseEntries<F> &entries, const uint32_t *keys, uint64_t count, uint32_t length, uint32_t none, Xyzz<F> *buckets) {
        pass(entries, keys, count, length, none, buckets, 0);
        if (count > length) merge(2 * divided_up(count, length), none, buckets);
    }

    // Puts the sums of the first `count` partial sums into buckets.
    void merge(uint64_t count, uint32_t none, Xyzz<F> *buckets) {
        for (unsigned from = 0;; from ^= 1) {
            pass(PartialEntries<F>{sums_[from].data()}, keys_[from].data(), count, LENGTH, none, buckets, from ^ 1);
            if (count <= LENGTH) return;
            count = 2 * divided_up(count, LENGTH);
        }
    }

private:
    template <class Entries>
    void pass(const Entries &entries, const uint32_t *keys, uint64_t count, uint32_t length, uint32_t none, Xyzz<F> *buckets, unsigned to) {
        Accumulate<F, Entries> kernel;
        kernel.entries = entries;
        kernel.keys = keys;
        require(count <= UINT32_MAX - length, "too many entries");
        kernel.count = static_cast<uint32_t>(count);
        kernel.length = length;
        kernel.segments = static_cast<uint32_t>(divided_up(count, length));
        kernel.none = none;
        kernel.buckets = buckets;
        kernel.partial_keys = keys_[to].data();
        kernel.partial_sums = sums_[to].data();
        launch_for(device_, kernel.segments, kernel);
    }

    Device &device_;
    Buffer<uint32_t> keys_[2];
    Buffer<Xyzz<F>> sums_[2];
};

} // namespace assay
