// Multi-scalar multiplication over G2, and its C interface.

#include <cstring>

#include "context.cuh"
#include "msm.cuh"

using namespace assay;

struct assay_bases_g2 {
    Shared shared;
    Bases<Fq2> bases;
};

int32_t assay_bases_g2_new(assay_context *context, const uint64_t *points, size_t len, assay_bases_g2 **out) {
    return guarded_on(context, [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require_pointer(points, len);
        *out = new assay_bases_g2{context->shared, Bases<Fq2>(context->shared->device, points, len, 1)};
    });
}

void assay_bases_g2_free(assay_bases_g2 *bases) { release(bases); }

int32_t assay_msm_g2(assay_bases_g2 *bases, const uint64_t *scalars, size_t len, uint64_t out[24]) {
    return guarded_on(bases, [&] {
        require_pointer(scalars, len);
        require(out, "a pointer is null");
        require(len <= bases->bases.len(), "more scalars than bases");
        const Xyzz<Fq2> sum = Msm<Fq2>(bases->bases, 0).full(scalars, len);
        Fq2 coordinates[3];
        sum.jacobian(coordinates);
        std::memcpy(out, coordinates, sizeof coordinates);
    });
}
