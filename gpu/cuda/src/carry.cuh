// Addition and multiplication of 32-bit words with a carry that goes from one instruction to the next: the device's own instructions, or the processor
// computing the same. On the device the carry is a flag of the machine, and volatile statements stay in their order; `Carry` is what it is elsewhere.
//
// `_cc` sets the carry, a `c` before it (`addc`, `madc`) takes it in. After a subtraction it is the borrow.

#pragma once

#include "platform.cuh"

namespace assay {

#ifdef __CUDA_ARCH__

struct Carry {};

#define ASSAY_TWO(name, text) \
    ASSAY_FN uint32_t name(uint32_t a, uint32_t b, Carry &) { \
        uint32_t out; \
        asm volatile(text " %0, %1, %2;" : "=r"(out) : "r"(a), "r"(b)); \
        return out; \
    }

#define ASSAY_THREE(name, text) \
    ASSAY_FN uint32_t name(uint32_t a, uint32_t b, uint32_t c, Carry &) { \
        uint32_t out; \
        asm volatile(text " %0, %1, %2, %3;" : "=r"(out) : "r"(a), "r"(b), "r"(c)); \
        return out; \
    }

ASSAY_TWO(add_cc, "add.cc.u32")
ASSAY_TWO(addc_cc, "addc.cc.u32")
ASSAY_TWO(addc, "addc.u32")
ASSAY_TWO(sub_cc, "sub.cc.u32")
ASSAY_TWO(subc_cc, "subc.cc.u32")
ASSAY_TWO(subc, "subc.u32")
ASSAY_THREE(mad_lo_cc, "mad.lo.cc.u32")
ASSAY_THREE(madc_lo_cc, "madc.lo.cc.u32")
ASSAY_THREE(madc_hi_cc, "madc.hi.cc.u32")
ASSAY_THREE(madc_hi, "madc.hi.u32")

#undef ASSAY_TWO
#undef ASSAY_THREE

#else

struct Carry {
    uint32_t flag = 0;

    uint32_t low(uint64_t sum) {
        flag = static_cast<uint32_t>(sum >> 32);
        return static_cast<uint32_t>(sum);
    }

    uint32_t difference(uint64_t difference) {
        flag = static_cast<uint32_t>(difference >> 63);
        return static_cast<uint32_t>(difference);
    }
};

inline uint32_t mul_lo(uint32_t a, uint32_t b) { return a * b; }
inline uint32_t mul_hi(uint32_t a, uint32_t b) { return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32); }

inline uint32_t add_cc(uint32_t a, uint32_t b, Carry &carry) { return carry.low(static_cast<uint64_t>(a) + b); }
inline uint32_t addc_cc(uint32_t a, uint32_t b, Carry &carry) { return carry.low(static_cast<uint64_t>(a) + b + carry.flag); }
inline uint32_t addc(uint32_t a, uint32_t b, Carry &carry) { return a + b + carry.flag; }
inline uint32_t sub_cc(uint32_t a, uint32_t b, Carry &carry) { return carry.difference(static_cast<uint64_t>(a) - b); }
inline uint32_t subc_cc(uint32_t a, uint32_t b, Carry &carry) { return carry.difference(static_cast<uint64_t>(a) - b - carry.flag); }
inline uint32_t subc(uint32_t a, uint32_t b, Carry &carry) { return a - b - carry.flag; }
inline uint32_t mad_lo_cc(uint32_t a, uint32_t b, uint32_t c, Carry &carry) { return add_cc(mul_lo(a, b), c, carry); }
inline uint32_t madc_lo_cc(uint32_t a, uint32_t b, uint32_t c, Carry &carry) { return addc_cc(mul_lo(a, b), c, carry); }
inline uint32_t madc_hi_cc(uint32_t a, uint32_t b, uint32_t c, Carry &carry) { return addc_cc(mul_hi(a, b), c, carry); }
inline uint32_t madc_hi(uint32_t a, uint32_t b, uint32_t c, Carry &carry) { return addc(mul_hi(a, b), c, carry); }

#endif

ASSAY_FN uint64_t mul_wide(uint32_t a, uint32_t b) { return static_cast<uint64_t>(a) * b; }

} // namespace assay
