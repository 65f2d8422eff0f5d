// Prime fields of 254 bits in Montgomery form, R = 2^256, eight words of 32 bits; always below the modulus.

#pragma once

#include "carry.cuh"

namespace assay {

// BN254's scalar field.
struct FrParameters {
    static constexpr uint32_t INVERSE = 0xefffffff; // -1/p mod 2^32
    static constexpr uint64_t INVERSE_64 = 0xc2e1f593efffffffull;
    ASSAY_FN static constexpr uint32_t modulus(int i) {
        constexpr uint32_t words[8] = {0xf0000001, 0x43e1f593, 0x79b97091, 0x2833e848, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72};
        return words[i];
    }
    // R mod p
    ASSAY_FN static constexpr uint32_t one(int i) {
        constexpr uint32_t words[8] = {0x4ffffffb, 0xac96341c, 0x9f60cd29, 0x36fc7695, 0x7879462e, 0x666ea36f, 0x9a07df2f, 0x0e0a77c1};
        return words[i];
    }
    // R^2 mod p
    ASSAY_FN static constexpr uint32_t square(int i) {
        constexpr uint32_t words[8] = {0xae216da7, 0x1bb8e645, 0xe35c59e3, 0x53fe3ab1, 0x53bb8085, 0x8c49833d, 0x7f4e44a5, 0x0216d0b1};
        return words[i];
    }
};

// The field that its curve is over.
struct FqParameters {
    static constexpr uint32_t INVERSE = 0xe4866389;
    static constexpr uint64_t INVERSE_64 = 0x87d20782e4866389ull;
    ASSAY_FN static constexpr uint32_t modulus(int i) {
        constexpr uint32_t words[8] = {0xd87cfd47, 0x3c208c16, 0x6871ca8d, 0x97816a91, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72};
        return words[i];
    }
    ASSAY_FN static constexpr uint32_t one(int i) {
        constexpr uint32_t words[8] = {0xc58f0d9d, 0xd35d438d, 0xf5c70b3d, 0x0a78eb28, 0x7879462c, 0x666ea36f, 0x9a07df2f, 0x0e0a77c1};
        return words[i];
    }
    ASSAY_FN static constexpr uint32_t square(int i) {
        constexpr uint32_t words[8] = {0x538afa89, 0xf32cfc5b, 0xd44501fb, 0xb5e71911, 0x0a417ff6, 0x47ab1eff, 0xcab8351f, 0x06d89f71};
        return words[i];
    }
};

template <class P> struct alignas(32) Field {
    uint32_t words[8];

    ASSAY_FN static Field zero() {
        Field out;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) out.words[i] = 0;
        return out;
    }

