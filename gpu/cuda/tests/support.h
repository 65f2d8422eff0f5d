// What the tests share: checks, random numbers, and a plain arithmetic to compare with, on the reference multiplication alone.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../src/context.cuh"
#include "../src/curve.cuh"

#define CHECK(condition)                                                        \
    do {                                                                        \
        if (!(condition)) {                                                     \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                       \
        }                                                                       \
    } while (0)

namespace tests {

using namespace assay;

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    // splitmix64
    uint64_t word() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        return z ^ z >> 31;
    }

    template <class F> F field() {
        F out;
        for (auto &w : out.words) w = static_cast<uint32_t>(word());
        out.words[7] &= 0x1fffffff;
        return out;
    }

private:
    uint64_t state_;
};

inline Fr integer(int64_t n) {
    Fr out = Fr::zero();
    const uint64_t magnitude = n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
    out.words[0] = static_cast<uint32_t>(magnitude);
    out.words[1] = static_cast<uint32_t>(magnitude >> 32);
    out = Fr::reference_product(out, Fr::square_of_r());
    return n < 0 ? -out : out;
}

inline Fr times(const Fr &a, const Fr &b) { return Fr::reference_product(a, b); }
inline Fq times(const Fq &a, const Fq &b) { return Fq::reference_product(a, b); }
inline Fq2 times(const Fq2 &a, const Fq2 &b) {
    return {times(a.c0, b.c0) - times(a.c1, b.c1), times(a.c0, b.c1) + times(a.c1, b.c0)};
}

inline Fr power_of(Fr a, uint64_t n) {
    Fr out = Fr::one();
    for (; n; n >>= 1, a = times(a, a)) {
        if (n & 1) out = times(out, a);
    }
    return out;
}

template <class P> Field<P> inverse_of(const Field<P> &a) {
    Field<P> out = Field<P>::one();
    for (int i = 253; i >= 0; --i) {
        out = times(out, out);
        const uint32_t word = i < 32 ? P::modulus(0) - 2 : P::modulus(i / 32);
        if (word >> (i % 32) & 1) out = times(out, a);
    }
    return out;
}
inline Fq2 inverse_of(const Fq2 &a) {
    const Fq factor = inverse_of(times(a.c0, a.c0) + times(a.c1, a.c1));
    return {times(a.c0, factor), -times(a.c1, factor)};
}

// The affine law as in a textbook.
template <class F> Affine<F> plus(const Affine<F> &a, const Affine<F> &b) {
    if (a.is_identity()) return b;
    if (b.is_identity()) return a;
    F slope;
    if (a.x == b.x) {
        if (!(a.y == b.y)) return {F::zero(), F::zero()};
        const F square = times(a.x, a.x);
        slope = times(square + square + square, inverse_of(a.y + a.y));
    } else {
        slope = times(b.y - a.y, inverse_of(b.x - a.x));
    }
    const F x = times(slope, slope) - a.x - b.x;
    return {x, times(slope, a.x - x) - a.y};
}

template <class F> Affine<F> minus(const Affine<F> &a) { return {a.x, a.y.is_zero() ? a.y : F::zero() - a.y}; }

template <class F> Affine<F> multiple(Affine<F> point, const Fr &scalar) {
    Fr plain = Fr::zero();
    plain.words[0] = 1;
    plain = times(scalar, plain);
    Affine<F> out = {F::zero(), F::zero()};
    for (int i = 0; i < 254; ++i, point = plus(point, point)) {
        if (plain.words[i / 32] >> (i % 32) & 1) out = plus(out, point);
    }
    return out;
}

template <class F> Affine<F> affine(const Xyzz<F> &p) {
    if (p.zz.is_zero()) return {F::zero(), F::zero()};
    return {times(p.x, inverse_of(p.zz)), times(p.y, inverse_of(p.zzz))};
}

// Jacobian coordinates, as the library gives them.
template <class F> Affine<F> jacobian(const uint64_t *words) {
    F c[3];
    std::memcpy(c, words, sizeof c);
    if (c[2].is_zero()) return {F::zero(), F::zero()};
    const F inverse = inverse_of(c[2]), square = times(inverse, inverse);
    return {times(c[0], square), times(c[1], times(square, inverse))};
}

template <class F> bool equal(const Affine<F> &a, const Affine<F> &b) { return a.x == b.x && a.y == b.y; }

// Generators of the two groups.
Affine<Fq> generator(const Fq *);
Affine<Fq2> generator(const Fq2 *);

template <class T> const uint64_t *words(const std::vector<T> &values) { return reinterpret_cast<const uint64_t *>(values.data()); }
template <class T> uint64_t *words(std::vector<T> &values) { return reinterpret_cast<uint64_t *>(values.data()); }

inline assay_context *opened() {
    assay_context *context = nullptr;
    CHECK(assay_open(0, &context) == ASSAY_OK);
    return context;
}

void fields();
void curves();
void interface();
void transforms();
void quotients();
void multiplications();
void cells();
void products();
void trees();
void lanes();

} // namespace tests
