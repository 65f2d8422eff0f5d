// The tree of fractions of the lookup argument and the sumchecks of its levels, and their C interface. Everything stays on the device but messages.

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "context.cuh"
#include "tree.cuh"

using namespace assay;

namespace {

// A level of the tree; of the leaves `columns` is empty.
struct Stored {
    uint32_t arity;
    uint64_t nodes;
    Buffer<Fr> columns;
    bool gone;
};

// The sumcheck that goes on.
struct Rounds {
    uint32_t level = 0;
    uint32_t left = 0;
    uint64_t nodes = 0;
    Fr lambda = Fr::zero();
    // What is bound, if anything; the level itself otherwise.
    Buffer<Fr> merged;
    bool bound = false;
    // eq of the last variables, of one more, …: the table of k variables at offsets[k].
    Buffer<Fr> weights;
    std::vector<uint64_t> offsets;
    bool begun = false;
};

} // namespace

struct assay_tree {
    Shared shared;
    Buffer<Fr> values;
    Buffer<uint32_t> index;
    Buffer<int32_t> numerators;
    uint64_t leaves = 0;
    std::vector<Stored> levels;
    Rounds rounds;

    Device &device() const { return shared->device; }

    // Calls `work` with the level as kernels read it.
    template <class Work> void with(uint32_t level, Work &&work) const {
        const Stored &stored = levels[level];
        if (level == 0) {
            work(Leaves{values.data(), index.data(), numerators.data(), leaves, stored.arity});
        } else {
            work(Columns{stored.columns.data(), stored.nodes, stored.arity});
        }
    }

    // Calls `work` with what the rounds have come to.
    template <class Work> void with_rounds(Work &&work) const {
        if (rounds.bound) {
            work(Merged{rounds.merged.data(), rounds.nodes, rounds.lambda});
        } else {
            with(rounds.level, work);
        }
    }

    void forget(uint32_t level) {
        levels[level].columns = Buffer<Fr>();
        levels[level].gone = true;
        if (level > 0) return;
        values = Buffer<Fr>();
        index = Buffer<uint32_t>();
        numerators = Buffer<int32_t>();
    }
};

namespace {

// The parents of level `k` as columns of the next, or as one fraction if there is none.
Buffer<Fr> parents(const assay_tree &tree, uint32_t k) {
    const bool last = k + 1 == tree.levels.size();
    const uint32_t out_arity = last ? 0 : tree.levels[k + 1].arity;
    const uint64_t out_nodes = last ? 1 : tree.levels[k + 1].nodes;
    Buffer<Fr> out(tree.device(), 2 * (out_nodes << out_arity));
    tree.with(k, [&](const auto &level) {
        Parents<std::decay_t<decltype(level)>> kernel;
        kernel.level = level;
        kernel.nodes = tree.levels[k].nodes;
        kernel.arity = tree.levels[k].arity;
        kernel.out = out.data();
        kernel.out_arity = out_arity;
        kernel.out_nodes = out_nodes;
        launch_for(tree.device(), out_nodes << out_arity, kernel);
    });
    return out;
}

void check_indices(const assay_tree &tree) {
    Buffer<uint32_t> wrong(tree.device(), 1);
    wrong.zero();
    CheckIndices check;
    check.index = tree.index.data();
    check.count = tree.leaves;
    check.limit = tree.values.size();
    check.wrong = wrong.data();
    launch_for(tree.device(), tree.leaves, check);
    uint32_t found = 0;
    wrong.download(&found, 1);
    require(!found, "an index is beyond the values");
}

// Levels with their numbers of nodes.
std::vector<Stored> levels_of(uint64_t leaves, const uint32_t *arities, size_t levels) {
    std::vector<Stored> out;
    uint64_t children = leaves;
    for (size_t k = 0; k < levels; ++k) {
        require(arities[k] == 2 || (arities[k] == 1 && k + 1 == levels), "an arity is neither one nor two");
        children = divided_up(children, 1u << arities[k]);
        out.push_back({arities[k], children, Buffer<Fr>(), false});
    }
    require(children <= 1, "the levels do not reach the root");
    return out;
}

void find_root(assay_tree &tree, uint64_t root[8]) {
    Buffer<Fr> out;
    if (tree.levels.empty()) {
        out = Buffer<Fr>(tree.device(), 2);
        FirstNode<Leaves> kernel;
        kernel.level = {tree.values.data(), tree.index.data(), tree.numerators.data(), tree.leaves, 0};
        kernel.arity = 0;
        kernel.out = out.data();
        launch(tree.device(), 1, kernel);
    }
    for (uint32_t k = 0; k < tree.levels.size(); ++k) {
        out = parents(tree, k);
        if (k + 1 < tree.levels.size()) tree.levels[k + 1].columns = std::move(out);
    }
    out.download(root, 2);
}

// The tables of eq over the last variables, each split from the one before; the one with k variables has as many entries as that round has pairs.
void make_weights(assay_tree &tree, const Fr *point, uint32_t variables, uint64_t len) {
    Rounds &rounds = tree.rounds;
    std::vector<uint64_t> lengths(variables + 1);
    rounds.offsets.assign(variables + 1, 0);
    uint64_t total = 0;
    for (uint32_t k = 0; k <= variables; ++k) {
        const uint32_t shift = variables - k;
        lengths[k] = shift < 64 ? std::max<uint64_t>(1, (len >> shift) + ((len & ((1ull << shift) - 1)) != 0)) : 1;
        rounds.offsets[k] = total;
        total += lengths[k];
    }
    rounds.weights = Buffer<Fr>(tree.device(), total);
    // there for as long as the copy may take
    static const Fr one = Fr::one();
    rounds.weights.upload(&one, 1);
    for (uint32_t k = 1; k <= variables; ++k) {
        SplitWeights split;
        split.table = rounds.weights.data() + rounds.offsets[k - 1];
        split.x = point[variables - k];
        split.count = lengths[k];
        split.out = rounds.weights.data() + rounds.offsets[k];
        launch_for(tree.device(), divided_up(split.count, 2), split);
    }
}

void send_message(const assay_tree &tree, uint64_t message[20]) {
    const Rounds &rounds = tree.rounds;
    const uint64_t pairs = divided_up(rounds.nodes, 2), blocks = sum_blocks(tree.device(), pairs);
    const Buffer<Sums<5>> parts(tree.device(), blocks + 1);
    tree.with_rounds([&](const auto &level) {
        LevelMessage<std::decay_t<decltype(level)>> kernel;
        kernel.level = level;
        kernel.lambda = rounds.lambda;
        kernel.weights = rounds.weights.data() + rounds.offsets[rounds.left - 1];
        kernel.pairs = pairs;
        kernel.out = parts.data() + 1;
        launch(tree.device(), blocks, kernel);
    });
    add_blocks(tree.device(), parts.data() + 1, blocks, parts.data());
    parts.download(message, 1);
}

} // namespace