    ASSAY_FN static Field one() {
        Field out;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) out.words[i] = P::one(i);
        return out;
    }

    // What a product with it multiplies by R.
    ASSAY_FN static Field square_of_r() {
        Field out;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) out.words[i] = P::square(i);
        return out;
    }

    ASSAY_FN bool is_zero() const {
        uint32_t any = 0;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) any |= words[i];
        return any == 0;
    }

    ASSAY_FN bool operator==(const Field &other) const {
        uint32_t any = 0;
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) any |= words[i] ^ other.words[i];
        return any == 0;
    }

    // Of a value below 2p.
    ASSAY_FN Field reduced() const {
        Carry carry;
        Field less;
        less.words[0] = sub_cc(words[0], P::modulus(0), carry);
        ASSAY_UNROLLED for (int i = 1; i < 8; ++i) less.words[i] = subc_cc(words[i], P::modulus(i), carry);
        const uint32_t below = subc(0, 0, carry);
        ASSAY_UNROLLED for (int i = 0; i < 8; ++i) less.words[i] = below ? words[i] : less.words[i];
        return less;
    }

    ASSAY_FN friend Field operator+(const Field &a, const Field &b) {
        Carry carry;
        Field sum;
        sum.words[0] = add_cc(a.words[0], b.words[0], carry);
        ASSAY_UNROLLED for (int i = 1; i < 7; ++i) sum.words[i] = addc_cc(a.words[i], b.words[i], carry);
        sum.words[7] = addc(a.words[7], b.words[7], carry);
        return sum.reduced();
    }

    ASSAY_FN friend Field operator-(const Field &a, const Field &b) {
        Carry carry;
        Field out;
        out.words[0] = sub_cc(a.words[0], b.words[0], carry);
        ASSAY_UNROLLED for (int i = 1; i < 8; ++i) out.words[i] = subc_cc(a.words[i], b.words[i], carry);
        const uint32_t below = subc(0, 0, carry);
        out.words[0] = add_cc(out.words[0], P::modulus(0) & below, carry);
        ASSAY_UNROLLED for (int i = 1; i < 7; ++i) out.words[i] = addc_cc(out.words[i], P::modulus(i) & below, carry);
        out.words[7] = addc(out.words[7], P::modulus(7) & below, carry);
        return out;
    }

    ASSAY_FN Field operator-() const { return zero() - *this; }
    ASSAY_FN Field doubled() const { return *this + *this; }
    ASSAY_FN Field squared() const { return *this * *this; }

    // a·b/R mod p. `b` may be any 256 bits: `a` alone bounds what is added in a step.
    ASSAY_FN friend Field operator*(const Field &a, const Field &b) {
#if defined(__CUDACC__) && !defined(__CUDA_ARCH__)
        return reference_product(a, b);
#else
        return product(a, b);
#endif
    }

    // A step adds a·b[i], then the multiple of p that clears the lowest word, and drops that word. Products with the even words of a (and of p) end where the
    // next begins, and so do those with the odd ones: both are summed apart, low and high halves in one chain of carries each, which is one instruction a pair.
    // The sum is even + odd·2^32. Dropping a word makes the odd words even.
    ASSAY_FN static Field product(const Field &a, const Field &b) {
        uint32_t even[8], odd[8];
        ASSAY_UNROLLED for (int i = 0; i < 8; i += 2) {
            const uint64_t low = mul_wide(a.words[i], b.words[0]), high = mul_wide(a.words[i + 1], b.words[0]);
            even[i] = static_cast<uint32_t>(low);
            even[i + 1] = static_cast<uint32_t>(low >> 32);
            odd[i] = static_cast<uint32_t>(high);
            odd[i + 1] = static_cast<uint32_t>(high >> 32);
        }
        clear_word(even, odd);
        step(odd, even, a, b.words[1]);
        ASSAY_UNROLLED for (int i = 2; i < 8; i += 2) {
            step(even, odd, a, b.words[i]);
            step(odd, even, a, b.words[i + 1]);
        }
        Carry carry;
        Field out;
        out.words[0] = add_cc(even[0], odd[1], carry);
        ASSAY_UNROLLED for (int i = 1; i < 7; ++i) out.words[i] = addc_cc(even[i], odd[i + 1], carry);
        out.words[7] = addc(even[7], 0, carry);
        return out.reduced();
    }

    // The same on the host, the plain way.
    static Field reference_product(const Field &a, const Field &b) {
        using Wide = unsigned __int128;
        uint64_t sum[6] = {};
        for (int i = 0; i < 4; ++i) {
            Wide carry = 0;
            for (int j = 0; j < 4; ++j) {
                carry += static_cast<Wide>(a.word_64(j)) * b.word_64(i) + sum[j];
                sum[j] = static_cast<uint64_t>(carry);
                carry >>= 64;
            }
            carry += sum[4];
            sum[4] = static_cast<uint64_t>(carry);
            sum[5] = static_cast<uint64_t>(carry >> 64);
            const uint64_t factor = sum[0] * P::INVERSE_64;
            carry = 0;
            for (int j = 0; j < 4; ++j) {
                const uint64_t word = static_cast<uint64_t>(P::modulus(2 * j + 1)) << 32 | P::modulus(2 * j);
                carry += static_cast<Wide>(factor) * word + sum[j];
                if (j > 0) sum[j - 1] = static_cast<uint64_t>(carry);
                carry >>= 64;
            }
            carry += sum[4];
            sum[3] = static_cast<uint64_t>(carry);
            sum[4] = sum[5] + static_cast<uint64_t>(carry >> 64);
        }
        Field out;
        for (int i = 0; i < 8; ++i) out.words[i] = static_cast<uint32_t>(sum[i / 2] >> (32 * (i % 2)));
        return out.reduced();
    }

    // 0 for 0.
    ASSAY_CALL static Field inverse(const Field &a) {
        Field out = one();
        ASSAY_ROLLED for (int i = 253; i >= 0; --i) {
            // p - 2: only the lowest word differs, and does not borrow
            uint32_t word = P::modulus(0) - 2;
            ASSAY_UNROLLED for (int j = 1; j < 8; ++j) word = i / 32 == j ? P::modulus(j) : word;
            out = out.squared();
            if (word >> (i % 32) & 1) out = out * a;
        }
        return out;
    }

