// Quotients against their definition, with a program that has every operation and every kind of operand; the interface's refusals.

#include "support.h"

namespace tests {

namespace {

constexpr uint32_t LOG = 3, BLOWUP = 2;
constexpr size_t ROWS = 1 << LOG, NEIGHBOURS = 1 << BLOWUP, POINTS = ROWS * NEIGHBOURS;

constexpr uint32_t constant(uint32_t i) { return 1u << 30 | i; }
constexpr uint32_t column(uint32_t i) { return 2u << 30 | i; }
constexpr uint32_t next_row(uint32_t i) { return 3u << 30 | i; }

const assay_instruction INSTRUCTIONS[] = {
    {0, 0, column(0), next_row(1)}, {1, 1, constant(0), column(2)}, {2, 2, 0, 1}, {3, 0, 1, 2}, {0, 1, 2, 0},
};
const assay_term TERMS[] = {{0, 0}, {1, next_row(2)}, {0, 2}};

Fr at(const std::vector<Fr> &coefficients, const Fr &x) {
    Fr sum = Fr::zero();
    for (size_t i = coefficients.size(); i-- > 0;) sum = times(sum, x) + coefficients[i];
    return sum;
}

const uint64_t *words_of(const std::vector<Fr> &values) { return reinterpret_cast<const uint64_t *>(values.data()); }

struct Case {
    // As coefficients in their order; column 0 stays, and the last has coefficients beyond the rows.
    std::vector<Fr> columns[3];
    std::vector<Fr> given[3];
    std::vector<Fr> more;
    std::vector<Fr> constants;
    std::vector<Fr> scales;
    Fr generator = integer(7);
    assay_program program;

    explicit Case(size_t more_coefficients) {
        Random random(more_coefficients + 1);
        const Fr rows = integer(ROWS);
        for (int k = 0; k < 3; ++k) {
            const size_t all = ROWS + (k == 2 ? more_coefficients : 0);
            for (size_t i = 0; i < all; ++i) columns[k].push_back(random.field<Fr>());
            given[k].resize(ROWS);
            for (size_t i = 0; i < ROWS; ++i) {
                size_t place = 0;
                for (uint32_t bit = 0; bit < LOG; ++bit) place |= (i >> bit & 1) << (LOG - 1 - bit);
                given[k][place] = times(columns[k][i], rows);
            }
        }
        for (size_t i = 0; i < more_coefficients; ++i) more.push_back(times(columns[2][ROWS + i], rows));
        for (int i = 0; i < 2; ++i) constants.push_back(random.field<Fr>());
        for (size_t i = 0; i < NEIGHBOURS; ++i) scales.push_back(random.field<Fr>());
        program = {INSTRUCTIONS, 5, TERMS, 3, words_of(constants), constants.size(), 3};
    }

    int32_t keep(assay_context *context, assay_quotients **out) const {
        const uint64_t *const pointer = words_of(given[0]);
        return assay_quotients_new(context, LOG, BLOWUP, reinterpret_cast<const uint64_t *>(&generator), &pointer, 1, out);
    }

    int32_t run(assay_quotients *quotients, const assay_program &program, std::vector<Fr> &out) const {
        const uint64_t *const pointers[] = {words_of(given[1]), words_of(given[2])};
        out.assign(POINTS, Fr::zero());
        return assay_quotient(quotients, pointers, 2, words_of(more), more.size(), &program, words_of(scales), words(out));
    }

