// The emulated library with a device that dies: the third binding of a product and the seventh of a tree's level fail, every third multiplication of small scalars, and the first quotient.
// Whatever is not here is the emulated library's, which this one is linked with.

#include "../cuda/assay_gpu.h"

#include <dlfcn.h>

namespace {

template <typename Function>
Function real(const char *name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int product_calls = 0, level_calls = 0, small_calls = 0, quotient_calls = 0;

} // namespace

extern "C" int32_t assay_product_bind(assay_product *product, const uint64_t x[4]) {
    static const auto bind = real<decltype(&assay_product_bind)>("assay_product_bind");
    return ++product_calls == 3 ? ASSAY_DEVICE : bind(product, x);
}

extern "C" int32_t assay_level_bind(assay_tree *tree, const uint64_t x[4], uint64_t message[20]) {
    static const auto bind = real<decltype(&assay_level_bind)>("assay_level_bind");
    return ++level_calls == 7 ? ASSAY_DEVICE : bind(tree, x, message);
}

extern "C" int32_t assay_msm_small(assay_bases *bases, const int32_t *const *scalars, const size_t *lengths, size_t lists, uint64_t *out) {
    static const auto small = real<decltype(&assay_msm_small)>("assay_msm_small");
    return ++small_calls % 3 == 0 ? ASSAY_DEVICE : small(bases, scalars, lengths, lists, out);
}

extern "C" int32_t assay_quotient(assay_quotients *quotients, const uint64_t *const *columns, size_t count, const uint64_t *more_coefficients, size_t more,
                                  const assay_program *program, const uint64_t *scales, uint64_t *out) {
    static const auto quotient = real<decltype(&assay_quotient)>("assay_quotient");
    return ++quotient_calls == 1 ? ASSAY_DEVICE : quotient(quotients, columns, count, more_coefficients, more, program, scales, out);
}
