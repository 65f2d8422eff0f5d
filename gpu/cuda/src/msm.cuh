// Multi-scalar multiplication: Pippenger's buckets over signed digits.
//
// Scalars come in chunks, and the next chunk is uploaded while one is worked on. A chunk's entries (digits.cuh) are radix sorted by list, window and bucket and
// then summed into the buckets (buckets.cuh), which stay until all chunks are in. At the end each group of buckets becomes one point, and the processor
// combines the few points that are left: a chain of doublings is what a device is worst at.
//
// Per entry the device does 10 multiplications and moves about 100 bytes (a base at random, four passes of a sort), so multiplications are what it waits for.

#pragma once

#include <algorithm>
#include <vector>

#include "bases.cuh"
#include "buckets.cuh"
#include "digits.cuh"

namespace assay {

// Scalars of one kind for a chunk after the other.
class FullUpload {
public:
    using Scalars = FullScalars;
    static constexpr uint64_t ITEM_BYTES = SLOTS * sizeof(Fr);

    FullUpload(Device &device, const uint64_t *scalars, uint64_t count, uint64_t chunk) : device_(device), scalars_(scalars), count_(count), chunk_(chunk) {
        for (unsigned slot = 0; slot < SLOTS; ++slot) {
            slots_[slot] = Buffer<Fr>(device, std::min(chunk, count));
            device.consumed(slot);
        }
    }

    // Begins the upload of chunk `k`, if there is one.
    void stage(uint64_t k) {
        if (k * chunk_ >= count_) return;
        const uint64_t start = k * chunk_;
        device_.stage_begin(k % SLOTS);
        device_.stage(slots_[k % SLOTS].data(), scalars_ + 4 * start, std::min(chunk_, count_ - start) * sizeof(Fr));
    }

    Scalars take(uint64_t k) {
        device_.staged(k % SLOTS);
        return {slots_[k % SLOTS].data()};
    }

    void done(uint64_t k) { device_.consumed(k % SLOTS); }

private:
    Device &device_;
    const uint64_t *scalars_;
    uint64_t count_;
    uint64_t chunk_;
    Buffer<Fr> slots_[SLOTS];
};

// Small scalars are on the device already: their size is known from there.
class SmallUpload {
public:
    using Scalars = SmallScalars;
    static constexpr uint64_t ITEM_BYTES = 0;

