// Multi-scalar multiplication over G1, and its C interface.

#include <cstring>

#include "context.cuh"
#include "msm.cuh"

using namespace assay;

struct assay_bases {
    Shared shared;
    Bases<Fq> bases;
};

namespace {

// Lists that are worked on together: so many of them, and so many scalars, unless one list has more.
constexpr size_t MOST_LISTS = 256;
constexpr uint64_t MOST_TOGETHER = 1 << 26;

void write(const Xyzz<Fq> &point, uint64_t *out) {
    Fq coordinates[3];
    point.jacobian(coordinates);
    std::memcpy(out, coordinates, sizeof coordinates);
}

uint32_t largest_magnitude(Device &device, const Buffer<int32_t> &scalars) {
    Buffer<uint32_t> largest(device, 1);
    largest.zero();
    LargestMagnitude kernel;
    kernel.scalars = scalars.data();
    kernel.count = scalars.size();
    kernel.out = largest.data();
    launch_for(device, divided_up(kernel.count, LargestMagnitude::EACH), kernel);
    uint32_t out = 0;
    largest.download(&out, 1);
    return out;
}

// Lists `first` to `last`, which is not among them.
void together(assay_bases *bases, const int32_t *const *scalars, const size_t *lengths, size_t first, size_t last, uint64_t *out) {
    Device &device = bases->bases.device();
    std::vector<uint64_t> ends;
    for (size_t k = first; k < last; ++k) ends.push_back((ends.empty() ? 0 : ends.back()) + lengths[k]);
    Buffer<int32_t> all(device, ends.back());
    for (size_t k = first; k < last; ++k) all.upload(scalars[k], lengths[k], ends[k - first] - lengths[k]);
    const uint32_t largest = largest_magnitude(device, all);
    const std::vector<Xyzz<Fq>> sums = Msm<Fq>(bases->bases, 0).small(all.data(), ends, largest);
    for (size_t k = first; k < last; ++k) write(sums[k - first], out + 12 * k);
}

} // namespace

int32_t assay_bases_new(assay_context *context, const uint64_t *points, size_t len, uint32_t multiples, assay_bases **out) {
    return guarded_on(context, [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require_pointer(points, len);
        require(multiples <= MOST_MULTIPLES, "too many multiples");
        *out = new assay_bases{context->shared, Bases<Fq>(context->shared->device, points, len, multiples)};
    });
}

void assay_bases_free(assay_bases *bases) { release(bases); }

int32_t assay_msm(assay_bases *bases, size_t from, const uint64_t *scalars, size_t len, uint64_t out[12]) {
    return guarded_on(bases, [&] {
        require_pointer(scalars, len);
        require(out, "a pointer is null");
        require(from <= bases->bases.len() && len <= bases->bases.len() - from, "more scalars than bases");
        write(Msm<Fq>(bases->bases, from).full(scalars, len), out);
    });
}

int32_t assay_msm_small(assay_bases *bases, const int32_t *const *scalars, const size_t *lengths, size_t lists, uint64_t *out) {
    return guarded_on(bases, [&] {
        require(lists == 0 || (scalars && lengths && out), "a pointer is null");
        for (size_t k = 0; k < lists; ++k) {
            require_pointer(scalars[k], lengths[k]);
            require(lengths[k] <= bases->bases.len(), "more scalars than bases");
        }
        for (size_t first = 0, last = 0; first < lists; first = last) {
            uint64_t items = 0;
            while (last < lists && last - first < MOST_LISTS && (last == first || items + lengths[last] <= MOST_TOGETHER)) items += lengths[last++];
            together(bases, scalars, lengths, first, last, out);
        }
    });
}
