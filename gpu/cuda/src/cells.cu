// Small integers times field elements, with the reduction put off to the end of a sum; and the C interface of cells.

#include <algorithm>

#include "context.cuh"
#include "sums.cuh"

using namespace assay;

struct assay_cells {
    Shared shared;
    Buffer<int32_t> cells;
};

namespace {

// 2^31, which makes cells positive.
ASSAY_FN Fr bias() { return {{0x8adc5ced, 0x49f3c432, 0x582f50aa, 0x8b6f9213, 0x98155c1c, 0x0938dba1, 0x76361137, 0x035e01bf}}; }

// A sum of (unsigned word) · (words of a field element), up to 2^32 terms. The products with even words and with odd ones are summed apart, as in
// `Field::product`.
struct WideSum {
    uint32_t even[9];
    uint32_t odd[9];

    ASSAY_FN void clear() {
        ASSAY_UNROLLED for (int i = 0; i < 9; ++i) even[i] = odd[i] = 0;
    }

    ASSAY_FN void add(uint32_t factor, const Fr &value) {
        chain(even, factor, value, 0);
        chain(odd, factor, value, 1);
    }

    // (even + odd·2^32) mod p: its lower 256 bits times R/R, and the rest times R^2/R.
    ASSAY_FN Fr reduced() const {
        Carry carry;
        Fr low, high = Fr::zero();
        low.words[0] = even[0];
        low.words[1] = add_cc(even[1], odd[0], carry);
        ASSAY_UNROLLED for (int i = 2; i < 8; ++i) low.words[i] = addc_cc(even[i], odd[i - 1], carry);
        high.words[0] = addc_cc(even[8], odd[7], carry);
        high.words[1] = addc(odd[8], 0, carry);
        return Fr::one() * low + Fr::square_of_r() * high;
    }

private:
    ASSAY_FN static void chain(uint32_t (&sum)[9], uint32_t factor, const Fr &value, int parity) {
        Carry carry;
        sum[0] = mad_lo_cc(value.words[parity], factor, sum[0], carry);
        sum[1] = madc_hi_cc(value.words[parity], factor, sum[1], carry);
        ASSAY_UNROLLED for (int i = 2; i < 8; i += 2) {
            sum[i] = madc_lo_cc(value.words[i + parity], factor, sum[i], carry);
            sum[i + 1] = madc_hi_cc(value.words[i + parity], factor, sum[i + 1], carry);
        }
        sum[8] = addc(sum[8], 0, carry);
    }
};

// Output o is the sum of factors[i]·cells[from + o·across + i·along]; a thread has one output and a part of the factors. Threads side by side have the same
// part, so that they read the same factors.
struct Strips : Plain {
    static constexpr uint32_t BLOCKS = 4;
    const int32_t *cells;
    uint64_t len;
    uint64_t from;
    uint64_t across;
    uint64_t along;
    const Fr *factors;
    uint64_t terms;
    uint64_t terms_of_part;
    uint64_t outputs;
    uint64_t parts;
    // Part by part.
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= parts * outputs) return;
        const uint64_t part = i / outputs, output = i % outputs;
        const uint64_t begin = part * terms_of_part, end = begin + terms_of_part < terms ? begin + terms_of_part : terms;
        uint64_t place = from + output * across + begin * along;
        WideSum sum;
        sum.clear();
        ASSAY_ROLLED for (uint64_t term = begin; term < end; ++term, place += along) {
            const uint32_t cell = place < len ? static_cast<uint32_t>(cells[place]) : 0;
            sum.add(cell ^ 0x80000000u, factors[term]);
        }
        out[i] = sum.reduced();
    }
};

// Adds parts, EACH at a time, to fewer: one thread for all of them would be what everything waits for.
struct AddParts : Plain {
    static constexpr uint64_t EACH = 32;
    const Fr *sums;
    uint64_t outputs;
    uint64_t parts;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        const uint64_t begin = i / outputs * EACH, end = begin + EACH < parts ? begin + EACH : parts;
        if (begin >= parts) return;
        Fr sum = Fr::zero();
        ASSAY_ROLLED for (uint64_t part = begin; part < end; ++part) sum = sum + sums[part * outputs + i % outputs];
        out[i] = sum;
    }
};

// Adds the last parts and takes the bias off, of which `total` is the sum of all factors.
struct FinishStrips : Plain {
    const Fr *sums;
    uint64_t outputs;
    uint64_t parts;
    const Sums<1> *total;
    Fr *out;

    ASSAY_FN void operator()(const Thread &thread) const {
        const uint64_t i = thread.index();
        if (i >= outputs) return;
        Fr sum = -(bias() * total->values[0]);
        ASSAY_ROLLED for (uint64_t part = 0; part < parts; ++part) sum = sum + sums[part * outputs + i];
        out[i] = sum;
    }
};