    SmallUpload(const int32_t *scalars, uint64_t chunk) : scalars_(scalars), chunk_(chunk) {}
    void stage(uint64_t) {}
    Scalars take(uint64_t k) { return {scalars_ + k * chunk_}; }
    void done(uint64_t) {}

private:
    const int32_t *scalars_;
    uint64_t chunk_;
};

// How a multiplication goes about its lists.
struct Plan {
    Windows windows;
    uint64_t chunk;
    uint32_t length;
    uint64_t buckets;
    // Bits of a key.
    uint32_t bits;
};

template <class F> class Msm {
public:
    Msm(const Bases<F> &bases, uint64_t from) : device_(bases.device()), bases_(bases), from_(from) {}

    Xyzz<F> full(const uint64_t *scalars, uint64_t len) {
        if (len == 0) return Xyzz<F>::identity();
        const Plan plan = planned(len, 1, SCALAR_BITS, FullUpload::ITEM_BYTES);
        FullUpload upload(device_, scalars, len, plan.chunk);
        return sums(plan, upload, {len})[0];
    }

    // Lists of small scalars: `ends[k]` is where list k ends among `scalars`, which are on the device; the bases begin anew for each. No magnitude is above
    // `largest`.
    std::vector<Xyzz<F>> small(const int32_t *scalars, const std::vector<uint64_t> &ends, uint32_t largest) {
        if (largest == 0) return std::vector<Xyzz<F>>(ends.size(), Xyzz<F>::identity());
        const Plan plan = planned(ends.back(), static_cast<uint32_t>(ends.size()), bit_length(largest - 1) + 1, SmallUpload::ITEM_BYTES);
        SmallUpload upload(scalars, plan.chunk);
        return sums(plan, upload, ends);
    }

private:
    static constexpr uint64_t MOST_ITEMS = 1 << 22;
    static constexpr uint64_t LEAST_ITEMS = 1 << 10;

    // Bytes for a chunk of so many entries.
    static uint64_t workspace(uint64_t entries, uint32_t length, uint32_t bits) {
        return 4 * entries * sizeof(uint32_t) + sort_bytes(entries, bits) + Partials<F>::bytes(divided_up(entries, length));
    }

    // A segment is long where there are threads enough, since its ends cost additions.
    uint32_t segment(uint64_t entries) const {
        const uint64_t threads = device_.multiprocessors() * 1024ull;
        return static_cast<uint32_t>(std::clamp<uint64_t>(divided_up(entries, threads), 8, 128));
    }

    Plan planned(uint64_t items, uint32_t lists, uint32_t bits, uint64_t item_bytes) const {
        const uint64_t available = device_.available();
        Plan plan;
        plan.windows = Windows::cheapest(items, lists, bits, bases_.stride(), available / 3 / sizeof(Xyzz<F>));
        plan.buckets = lists * plan.windows.buckets();
        plan.bits = bit_length(plan.buckets);
        // chunks enough that the upload of the first, beside which nothing runs, is short; few, since each costs passes over the ends of segments
        plan.chunk = item_bytes ? std::clamp<uint64_t>(divided_up(items, 8), 1 << 19, MOST_ITEMS) : MOST_ITEMS;
        plan.chunk = std::min(plan.chunk, items);
        const uint64_t rest = available - std::min(available, plan.buckets * sizeof(Xyzz<F>));
        for (;; plan.chunk /= 2) {
            const uint64_t entries = plan.chunk * plan.windows.count();
            plan.length = segment(entries);
            if (plan.chunk <= LEAST_ITEMS || workspace(entries, plan.length, plan.bits) + plan.chunk * item_bytes <= rest - rest / 8) return plan;
        }
    }

    template <class Upload> std::vector<Xyzz<F>> sums(const Plan &plan, Upload &upload, const std::vector<uint64_t> &ends) {
        const uint32_t lists = static_cast<uint32_t>(ends.size());
        Buffer<uint64_t> ends_there(device_, lists);
        ends_there.upload(ends.data(), lists);
        Buffer<Xyzz<F>> buckets(device_, plan.buckets);
        buckets.zero();
        fill(plan, upload, ends.back(), ends_there.data(), lists, buckets.data());
        return combined(plan.windows, lists, reduced(plan.windows, lists, buckets));
    }

    // Adds all entries to the buckets.
    template <class Upload> void fill(const Plan &plan, Upload &upload, uint64_t items, const uint64_t *ends, uint32_t lists, Xyzz<F> *buckets) {
        const uint64_t most = plan.chunk * plan.windows.count();
        Buffer<uint32_t> words[4];
        for (auto &word : words) word = Buffer<uint32_t>(device_, most);
        const uint64_t last = (items - 1) % plan.chunk + 1;
        const size_t extra_bytes = std::max(sort_bytes(most, plan.bits), sort_bytes(last * plan.windows.count(), plan.bits));
        const Buffer<unsigned char> extra(device_, extra_bytes);
        Partials<F> partials(device_, divided_up(most, plan.length));
        const uint32_t none = static_cast<uint32_t>(plan.buckets);

        upload.stage(0);
        for (uint64_t k = 0, start = 0; start < items; ++k, start += plan.chunk) {
            Digits<typename Upload::Scalars> digits;
            digits.scalars = upload.take(k);
            digits.first = start;
            digits.count = std::min(plan.chunk, items - start);
            digits.ends = ends;
            digits.lists = lists;
            digits.windows = plan.windows;
            digits.base = from_;
            digits.bases = bases_.len();
            digits.none = none;
            digits.keys = words[0].data();
            digits.values = words[1].data();
            launch_for(device_, digits.count, digits);
            upload.done(k);

            const uint64_t entries = digits.count * plan.windows.count();
            Sortable pairs = {{words[0].data(), words[2].data()}, {words[1].data(), words[3].data()}};
            sort_pairs(device_, pairs, entries, plan.bits, extra.data(), extra_bytes);
            const BaseEntries<F> sorted = {pairs.values[pairs.current], bases_.data()};
            partials.accumulate(sorted, pairs.keys[pairs.current], entries, plan.length, none, buckets);
            // last, since a copy from ordinary memory keeps this thread until it is done
            upload.stage(k + 1);
        }
    }

    // A point for each list and group.
    std::vector<Xyzz<F>> reduced(const Windows &windows, uint32_t lists, const Buffer<Xyzz<F>> &buckets) {
        const uint64_t groups = static_cast<uint64_t>(lists) * windows.groups;
        WeighBuckets<F> weigh;
        weigh.length = 1;
        while (2 * weigh.length <= 1u << (windows.bits - 1) && weigh.length < 64 && buckets.size() / weigh.length > device_.multiprocessors() * 256ull) {
            weigh.length *= 2;
        }
        weigh.buckets = buckets.data();
        weigh.parts = buckets.size() / weigh.length;
        weigh.parts_of_group = (1u << (windows.bits - 1)) / weigh.length;
        Partials<F> partials(device_, divided_up(weigh.parts, 2));
        weigh.keys = partials.keys();
        weigh.sums = partials.sums();
        launch_for(device_, weigh.parts, weigh);
        Buffer<Xyzz<F>> points(device_, groups);
        points.zero();
        partials.merge(weigh.parts, UINT32_MAX, points.data());
        std::vector<Xyzz<F>> out(groups);
        points.download(out.data(), groups);
        return out;
    }

    static std::vector<Xyzz<F>> combined(const Windows &windows, uint32_t lists, const std::vector<Xyzz<F>> &points) {
        std::vector<Xyzz<F>> out(lists, Xyzz<F>::identity());
        for (uint32_t list = 0; list < lists; ++list) {
            for (uint32_t group = windows.groups; group-- > 0;) {
                for (uint32_t i = 0; i < windows.bits; ++i) out[list].double_in_place();
                out[list].add(points[static_cast<uint64_t>(list) * windows.groups + group]);
            }
        }
        return out;
    }

    Device &device_;
    const Bases<F> &bases_;
    uint64_t from_;
};

} // namespace assay
