// Field operations on carry chains against the reference multiplication and plain integers, and the curve's exceptional cases.

#include "support.h"

namespace tests {

namespace {

// Zero, one, small ones, R, R^2, the modulus less those, words that are all ones, single bits.
template <class P> std::vector<Field<P>> edges() {
    using F = Field<P>;
    F one = F::zero(), two = F::zero(), ones = F::zero();
    one.words[0] = 1;
    two.words[0] = 2;
    for (int i = 0; i < 7; ++i) ones.words[i] = 0xffffffff;
    ones.words[7] = P::modulus(7) - 1;
    std::vector<F> out = {F::zero(), one, two, ones, F::one(), F::square_of_r()};
    for (int bit = 0; bit < 254; bit += 29) {
        F single = F::zero();
        single.words[bit / 32] = 1u << (bit % 32);
        if (bit < 253) out.push_back(single);
    }
    const size_t count = out.size();
    for (size_t i = 1; i < count; ++i) out.push_back(F::zero() - out[i]);
    Random random(1);
    for (int i = 0; i < 40; ++i) out.push_back(random.field<F>());
    return out;
}

// a + b or a - b mod p, in 320 bits.
template <class P> Field<P> plain_sum(const Field<P> &a, const Field<P> &b, bool subtract) {
    int64_t words[9] = {}, carry = 0;
    for (int i = 0; i < 8; ++i) words[i] = static_cast<int64_t>(a.words[i]) + (subtract ? -static_cast<int64_t>(b.words[i]) : b.words[i]);
    const auto settle = [&] {
        carry = 0;
        for (int i = 0; i < 9; ++i) {
            const int64_t sum = words[i] + carry;
            words[i] = i < 8 ? sum & 0xffffffff : sum;
            carry = i < 8 ? sum >> 32 : 0;
        }
    };
    settle();
    for (int round = 0; round < 3; ++round) {
        bool above = words[8] > 0;
        if (words[8] == 0) {
            above = true;
            for (int i = 7; i >= 0; --i) {
                if (words[i] != P::modulus(i)) {
                    above = words[i] > P::modulus(i);
                    break;
                }
            }
        }
        const int sign = words[8] < 0 ? 1 : above ? -1 : 0;
        for (int i = 0; i < 8; ++i) words[i] += sign * static_cast<int64_t>(P::modulus(i));
        settle();
    }
    Field<P> out;
    for (int i = 0; i < 8; ++i) out.words[i] = static_cast<uint32_t>(words[i]);
    return out;
}

template <class P> void field() {
    using F = Field<P>;
    const std::vector<F> values = edges<P>();
    for (const F &a : values) {
        for (const F &b : values) {
            CHECK(F::product(a, b) == F::reference_product(a, b));
            CHECK(a + b == plain_sum(a, b, false));
            CHECK(a - b == plain_sum(a, b, true));
        }
        CHECK(a.doubled() == a + a && a.squared() == a * a && -a + a == F::zero());
        CHECK(a * F::one() == a);
        CHECK(a.is_zero() ? F::inverse(a).is_zero() : F::inverse(a) * a == F::one());
        CHECK(power(a, 5) == a * a * a * a * a && power(a, 0) == F::one());
        // the second factor may be any 256 bits
        F large;
        for (uint32_t &word : large.words) word = 0xffffffff;
        CHECK(F::product(a, large) == F::reference_product(a, large));
    }
}

template <class F> F some(Random &random);
template <> Fq some<Fq>(Random &random) { return random.field<Fq>(); }
template <> Fq2 some<Fq2>(Random &random) { return {random.field<Fq>(), random.field<Fq>()}; }

// Points in all representations that are not normalized.
template <class F> Xyzz<F> stretched(const Affine<F> &p, const F &z) {
    if (p.is_identity()) return Xyzz<F>::identity();
    const F zz = times(z, z), zzz = times(zz, z);
    return {times(p.x, zz), times(p.y, zzz), zz, zzz};
}

template <class F> void curve() {
    Random random(2);
    const Affine<F> identity = {F::zero(), F::zero()};
    const Affine<F> g = generator(static_cast<const F *>(nullptr)), two = plus(g, g), three = plus(two, g);
    const std::vector<Affine<F>> points = {identity, g, two, three, minus(g), minus(two), multiple(g, random.field<Fr>())};
    for (const auto &a : points) {
        for (const auto &b : points) {
            const Xyzz<F> left = stretched(a, some<F>(random));
            Xyzz<F> sum = left;
            sum.add(stretched(b, some<F>(random)));
            CHECK(equal(affine(sum), plus(a, b)));
            for (bool negative : {false, true}) {
                sum = left;
                sum.add(b, negative);
                CHECK(equal(affine(sum), plus(a, negative ? minus(b) : b)));
            }
        }
        Xyzz<F> twice = stretched(a, some<F>(random));
        twice.double_in_place();
        CHECK(equal(affine(twice), plus(a, a)));
        if (!a.is_identity()) CHECK(equal(affine(Xyzz<F>::twice(a)), plus(a, a)));
        CHECK(equal(affine(Xyzz<F>::of(a)), a));
        F coordinates[3];
        stretched(a, some<F>(random)).jacobian(coordinates);
        CHECK(equal(jacobian<F>(reinterpret_cast<const uint64_t *>(coordinates)), a));
    }
}

} // namespace

void fields() {
    field<FrParameters>();
    field<FqParameters>();
    Random random(3);
    for (int i = 0; i < 50; ++i) {
        const Fq2 a = some<Fq2>(random), b = some<Fq2>(random);
        CHECK(a * b == times(a, b) && a.squared() == times(a, a) && a * Fq2::inverse(a) == Fq2::one());
    }
}

void curves() {
    curve<Fq>();
    curve<Fq2>();
}

} // namespace tests
