// Multi-scalar multiplication against double-and-add, and against sums of scalars where bases are known multiples of a generator.

#include "../src/windows.cuh"
#include "support.h"

namespace tests {

namespace {

// Bases with what they are of the generator.
template <class F> struct Known {
    std::vector<Affine<F>> points;
    std::vector<Fr> factors;

    // With identities, repetitions and pairs that cancel.
    explicit Known(size_t len) {
        Random random(len);
        const Affine<F> g = generator(static_cast<const F *>(nullptr));
        const Fr step = random.field<Fr>();
        const Affine<F> step_point = multiple(g, step);
        Affine<F> point = g;
        Fr factor = Fr::one();
        for (size_t i = 0; i < len; ++i) {
            switch (i % 16) {
            case 3:
                put({F::zero(), F::zero()}, Fr::zero());
                break;
            case 7:
            case 8:
                put(points[i - 1], factors[i - 1]);
                break;
            case 11:
                put(minus(points[i - 1]), -factors[i - 1]);
                break;
            default:
                put(point, factor);
                point = plus(point, step_point);
                factor = factor + step;
            }
        }
    }

    // The later half cancels the first.
    void mirror() {
        for (size_t i = points.size() / 2; i < points.size(); ++i) {
            points[i] = minus(points[i - points.size() / 2]);
            factors[i] = -factors[i - points.size() / 2];
        }
    }

    // The sum of scalars[i] · points[from + i].
    Affine<F> sum(const std::vector<Fr> &scalars, size_t from = 0) const {
        Fr total = Fr::zero();
        for (size_t i = 0; i < scalars.size(); ++i) total = total + times(scalars[i], factors[from + i]);
        return multiple(generator(static_cast<const F *>(nullptr)), total);
    }

private:
    void put(const Affine<F> &point, const Fr &factor) {
        points.push_back(point);
        factors.push_back(factor);
    }
};

// Scalars of many kinds: random, zeros and edges among them; all equal; two that take turns; all with one digit; small.
std::vector<Fr> scalars(size_t len, int kind) {
    Random random(len + static_cast<size_t>(kind));
    const Fr edges[] = {Fr::zero(), Fr::one(), -Fr::one(), integer(2), integer(1ll << 31), integer(-(1ll << 40))};
    const Fr same = random.field<Fr>();
    std::vector<Fr> out(len);
    for (size_t i = 0; i < len; ++i) {
        switch (kind) {
        case 0:
            out[i] = i % 9 < 6 ? random.field<Fr>() : edges[random.word() % 6];
            break;
        case 1:
            out[i] = same;
            break;
        case 2:
            out[i] = i % 2 ? same : -same;
            break;
        case 3:
            out[i] = -Fr::one();
            break;
        case 4:
            out[i] = integer(static_cast<int64_t>(random.word() % 5) - 2);
            break;
        default:
            out[i] = Fr::zero();
        }
    }
    return out;
}

assay_bases *uploaded(assay_context *context, const Known<Fq> &known, uint32_t multiples) {
    assay_bases *bases = nullptr;
    CHECK(assay_bases_new(context, words(known.points), known.points.size(), multiples, &bases) == ASSAY_OK);
    return bases;
}

void full(assay_context *context, size_t len, uint32_t multiples) {
    const Known<Fq> known(len);
    assay_bases *bases = uploaded(context, known, multiples);
    uint64_t out[12];
    for (int kind = 0; kind < 6; ++kind) {
        const std::vector<Fr> all = scalars(len, kind);
        CHECK(assay_msm(bases, 0, words(all), len, out) == ASSAY_OK);
        CHECK(equal(jacobian<Fq>(out), known.sum(all)));
        const size_t from = len / 3;
        const std::vector<Fr> part(all.begin(), all.end() - static_cast<long>(from) - static_cast<long>(len > 2 ? 1 : 0));
        CHECK(assay_msm(bases, from, words(part), part.size(), out) == ASSAY_OK);
        CHECK(equal(jacobian<Fq>(out), known.sum(part, from)));
    }
    CHECK(assay_msm(bases, 1, out, len, out) == ASSAY_ARGUMENT);
    CHECK(assay_msm(bases, len + 1, out, 0, out) == ASSAY_ARGUMENT);
    CHECK(assay_msm(bases, 0, out, len + 1, out) == ASSAY_ARGUMENT);
    assay_bases_free(bases);
}

std::vector<Fr> integers(const std::vector<int32_t> &list) {
    std::vector<Fr> out;
    for (int32_t n : list) out.push_back(integer(n));
    return out;
}

void small(assay_context *context, const Known<Fq> &known, uint32_t multiples, const std::vector<std::vector<int32_t>> &lists) {
    assay_bases *bases = uploaded(context, known, multiples);
    std::vector<const int32_t *> pointers;
    std::vector<size_t> lengths;
    for (const auto &list : lists) {
        pointers.push_back(list.data());
        lengths.push_back(list.size());
    }
    std::vector<uint64_t> out(12 * lists.size());
    CHECK(assay_msm_small(bases, pointers.data(), lengths.data(), lists.size(), out.data()) == ASSAY_OK);
    for (size_t k = 0; k < lists.size(); ++k) CHECK(equal(jacobian<Fq>(&out[12 * k]), known.sum(integers(lists[k]))));
    assay_bases_free(bases);
}

void smalls(assay_context *context) {
    const Known<Fq> known(700);
    Random random(5);
    const auto list = [&](size_t len, int bits) {
        std::vector<int32_t> out(len);
        for (int32_t &n : out) n = static_cast<int32_t>(static_cast<int64_t>(random.word() >> 32) - (1ll << 31)) >> (32 - bits);
        return out;
    };
    const std::vector<int32_t> least(500, INT32_MIN), most(700, INT32_MAX), one = {1}, none;
    small(context, known, 1, {list(700, 32), least, none, most, one, list(33, 8)});
    small(context, known, 9, {list(700, 32), least, none, most, one, list(33, 8)});
    small(context, known, 1, {list(700, 8), list(699, 8), std::vector<int32_t>(700, 1), std::vector<int32_t>(64, -128)});
    small(context, known, 3, {list(700, 16)});
    small(context, known, 1, {none, std::vector<int32_t>(9, 0), none});
    small(context, known, 1, {std::vector<int32_t>(700, -1), std::vector<int32_t>(3, 2)});
    small(context, known, 1, {});
    std::vector<std::vector<int32_t>> many;
    for (size_t i = 0; i < 300; ++i) many.push_back(list(i % 7, 9));
    small(context, known, 1, many);
}

// Against double-and-add; over both groups.
template <class F> Affine<F> naive(const Known<F> &known, const std::vector<Fr> &all) {
    Affine<F> out = {F::zero(), F::zero()};
    for (size_t i = 0; i < all.size(); ++i) out = plus(out, multiple(known.points[i], all[i]));
    return out;
}

void second_group(assay_context *context) {
    for (size_t len : {1, 20, 500}) {
        const Known<Fq2> known(len);
        assay_bases_g2 *bases = nullptr;
        CHECK(assay_bases_g2_new(context, words(known.points), len, &bases) == ASSAY_OK);
        uint64_t out[24];
        for (int kind = 0; kind < 6; ++kind) {
            const std::vector<Fr> all = scalars(len, kind);
            CHECK(assay_msm_g2(bases, words(all), len, out) == ASSAY_OK);
            CHECK(equal(jacobian<Fq2>(out), known.sum(all)));
            if (len == 20 && kind == 0) CHECK(equal(jacobian<Fq2>(out), naive(known, all)));
        }
        CHECK(assay_msm_g2(bases, nullptr, 0, out) == ASSAY_OK && jacobian<Fq2>(out).is_identity());
        assay_bases_g2_free(bases);
    }
}

// Chunks that are smaller the less memory there is, until there is too little; nothing leaks, and the context works on.
void memory(assay_context *context) {
    const Known<Fq> known(3000);
    assay_bases *bases = uploaded(context, known, 1);
    const std::vector<Fr> all = scalars(3000, 0);
    const Affine<Fq> sum = known.sum(all);
    uint64_t out[12];
    int refused = 0, done = 0;
    for (uint64_t limit = 100 << 10; limit < 64 << 20; limit *= 2) {
        CHECK(assay_limit_memory(context, limit) == ASSAY_OK);
        const int32_t status = assay_msm(bases, 0, words(all), 3000, out);
        CHECK(status == ASSAY_OK || (status == ASSAY_MEMORY && done == 0 && assay_error(context)[0]));
        if (status == ASSAY_OK) CHECK(equal(jacobian<Fq>(out), sum));
        (status == ASSAY_OK ? done : refused) += 1;
    }
    CHECK(done > 2 && refused > 0);
    assay_bases_free(bases);
    // what earlier chunks left in a bucket is cancelled by a later one
    Known<Fq> mirrored(3000);
    mirrored.mirror();
    bases = uploaded(context, mirrored, 1);
    const std::vector<Fr> same = scalars(3000, 1);
    done = 0;
    for (uint64_t limit = 1 << 20; limit < 4 << 20; limit += 1 << 19) {
        CHECK(assay_limit_memory(context, limit) == ASSAY_OK);
        const int32_t status = assay_msm(bases, 0, words(same), 3000, out);
        CHECK(status == ASSAY_MEMORY || (status == ASSAY_OK && jacobian<Fq>(out).is_identity()));
        done += status == ASSAY_OK;
    }
    CHECK(done > 2);
    CHECK(assay_limit_memory(context, 0) == ASSAY_OK);
    assay_bases_free(bases);
    CHECK(assay_limit_memory(context, known.points.size() * 64 + 10) == ASSAY_OK);
    CHECK(assay_bases_new(context, words(known.points), 3000, 2, &bases) == ASSAY_MEMORY && !bases);
    CHECK(assay_bases_new(context, words(known.points), 3000, 1, &bases) == ASSAY_OK);
    assay_bases_free(bases);
    CHECK(assay_bases_new(context, words(known.points), 3000, 65, &bases) == ASSAY_ARGUMENT);
    CHECK(assay_limit_memory(context, 0) == ASSAY_OK);
}

// Windows cover the scalars, multiples never cost more than none, and less memory for either is kept to.
void windows() {
    for (unsigned log = 0; log < 28; ++log) {
        const uint64_t len = 1ull << log;
        for (uint32_t most : {1, 2, 5, 13, 64}) {
            for (uint64_t buckets : {300ull, 1ull << 16, 1ull << 26}) {
                const uint32_t multiples = Windows::multiples(len, most, buckets), stride = static_cast<uint32_t>(divided_up(SCALAR_BITS, multiples));
                const Windows windows = Windows::cheapest(len, 1, SCALAR_BITS, stride, buckets);
                const Windows plain = Windows::cheapest(len, 1, SCALAR_BITS, SCALAR_BITS, buckets);
                CHECK(multiples >= 1 && multiples <= most && windows.strides <= multiples);
                CHECK(windows.buckets() <= buckets && windows.cost(len, 1) <= plain.cost(len, 1));
                uint32_t bits = 0;
                for (uint32_t group = 0; group < windows.groups; ++group) bits += windows.width(group);
                CHECK(bits == windows.span && windows.strides * bits >= SCALAR_BITS && windows.bits <= MOST_BITS);
            }
        }
    }
}

} // namespace

void multiplications() {
    windows();
    assay_context *context = opened();
    for (size_t len : {1, 2, 3, 31, 64, 1000}) full(context, len, 1);
    full(context, 700, 2);
    full(context, 300, 7);
    full(context, 300, 26);
    full(context, 40, 64);
    const Known<Fq> known(20);
    const std::vector<Fr> all = scalars(20, 0);
    CHECK(equal(naive(known, all), known.sum(all)));
    smalls(context);
    second_group(context);
    memory(context);
    full(context, 5000, 1);
    assay_close(context);
}

} // namespace tests