private:
    uint64_t word_64(int i) const { return static_cast<uint64_t>(words[2 * i + 1]) << 32 | words[2 * i]; }

    ASSAY_FN static void clear_word(uint32_t (&even)[8], uint32_t (&odd)[8]) {
        Carry carry;
        const uint32_t factor = even[0] * P::INVERSE;
        odd[0] = mad_lo_cc(P::modulus(1), factor, odd[0], carry);
        odd[1] = madc_hi_cc(P::modulus(1), factor, odd[1], carry);
        ASSAY_UNROLLED for (int i = 2; i < 6; i += 2) {
            odd[i] = madc_lo_cc(P::modulus(i + 1), factor, odd[i], carry);
            odd[i + 1] = madc_hi_cc(P::modulus(i + 1), factor, odd[i + 1], carry);
        }
        odd[6] = madc_lo_cc(P::modulus(7), factor, odd[6], carry);
        odd[7] = madc_hi(P::modulus(7), factor, odd[7], carry);
        even[0] = mad_lo_cc(P::modulus(0), factor, even[0], carry);
        even[1] = madc_hi_cc(P::modulus(0), factor, even[1], carry);
        ASSAY_UNROLLED for (int i = 2; i < 8; i += 2) {
            even[i] = madc_lo_cc(P::modulus(i), factor, even[i], carry);
            even[i + 1] = madc_hi_cc(P::modulus(i), factor, even[i + 1], carry);
        }
        odd[7] = addc(odd[7], 0, carry);
    }

    // `even` was odd before the last word was dropped, and the other way round.
    ASSAY_FN static void step(uint32_t (&even)[8], uint32_t (&odd)[8], const Field &a, uint32_t b) {
        Carry carry;
        even[0] = add_cc(even[0], odd[1], carry);
        ASSAY_UNROLLED for (int i = 0; i < 6; i += 2) {
            odd[i] = madc_lo_cc(a.words[i + 1], b, odd[i + 2], carry);
            odd[i + 1] = madc_hi_cc(a.words[i + 1], b, odd[i + 3], carry);
        }
        odd[6] = madc_lo_cc(a.words[7], b, 0, carry);
        odd[7] = madc_hi(a.words[7], b, 0, carry);
        even[0] = mad_lo_cc(a.words[0], b, even[0], carry);
        even[1] = madc_hi_cc(a.words[0], b, even[1], carry);
        ASSAY_UNROLLED for (int i = 2; i < 8; i += 2) {
            even[i] = madc_lo_cc(a.words[i], b, even[i], carry);
            even[i + 1] = madc_hi_cc(a.words[i], b, even[i + 1], carry);
        }
        odd[7] = addc(odd[7], 0, carry);
        clear_word(even, odd);
    }
};

using Fr = Field<FrParameters>;
using Fq = Field<FqParameters>;

// a^exponent.
template <class P> ASSAY_FN Field<P> power(const Field<P> &a, uint64_t exponent) {
    Field<P> out = Field<P>::one(), square = a;
    ASSAY_ROLLED for (; exponent; exponent >>= 1) {
        if (exponent & 1) out = out * square;
        square = square.squared();
    }
    return out;
}

// Fq[u] with u^2 = -1.
struct Fq2 {
    Fq c0, c1;

    ASSAY_FN static Fq2 zero() { return {Fq::zero(), Fq::zero()}; }
    ASSAY_FN static Fq2 one() { return {Fq::one(), Fq::zero()}; }
    ASSAY_FN bool is_zero() const { return c0.is_zero() && c1.is_zero(); }
    ASSAY_FN bool operator==(const Fq2 &other) const { return c0 == other.c0 && c1 == other.c1; }
    ASSAY_FN friend Fq2 operator+(const Fq2 &a, const Fq2 &b) { return {a.c0 + b.c0, a.c1 + b.c1}; }
    ASSAY_FN friend Fq2 operator-(const Fq2 &a, const Fq2 &b) { return {a.c0 - b.c0, a.c1 - b.c1}; }
    ASSAY_FN friend Fq2 operator*(const Fq2 &a, const Fq2 &b) { return times(a, b); }
    ASSAY_FN Fq2 operator-() const { return {-c0, -c1}; }
    ASSAY_FN Fq2 doubled() const { return {c0.doubled(), c1.doubled()}; }
    ASSAY_FN Fq2 squared() const { return square(*this); }

    ASSAY_CALL static Fq2 inverse(const Fq2 &a) {
        const Fq factor = Fq::inverse(a.c0.squared() + a.c1.squared());
        return {a.c0 * factor, -(a.c1 * factor)};
    }

private:
    // Not inlined: a kernel over the extension would be several times what an instruction cache holds.
    ASSAY_CALL static Fq2 times(const Fq2 &a, const Fq2 &b) {
        const Fq low = a.c0 * b.c0, high = a.c1 * b.c1;
        return {low - high, (a.c0 + a.c1) * (b.c0 + b.c1) - low - high};
    }

    ASSAY_CALL static Fq2 square(const Fq2 &a) {
        const Fq cross = a.c0 * a.c1;
        return {(a.c0 + a.c1) * (a.c0 - a.c1), cross.doubled()};
    }
};

} // namespace assay
