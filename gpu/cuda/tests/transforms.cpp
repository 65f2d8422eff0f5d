// Transforms against their definition, at a few coefficients where they are many; the interface's refusals.

#include "support.h"

namespace tests {

namespace {

// Of order 2^log: 5 to the power of (r - 1) / 2^log.
Fr root(uint32_t log) {
    Fr out = Fr::one();
    uint32_t exponent[8];
    for (int i = 0; i < 8; ++i) exponent[i] = FrParameters::modulus(i);
    exponent[0] -= 1;
    for (int i = 255; i >= static_cast<int>(log); --i) {
        out = times(out, out);
        if (exponent[i / 32] >> (i % 32) & 1) out = times(out, integer(5));
    }
    return out;
}

size_t place(size_t i, uint32_t log) {
    size_t out = 0;
    for (uint32_t bit = 0; bit < log; ++bit) out |= (i >> bit & 1) << (log - 1 - bit);
    return out;
}

void transform(assay_context *context, uint32_t log, size_t batch) {
    Random random(log);
    const size_t size = size_t{1} << log, step = size > 64 ? size / 7 : 1;
    std::vector<Fr> values(size * batch);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 5 == 0 ? Fr::zero() : random.field<Fr>();
    const Fr w = root(log), w_inverse = inverse_of(w), factor = integer(7), shrink = inverse_of(integer(static_cast<int64_t>(size)));
    std::vector<Fr> plain = values, scaled = values;
    CHECK(assay_to_coefficients(context, log, batch, words(plain), nullptr) == ASSAY_OK);
    CHECK(assay_to_coefficients(context, log, batch, words(scaled), reinterpret_cast<const uint64_t *>(&factor)) == ASSAY_OK);
    for (size_t vector = 0; vector < batch; ++vector) {
        for (size_t i = 0; i < size; i += step) {
            Fr sum = Fr::zero(), at = Fr::one();
            const Fr x = power_of(w_inverse, i);
            for (size_t j = 0; j < size; ++j, at = times(at, x)) sum = sum + times(values[vector * size + j], at);
            CHECK(plain[vector * size + place(i, log)] == sum);
            CHECK(scaled[vector * size + place(i, log)] == times(sum, times(power_of(factor, i), shrink)));
        }
    }
    // back with 1^i / 2^log, and to the values of the stretched polynomial
    const Fr one = Fr::one();
    CHECK(assay_to_values(context, log, batch, words(plain), reinterpret_cast<const uint64_t *>(&one)) == ASSAY_OK);
    for (size_t i = 0; i < values.size(); ++i) CHECK(plain[i] == values[i]);
    std::vector<Fr> coefficients = scaled;
    CHECK(assay_to_values(context, log, batch, words(scaled), nullptr) == ASSAY_OK);
    for (size_t j = 0; j < size; j += step) {
        Fr sum = Fr::zero(), at = Fr::one();
        const Fr x = power_of(w, j);
        for (size_t i = 0; i < size; ++i, at = times(at, x)) sum = sum + times(coefficients[place(i, log)], at);
        CHECK(scaled[j] == sum);
    }
}

// So large that there are more than two passes: there, at one coefficient, and back.
void large(assay_context *context, uint32_t log) {
    Random random(log);
    std::vector<Fr> values(size_t{1} << log);
    for (Fr &value : values) value = random.field<Fr>();
    std::vector<Fr> data = values;
    CHECK(assay_to_coefficients(context, log, 1, words(data), nullptr) == ASSAY_OK);
    const size_t i = random.word() % values.size();
    const Fr x = power_of(inverse_of(root(log)), i), one = Fr::one();
    Fr sum = Fr::zero();
    for (size_t j = values.size(); j-- > 0;) sum = times(sum, x) + values[j];
    CHECK(data[place(i, log)] == sum);
    CHECK(assay_to_values(context, log, 1, words(data), reinterpret_cast<const uint64_t *>(&one)) == ASSAY_OK);
    for (size_t j = 0; j < values.size(); ++j) CHECK(data[j] == values[j]);
}

} // namespace

void transforms() {
    assay_context *context = opened();
    for (uint32_t log = 0; log <= 8; ++log) transform(context, log, log == 3 ? 300 : 3);
    transform(context, 11, 1);
    transform(context, 10, 2);
    transform(context, 14, 1);
    transform(context, 13, 2);
    large(context, 19);
    std::vector<Fr> values(16);
    CHECK(assay_to_values(context, 29, 1, words(values), nullptr) == ASSAY_ARGUMENT);
    CHECK(assay_to_values(context, 4, 0, nullptr, nullptr) == ASSAY_OK);
    CHECK(assay_to_values(context, 4, 1, nullptr, nullptr) == ASSAY_ARGUMENT);
    CHECK(assay_to_values(context, 28, SIZE_MAX >> 30, words(values), nullptr) == ASSAY_ARGUMENT);
    assay_close(context);

    // a vector at a time, and too little for one
    context = opened();
    CHECK(assay_limit_memory(context, 200 << 10) == ASSAY_OK);
    transform(context, 10, 5);
    values.resize(1 << 14);
    CHECK(assay_to_values(context, 14, 1, words(values), nullptr) == ASSAY_MEMORY);
    CHECK(assay_limit_memory(context, 0) == ASSAY_OK);
    transform(context, 12, 1);
    assay_close(context);
}

void interface() {
    CHECK(assay_abi() == ASSAY_ABI);
    uint32_t count = 0;
    CHECK(assay_devices(&count) == ASSAY_OK && count == 1);
    assay_device device;
    CHECK(assay_describe(0, &device) == ASSAY_OK && device.emulated == 1 && device.name[0]);
    CHECK(assay_describe(1, &device) == ASSAY_ARGUMENT);
    assay_context *context = nullptr;
    CHECK(assay_open(1, &context) == ASSAY_ARGUMENT && assay_open(0, nullptr) == ASSAY_ARGUMENT);
    CHECK(std::strstr(assay_error(nullptr), "null"));
    CHECK(assay_open(7, &context) == ASSAY_ARGUMENT && std::strstr(assay_error(nullptr), "no such device"));
    CHECK(assay_limit_memory(nullptr, 0) == ASSAY_ARGUMENT && std::strstr(assay_error(nullptr), "handle"));
    CHECK(assay_devices(nullptr) == ASSAY_ARGUMENT && assay_describe(0, nullptr) == ASSAY_ARGUMENT);
    CHECK(assay_seconds(nullptr) == 0);
    context = opened();
    CHECK(assay_error(context) && !assay_error(context)[0] && assay_seconds(context) == 0);
    assay_bases *bases = nullptr;
    CHECK(assay_bases_new(context, nullptr, 1, 1, &bases) == ASSAY_ARGUMENT && !bases && assay_error(context)[0]);
    // what was made in a context may outlive it
    CHECK(assay_bases_new(context, nullptr, 0, 0, &bases) == ASSAY_OK);
    assay_close(context);
    uint64_t out[12];
    CHECK(assay_msm(bases, 0, nullptr, 0, out) == ASSAY_OK && !(out[8] | out[9] | out[10] | out[11]));
    assay_bases_free(bases);
    assay_bases_free(nullptr);
    assay_close(nullptr);
}

} // namespace tests