int32_t assay_tree_new(assay_context *context, const uint64_t *values, size_t value_count, const uint32_t *index, const int32_t *numerators, size_t leaves,
                       const uint32_t *arities, size_t levels, assay_tree **out, uint64_t root[8]) {
    return guarded_on(context, [&] {
        require(out && root, "a pointer is null");
        *out = nullptr;
        require_pointer(values, value_count);
        require_pointer(index, leaves);
        require_pointer(numerators, leaves);
        require_pointer(arities, levels);
        Device &device = context->shared->device;
        std::unique_ptr<assay_tree> tree(new assay_tree);
        tree->shared = context->shared;
        tree->leaves = leaves;
        tree->levels = levels_of(leaves, arities, levels);
        tree->values = Buffer<Fr>(device, value_count);
        tree->values.upload(values, value_count);
        tree->index = Buffer<uint32_t>(device, leaves);
        tree->index.upload(index, leaves);
        tree->numerators = Buffer<int32_t>(device, leaves);
        tree->numerators.upload(numerators, leaves);
        check_indices(*tree);
        find_root(*tree, root);
        *out = tree.release();
    });
}

void assay_tree_free(assay_tree *tree) { release(tree); }

int32_t assay_level_begin(assay_tree *tree, uint32_t level, const uint64_t lambda[4], const uint64_t *r, uint32_t variables, uint64_t message[20]) {
    return guarded_on(tree, [&] {
        require(level < tree->levels.size() && !tree->levels[level].gone, "there is no such level, or no more");
        require(lambda && (message || variables == 0), "a pointer is null");
        require_pointer(r, variables);
        const Stored &stored = tree->levels[level];
        require(variables < 64 && stored.nodes <= 1ull << variables, "other variables than the nodes have");
        require(variables == 0 || stored.arity == 2, "no rounds over nodes of two children");
        if (tree->rounds.begun && tree->rounds.level != level) tree->forget(tree->rounds.level);
        tree->rounds = Rounds();
        Rounds &rounds = tree->rounds;
        rounds.level = level;
        rounds.left = variables;
        rounds.nodes = stored.nodes;
        rounds.lambda = field_of(lambda);
        if (variables > 0) {
            std::vector<Fr> point;
            for (uint32_t i = 1; i < variables; ++i) point.push_back(field_of(r + 4 * i));
            make_weights(*tree, point.data(), variables - 1, divided_up(stored.nodes, 2));
            send_message(*tree, message);
        }
        rounds.begun = true;
    });
}

int32_t assay_level_bind(assay_tree *tree, const uint64_t x[4], uint64_t message[20]) {
    return guarded_on(tree, [&] {
        Rounds &rounds = tree->rounds;
        require(rounds.begun && rounds.left > 0, "no round is left");
        require(x && (message || rounds.left == 1), "a pointer is null");
        const uint64_t results = divided_up(rounds.nodes, 2);
        Buffer<Fr> merged(tree->device(), 2 * WIDEST * results);
        tree->with_rounds([&](const auto &level) {
            LevelBind<std::decay_t<decltype(level)>> kernel;
            kernel.level = level;
            kernel.lambda = rounds.lambda;
            kernel.x = field_of(x);
            kernel.results = results;
            kernel.out = merged.data();
            launch_for(tree->device(), results, kernel);
        });
        if (!rounds.bound) tree->forget(rounds.level);
        rounds.merged = std::move(merged);
        rounds.bound = true;
        rounds.nodes = results;
        rounds.left -= 1;
        if (rounds.left > 0) send_message(*tree, message);
    });
}

int32_t assay_level_children(assay_tree *tree, uint64_t *out) {
    return guarded_on(tree, [&] {
        Rounds &rounds = tree->rounds;
        require(rounds.begun && rounds.left == 0, "rounds are left");
        require(out, "a pointer is null");
        const uint32_t arity = tree->levels[rounds.level].arity, width = 1u << arity;
        const Buffer<Fr> node(tree->device(), 2 * width);
        tree->with_rounds([&](const auto &level) {
            FirstNode<std::decay_t<decltype(level)>> kernel;
            kernel.level = level;
            kernel.arity = arity;
            kernel.out = node.data();
            launch(tree->device(), 1, kernel);
        });
        std::vector<Fr> children(2 * width);
        node.download(children.data(), 2 * width);
        if (rounds.bound) children[1] = children[1] - rounds.lambda * children[width + 1];
        std::memcpy(out, children.data(), children.size() * sizeof(Fr));
        tree->forget(rounds.level);
        rounds = Rounds();
    });
}