    // What the program says, in its own words.
    Fr expected(const Fr &x, const Fr &next, size_t point) const {
        const Fr sum = at(columns[0], x) + at(columns[1], next), difference = constants[0] - at(columns[2], x);
        const Fr dot = times(constants[1], at(columns[2], next)) + times(constants[0], times(sum, difference));
        return times(times(sum, difference) + dot, scales[point % NEIGHBOURS]);
    }
};

// Of order 2^log.
Fr root(uint32_t log) {
    Fr out = {{0x80d13d9c, 0x636e7355, 0x2445ffd6, 0xa22bf374, 0x1eb203d8, 0x56452ac0, 0x2963f9e7, 0x1860ef94}};
    for (uint32_t k = 28; k > log; --k) out = times(out, out);
    return out;
}

} // namespace

void quotients() {
    assay_context *context = opened();
    std::vector<Fr> out;
    for (size_t more : {size_t{0}, size_t{1}, size_t{5}, POINTS - ROWS}) {
        const Case that(more);
        assay_quotients *kept = nullptr;
        CHECK(that.keep(context, &kept) == ASSAY_OK);
        CHECK(that.run(kept, that.program, out) == ASSAY_OK);
        Fr x = that.generator;
        const Fr fine = root(LOG + BLOWUP), coarse = root(LOG);
        for (size_t i = 0; i < POINTS; ++i, x = times(x, fine)) CHECK(at(out, x) == that.expected(x, times(x, coarse), i));
        assay_quotients_free(kept);
    }

    const Case that(2);
    assay_quotients *kept = nullptr;
    CHECK(that.keep(context, nullptr) == ASSAY_ARGUMENT && that.keep(nullptr, &kept) == ASSAY_ARGUMENT);
    CHECK(assay_quotients_new(context, 27, 2, reinterpret_cast<const uint64_t *>(&that.generator), nullptr, 0, &kept) == ASSAY_ARGUMENT && !kept);
    CHECK(that.keep(context, &kept) == ASSAY_OK);
    const auto refused = [&](auto change) {
        assay_instruction instructions[5];
        assay_term terms[3];
        std::memcpy(instructions, INSTRUCTIONS, sizeof instructions);
        std::memcpy(terms, TERMS, sizeof terms);
        assay_program program = that.program;
        program.instructions = instructions;
        program.terms = terms;
        change(program, instructions, terms);
        return that.run(kept, program, out) == ASSAY_ARGUMENT;
    };
    CHECK(!refused([](auto &, auto *, auto *) {}));
    CHECK(refused([](auto &program, auto *, auto *) { program.length = 0; }));
    CHECK(refused([](auto &program, auto *, auto *) { program.registers = 2; }));
    CHECK(refused([](auto &program, auto *, auto *) { program.registers = UINT32_MAX; }));
    CHECK(refused([](auto &program, auto *, auto *) { program.constant_count = 1; }));
    CHECK(refused([](auto &program, auto *, auto *) { program.term_count = 2; }));
    CHECK(refused([](auto &program, auto *, auto *) { program.constants = nullptr; }));
    CHECK(refused([](auto &, auto *instructions, auto *) { instructions[2].operation = 4; }));
    CHECK(refused([](auto &, auto *instructions, auto *) { instructions[0].a = column(3); }));
    CHECK(refused([](auto &, auto *instructions, auto *) { instructions[1].a = constant(2); }));
    CHECK(refused([](auto &, auto *instructions, auto *) { instructions[4].b = 3; }));
    CHECK(refused([](auto &, auto *instructions, auto *) { instructions[3].b = UINT32_MAX; }));
    CHECK(refused([](auto &, auto *, auto *terms) { terms[2].constant = 2; }));
    CHECK(refused([](auto &, auto *, auto *terms) { terms[2].operand = next_row(3); }));
    const uint64_t *const pointer = words_of(that.given[1]);
    CHECK(assay_quotient(kept, &pointer, 1, words_of(out), POINTS - ROWS + 1, &that.program, words_of(that.scales), words(out)) == ASSAY_ARGUMENT);
    CHECK(assay_quotient(kept, &pointer, 1, nullptr, 0, nullptr, words_of(that.scales), words(out)) == ASSAY_ARGUMENT);

    CHECK(assay_limit_memory(context, 1) == ASSAY_OK);
    CHECK(that.run(kept, that.program, out) == ASSAY_MEMORY);
    CHECK(assay_limit_memory(context, 0) == ASSAY_OK);
    CHECK(that.run(kept, that.program, out) == ASSAY_OK);
    assay_close(context);
    assay_quotients_free(kept);
    assay_quotients_free(nullptr);
}

} // namespace tests