// The lengths are those of memory that exists, and the cells that they reach can be numbered.
void check_lengths(uint64_t from, uint64_t rows, uint64_t width) {
    require(rows < (1ull << 32) && width < (1ull << 32), "too many rows, or rows too wide");
    require(from < (1ull << 62), "no cell is so far");
}

// Rows that begin before the cells end; the others are zero.
uint64_t rows_there(const assay_cells &cells, uint64_t from, uint64_t rows, uint64_t width) {
    const uint64_t len = cells.cells.size();
    return from >= len || width == 0 ? 0 : std::min(rows, divided_up(len - from, width));
}

void strips(assay_cells &cells, Strips &kernel, const uint64_t *factors, uint64_t *out) {
    constexpr uint64_t LEAST_TERMS = 64;
    Device &device = cells.shared->device;
    Buffer<Fr> factors_there(device, kernel.terms);
    factors_there.upload(factors, kernel.terms);
    const uint64_t blocks = sum_blocks(device, kernel.terms);
    const Buffer<Sums<1>> totals(device, blocks + 1);
    const Sums<1> *single = reinterpret_cast<const Sums<1> *>(factors_there.data());
    launch(device, blocks, SumOfBlocks<1>(single, kernel.terms, totals.data() + 1));
    add_blocks(device, totals.data() + 1, blocks, totals.data());

    const uint64_t threads = device.multiprocessors() * 1024ull;
    kernel.parts = std::clamp<uint64_t>(threads / kernel.outputs, 1, divided_up(kernel.terms, LEAST_TERMS));
    kernel.terms_of_part = divided_up(kernel.terms, kernel.parts);
    Buffer<Fr> sums(device, kernel.parts * kernel.outputs);
    const Buffer<Fr> results(device, kernel.outputs);
    kernel.cells = cells.cells.data();
    kernel.len = cells.cells.size();
    kernel.factors = factors_there.data();
    kernel.out = sums.data();
    launch_for(device, kernel.parts * kernel.outputs, kernel);
    uint64_t parts = kernel.parts;
    while (parts > AddParts::EACH) {
        AddParts add;
        add.sums = sums.data();
        add.outputs = kernel.outputs;
        add.parts = parts;
        parts = divided_up(parts, AddParts::EACH);
        Buffer<Fr> fewer(device, parts * kernel.outputs);
        add.out = fewer.data();
        launch_for(device, parts * kernel.outputs, add);
        sums = std::move(fewer);
    }
    FinishStrips finish;
    finish.sums = sums.data();
    finish.outputs = kernel.outputs;
    finish.parts = parts;
    finish.total = totals.data();
    finish.out = results.data();
    launch_for(device, kernel.outputs, finish);
    results.download(out, kernel.outputs);
}

} // namespace

int32_t assay_cells_new(assay_context *context, const int32_t *cells, size_t len, assay_cells **out) {
    return guarded_on(context, [&] {
        require(out, "a pointer is null");
        *out = nullptr;
        require_pointer(cells, len);
        Buffer<int32_t> there(context->shared->device, len);
        there.upload(cells, len);
        context->shared->device.finish();
        *out = new assay_cells{context->shared, std::move(there)};
    });
}

void assay_cells_free(assay_cells *cells) { release(cells); }

int32_t assay_fold_rows(assay_cells *cells, size_t from, size_t rows, size_t width, const uint64_t *factors, uint64_t *out) {
    return guarded_on(cells, [&] {
        check_lengths(from, rows, width);
        require_pointer(factors, rows);
        require_pointer(out, width);
        const uint64_t there = rows_there(*cells, from, rows, width);
        std::fill_n(out, there ? 0 : 4 * width, 0);
        if (there == 0) return;
        Strips kernel;
        kernel.from = from;
        kernel.across = 1;
        kernel.along = width;
        kernel.terms = there;
        kernel.outputs = width;
        strips(*cells, kernel, factors, out);
    });
}

int32_t assay_dot_rows(assay_cells *cells, size_t from, size_t rows, size_t width, const uint64_t *factors, uint64_t *out) {
    return guarded_on(cells, [&] {
        check_lengths(from, rows, width);
        require_pointer(factors, width);
        require_pointer(out, rows);
        const uint64_t there = rows_there(*cells, from, rows, width);
        std::fill_n(out + (there ? 4 * there : 0), 4 * (rows - there), 0);
        if (there == 0) return;
        Strips kernel;
        kernel.from = from;
        kernel.across = width;
        kernel.along = 1;
        kernel.terms = width;
        kernel.outputs = there;
        strips(*cells, kernel, factors, out);
    });
}
