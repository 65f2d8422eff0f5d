// Cells, products and trees against a naive evaluation of what the interface says.

#include "support.h"

namespace tests {

namespace {

std::vector<Fr> some(Random &random, size_t len) {
    std::vector<Fr> out(len);
    for (size_t i = 0; i < len; ++i) out[i] = i % 11 == 5 ? -Fr::one() : random.field<Fr>();
    return out;
}

void rows(assay_context *context, size_t len, size_t from, size_t rows, size_t width) {
    Random random(len + rows);
    std::vector<int32_t> cells(len);
    for (int32_t &cell : cells) cell = static_cast<int32_t>(random.word());
    if (len > 1) cells[0] = INT32_MIN, cells[1] = INT32_MAX;
    assay_cells *there = nullptr;
    CHECK(assay_cells_new(context, cells.data(), len, &there) == ASSAY_OK);
    const std::vector<Fr> by_row = some(random, rows), by_column = some(random, width);
    std::vector<Fr> folded(width), dots(rows);
    CHECK(assay_fold_rows(there, from, rows, width, words(by_row), words(folded)) == ASSAY_OK);
    CHECK(assay_dot_rows(there, from, rows, width, words(by_column), words(dots)) == ASSAY_OK);
    std::vector<Fr> fold(width, Fr::zero()), dot(rows, Fr::zero());
    for (size_t r = 0; r < rows; ++r) {
        for (size_t j = 0; j < width; ++j) {
            const size_t place = from + r * width + j;
            const Fr cell = integer(place < len ? cells[place] : 0);
            fold[j] = fold[j] + times(by_row[r], cell);
            dot[r] = dot[r] + times(by_column[j], cell);
        }
    }
    for (size_t j = 0; j < width; ++j) CHECK(folded[j] == fold[j]);
    for (size_t r = 0; r < rows; ++r) CHECK(dots[r] == dot[r]);
    assay_cells_free(there);
}

void bind(std::vector<Fr> &values, const Fr &x) {
    for (size_t i = 0; 2 * i < values.size(); ++i) values[i] = values[2 * i] + times(x, values[2 * i + 1] - values[2 * i]);
    values.resize(values.size() / 2);
}

const uint64_t *words_of(const Fr &value) { return reinterpret_cast<const uint64_t *>(&value); }

// The product of (1 - r) or r, by the bits of `i`.
Fr eq(const Fr *r, size_t variables, size_t i) {
    Fr out = Fr::one();
    for (size_t k = 0; k < variables; ++k) out = times(out, i >> k & 1 ? r[k] : Fr::one() - r[k]);
    return out;
}

// A node as p0..p3, d0..d3.
struct Node {
    Fr p[4], d[4];

    static Node empty() {
        Node out;
        for (int i = 0; i < 4; ++i) out.p[i] = Fr::zero(), out.d[i] = Fr::one();
        return out;
    }

    // this + factor · (other - this), for factor -1: 2 this - other
    Node toward(const Node &other, const Fr &factor) const {
        Node out;
        for (int i = 0; i < 4; ++i) {
            out.p[i] = p[i] + times(factor, other.p[i] - p[i]);
            out.d[i] = d[i] + times(factor, other.d[i] - d[i]);
        }
        return out;
    }

