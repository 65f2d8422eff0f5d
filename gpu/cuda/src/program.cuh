// Kernels of the quotient: columns to their values, a program at every point, and back to coefficients.
//
// A program's registers are in memory, not in the machine's registers, whose numbers cannot be computed: a thread's are as far apart as there are threads, so that those of
// a warp lie together. They pass through the caches: some hundred operations on 254 bits take longer than that.

#pragma once

#include "launch.cuh"
#include "ntt.cuh"

namespace assay {

constexpr uint32_t MOST_REGISTERS = 1 << 10;

// Coefficients of 2^log elements a column to those of 2^(log + blowup), of the polynomial of factor·X.
struct Expand : Plain {
    const Fr *from;
    uint64_t count;
    uint32_t log;
    uint32_t blowup;
    PowersTable powers;
    Fr *to;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= count) return;
        const uint64_t place = i >> blowup;
        // the places of coefficients that there are end with zeros
        to[i] = i & ((1u << blowup) - 1) ? Fr::zero() : from[place] * powers.at(reversed_bits(place & ((1ull << log) - 1), log));
    }
};

// Coefficients from that of X^(2^log) on.
struct ExpandMore : Plain {
    const Fr *from;
    uint64_t count;
    uint32_t log;
    uint32_t blowup;
    PowersTable powers;
    // factor^(2^log)
    Fr whole;
    Fr *to;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= count) return;
        const uint64_t size = 1ull << log;
        const Fr scale = powers.at(i & (size - 1)) * power(whole, 1 + (i >> log));
        to[reversed_bits(size + i, log + blowup)] = from[i] * scale;
    }
};

struct RunProgram : Plain {
    const assay_instruction *instructions;
    uint64_t length;
    const assay_term *terms;
    const Fr *constants;
    // Columns one after the other, each with a value for each of `points`.
    const Fr *kept;
    uint32_t kept_columns;
    const Fr *columns;
    uint64_t points;
    // To the next row.
    uint64_t step;
    const Fr *scales;
    Fr *registers;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        Fr *const own = registers + thread.index();
        ASSAY_ROLLED for (uint64_t i = thread.index(); i < points; i += thread.count()) {
            const uint64_t next = i + step < points ? i + step : i + step - points;
            Fr last = Fr::zero();
            ASSAY_ROLLED for (uint64_t k = 0; k < length; ++k) {
                const assay_instruction instruction = instructions[k];
                if (instruction.operation == 3) {
                    last = Fr::zero();
                    ASSAY_ROLLED for (uint32_t j = 0; j < instruction.b; ++j) {
                        const assay_term term = terms[instruction.a + j];
                        last = last + constants[term.constant] * operand(thread, own, term.operand, i, next);
                    }
                } else {
                    const Fr a = operand(thread, own, instruction.a, i, next), b = operand(thread, own, instruction.b, i, next);
                    last = instruction.operation == 2 ? a * b : instruction.operation == 1 ? a - b : a + b;
                }
                own[instruction.to * thread.count()] = last;
            }
            out[i] = last * scales[i % step];
        }
    }

private:
    ASSAY_FN Fr operand(const Thread &thread, const Fr *own, uint32_t operand, uint64_t point, uint64_t next) const {
        const uint32_t kind = operand >> 30, index = operand & ((1u << 30) - 1);
        if (kind == 0) return own[index * thread.count()];
        if (kind == 1) return constants[index];
        const Fr *const column = index < kept_columns ? kept + index * points : columns + (index - kept_columns) * points;
        return column[kind == 2 ? point : next];
    }
};

// Coefficients in their order, of the polynomial of factor·X.
struct InOrder : Plain {
    const Fr *from;
    uint32_t log;
    PowersTable powers;
    Fr *to;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i < 1ull << log) to[i] = from[reversed_bits(i, log)] * powers.at(i);
    }
};

} // namespace assay