    Fr g(const Fr &lambda) const {
        const Fr left = times(p[0], d[1]) + times(p[1] + times(lambda, d[1]), d[0]), right = times(p[2], d[3]) + times(p[3], d[2]);
        return times(left, times(d[2], d[3])) + times(right, times(d[0], d[1]));
    }
};

// The message over nodes by its definition. The leading coefficient of a quartic is its fourth difference over 24.
std::vector<Fr> message(const std::vector<Node> &nodes, const Fr &lambda, const Fr *r, size_t variables) {
    std::vector<Fr> out(5, Fr::zero());
    for (size_t pair = 0; 2 * pair < nodes.size(); ++pair) {
        const Node &low = nodes[2 * pair], high = 2 * pair + 1 < nodes.size() ? nodes[2 * pair + 1] : Node::empty();
        Fr at[5];
        for (int x = 0; x < 5; ++x) at[x] = low.toward(high, integer(x)).g(lambda);
        const Fr fourth = at[0] + at[4] + times(integer(6), at[2]) - times(integer(4), at[1] + at[3]);
        const Fr weight = eq(r + 1, variables - 1, pair);
        const Fr terms[5] = {at[0], low.toward(high, -Fr::one()).g(lambda), at[2], times(fourth, inverse_of(integer(24))), Fr::one()};
        for (int i = 0; i < 5; ++i) out[static_cast<size_t>(i)] = out[static_cast<size_t>(i)] + times(weight, terms[i]);
    }
    return out;
}

void bind(std::vector<Node> &nodes, const Fr &x) {
    if (nodes.size() % 2) nodes.push_back(Node::empty());
    for (size_t i = 0; 2 * i < nodes.size(); ++i) nodes[i] = nodes[2 * i].toward(nodes[2 * i + 1], x);
    nodes.resize(nodes.size() / 2);
}

void level(assay_tree *tree, uint32_t number, std::vector<Node> nodes, size_t variables, Random &random) {
    const Fr lambda = random.field<Fr>();
    const std::vector<Fr> r = some(random, variables);
    std::vector<Fr> got(5);
    CHECK(assay_level_begin(tree, number, words_of(lambda), words(r), static_cast<uint32_t>(variables), words(got)) == ASSAY_OK);
    uint64_t children[32];
    for (size_t i = 0; i < variables; ++i) {
        CHECK(assay_level_children(tree, children) == ASSAY_ARGUMENT);
        const std::vector<Fr> wanted = message(nodes, lambda, r.data() + i, variables - i);
        for (size_t k = 0; k < 5; ++k) CHECK(got[k] == wanted[k]);
        const Fr x = random.field<Fr>();
        CHECK(assay_level_bind(tree, words_of(x), i + 1 < variables ? words(got) : nullptr) == ASSAY_OK);
        bind(nodes, x);
    }
    CHECK(assay_level_bind(tree, words_of(lambda), words(got)) == ASSAY_ARGUMENT);
    CHECK(assay_level_children(tree, children) == ASSAY_OK);
    CHECK(std::memcmp(children, &nodes[0], sizeof children) == 0);
    CHECK(assay_level_children(tree, children) == ASSAY_ARGUMENT);
    CHECK(assay_level_begin(tree, number, words_of(lambda), words(r), static_cast<uint32_t>(variables), words(got)) == ASSAY_ARGUMENT);
}

struct Fraction {
    Fr p, d;
};

Fraction sum(const Fraction &a, const Fraction &b) { return {times(a.p, b.d) + times(b.p, a.d), times(a.d, b.d)}; }

// `log` variables over `leaves` leaves.
void tree(assay_context *context, size_t leaves, size_t log) {
    Random random(leaves);
    const std::vector<Fr> values = some(random, 50);
    std::vector<uint32_t> index(leaves);
    std::vector<int32_t> numerators(leaves);
    std::vector<Fraction> fractions(leaves);
    for (size_t i = 0; i < leaves; ++i) {
        index[i] = static_cast<uint32_t>(random.word() % values.size());
        numerators[i] = i % 3 ? 1 : static_cast<int32_t>(random.word() >> (i % 2 ? 33 : 32));
        fractions[i] = {integer(numerators[i]), values[index[i]]};
    }
    std::vector<uint32_t> arities(log / 2, 2);
    if (log % 2) arities.push_back(1);
    assay_tree *out = nullptr;
    std::vector<Fr> root(2);
    CHECK(assay_tree_new(context, words(values), values.size(), index.data(), numerators.data(), leaves, arities.data(), arities.size(), &out,
                         words(root)) == ASSAY_OK);
    std::vector<std::vector<Fraction>> levels;
    for (uint32_t arity : arities) {
        while (fractions.empty() || fractions.size() % (1u << arity)) fractions.push_back({Fr::zero(), Fr::one()});
        levels.push_back(fractions);
        std::vector<Fraction> next;
        for (size_t i = 0; i < fractions.size(); i += 1u << arity) {
            const Fraction low = sum(fractions[i], fractions[i + 1]);
            next.push_back(arity == 1 ? low : sum(low, sum(fractions[i + 2], fractions[i + 3])));
        }
        fractions = next;
    }
    if (fractions.empty()) fractions.push_back({Fr::zero(), Fr::one()});
    CHECK(root[0] == fractions[0].p && root[1] == fractions[0].d);
    size_t variables = 0;
    for (size_t k = levels.size(); k-- > 0; variables += 2) {
        if (arities[k] == 1) {
            uint64_t children[16];
            const Fr lambda = Fr::one();
            CHECK(assay_level_begin(out, static_cast<uint32_t>(k), words_of(lambda), nullptr, 0, nullptr) == ASSAY_OK);
            CHECK(assay_level_children(out, children) == ASSAY_OK);
            const Fr wanted[4] = {levels[k][0].p, levels[k][1].p, levels[k][0].d, levels[k][1].d};
            CHECK(std::memcmp(children, wanted, sizeof children) == 0);
            variables -= 1;
            continue;
        }
        std::vector<Node> nodes(levels[k].size() / 4);
        for (size_t i = 0; i < levels[k].size(); ++i) {
            nodes[i / 4].p[i % 4] = levels[k][i].p;
            nodes[i / 4].d[i % 4] = levels[k][i].d;
        }
        if (leaves > 0) level(out, static_cast<uint32_t>(k), nodes, variables, random);
    }
    assay_tree_free(out);
}

} // namespace

void cells() {
    assay_context *context = opened();
    rows(context, 1, 0, 1, 1);
    rows(context, 100, 0, 10, 10);
    rows(context, 100, 7, 10, 10);
    rows(context, 100, 100, 3, 5);
    rows(context, 0, 0, 3, 5);
    rows(context, 5000, 1000, 1, 4000);
    rows(context, 5000, 1, 4999, 1);
    rows(context, 5000, 3, 17, 400);
    // so many parts that they are added in steps
    rows(context, 1 << 17, 0, 1, 1 << 17);
    rows(context, 100000, 5, 3, 33333);
    rows(context, 5000, 3, 0, 4);
    rows(context, 5000, 3, 4, 0);
    rows(context, 9, 2, 2, 100);
    rows(context, 1 << 14, 0, 1 << 7, 1 << 7);
    assay_close(context);
}

void products() {
    assay_context *context = opened();
    for (size_t len : {1, 2, 4, 64, 2048}) {
        Random random(len);
        std::vector<Fr> a = some(random, len), b = some(random, len), got(2);
        assay_product *product = nullptr;
        CHECK(assay_product_new(context, words(a), words(b), len, &product) == ASSAY_OK);
        while (a.size() > 1) {
            Fr at_zero = Fr::zero(), leading = Fr::zero();
            for (size_t i = 0; i < a.size(); i += 2) {
                at_zero = at_zero + times(a[i], b[i]);
                leading = leading + times(a[i + 1] - a[i], b[i + 1] - b[i]);
            }
            // asked for once, twice or not at all
            for (size_t times = 0; times < a.size() % 3; ++times) {
                CHECK(assay_product_message(product, words(got)) == ASSAY_OK);
                CHECK(got[0] == at_zero && got[1] == leading);
            }
            CHECK(assay_product_first(product, words(got)) == ASSAY_OK && got[0] == a[0] && got[1] == b[0]);
            const Fr x = random.field<Fr>();
            CHECK(assay_product_bind(product, words_of(x)) == ASSAY_OK);
            bind(a, x);
            bind(b, x);
        }
        CHECK(assay_product_message(product, words(got)) == ASSAY_ARGUMENT);
        CHECK(assay_product_bind(product, words(got)) == ASSAY_ARGUMENT);
        CHECK(assay_product_first(product, words(got)) == ASSAY_OK && got[0] == a[0] && got[1] == b[0]);
        assay_product_free(product);
    }
    std::vector<Fr> three(3, Fr::one());
    assay_product *product = nullptr;
    CHECK(assay_product_new(context, words(three), words(three), 3, &product) == ASSAY_ARGUMENT && !product);
    CHECK(assay_product_new(context, nullptr, nullptr, 0, &product) == ASSAY_ARGUMENT && !product);
    assay_close(context);
}

void trees() {
    assay_context *context = opened();
    for (size_t leaves : {0, 1}) tree(context, leaves, 0);
    for (size_t leaves : {0, 1, 2}) tree(context, leaves, 1);
    for (size_t leaves : {1, 3, 4}) tree(context, leaves, 2);
    for (size_t leaves : {5, 8, 1}) tree(context, leaves, 3);
    for (size_t leaves : {0, 1, 9, 16}) tree(context, leaves, 4);
    for (size_t leaves : {1, 17, 61, 64}) tree(context, leaves, 6);
    tree(context, 1000, 10);
    tree(context, 1025, 11);
    tree(context, 700, 12);
    const std::vector<Fr> values(2, Fr::one());
    const uint32_t index[] = {0, 2}, good[] = {0, 1, 0, 1, 0}, arities[] = {2, 1, 2};
    const int32_t numerators[] = {1, 1, 1, 1, 1};
    uint64_t root[8];
    assay_tree *out = nullptr;
    CHECK(assay_tree_new(context, words(values), 2, index, numerators, 2, arities, 1, &out, root) == ASSAY_ARGUMENT && !out);
    CHECK(assay_tree_new(context, words(values), 2, good, numerators, 5, arities, 1, &out, root) == ASSAY_ARGUMENT && !out);
    CHECK(assay_tree_new(context, words(values), 2, good, numerators, 5, arities, 3, &out, root) == ASSAY_ARGUMENT && !out);
    CHECK(assay_tree_new(context, words(values), 2, good, numerators, 5, arities, 2, &out, root) == ASSAY_OK && out);
    CHECK(assay_level_begin(out, 2, root, root, 0, nullptr) == ASSAY_ARGUMENT);
    CHECK(assay_level_begin(out, 0, root, root, 0, nullptr) == ASSAY_ARGUMENT);
    assay_tree_free(out);
    assay_close(context);
}

} // namespace tests
