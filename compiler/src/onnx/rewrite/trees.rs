//! Ensembles of decision trees as three products.
//!
//! Every node that tests is a column of `x · features - thresholds`, and says whether the test holds. A leaf is reached
//! if all tests on its way say what they should: with +1 for each that must hold and -1 for each that must not, the sum
//! over a leaf's way is the number of the former only then. The leaves times their weights are the scores. Which
//! features are tested and how the trees are made are weights, and so stay secret; the number of trees, and the tests
//! and leaves of the largest one, do not.

use super::{Writer, input, integer, integers, reals, strings, text};
use crate::onnx::GuardError;
use std::collections::HashMap;
use tract_onnx::pb::{self, tensor_proto::DataType};

/// Most elements of one of the products' constants, as of any tensor.
const MAX_ELEMENTS: usize = 1 << 26;

/// Thresholds up to this size stand for 0: LightGBM writes 0 as 10^-35.
const ZERO: f32 = 1e-30;

/// What a node of a tree asks.
#[derive(Clone, Copy, PartialEq)]
enum Test {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

/// A tree: its tests (feature, threshold), and for each leaf its way and its weights.
#[derive(Default)]
struct Tree {
    tests: Vec<(usize, f32)>,
    leaves: Vec<Leaf>,
}

struct Leaf {
    /// Tests on the way, and whether they must hold.
    way: Vec<(usize, bool)>,
    /// Target and weight.
    weights: Vec<(usize, f32)>,
}

/// The attributes that describe nodes.
struct Nodes<'a> {
    features: &'a [i64],
    thresholds: &'a [f32],
    holds: &'a [i64],
    fails: &'a [i64],
    modes: Vec<Option<Test>>,
    /// By tree and number: the place in the lists.
    places: HashMap<(i64, i64), usize>,
    trees: &'a [i64],
    numbers: &'a [i64],
}

impl Writer<'_> {
    fn tree_nodes<'a>(&self, node: &'a pb::NodeProto) -> Result<Nodes<'a>, GuardError> {
        let (trees, numbers) = (integers(node, "nodes_treeids"), integers(node, "nodes_nodeids"));
        let words = super::attribute(node, "nodes_modes").map_or(&[][..], |a| &a.strings);
        let mut modes = Vec::with_capacity(words.len());
        for mode in words {
            modes.push(match mode.as_slice() {
                b"LEAF" => None,
                b"BRANCH_LEQ" => Some(Test::LessOrEqual),
                b"BRANCH_LT" => Some(Test::Less),
                b"BRANCH_GTE" => Some(Test::GreaterOrEqual),
                b"BRANCH_GT" => Some(Test::Greater),
                b"BRANCH_EQ" => Some(Test::Equal),
                b"BRANCH_NEQ" => Some(Test::NotEqual),
                _ => return self.refused("this mode of a node"),
            });
        }
        let nodes = Nodes {
            features: integers(node, "nodes_featureids"),
            thresholds: reals(node, "nodes_values"),
            holds: integers(node, "nodes_truenodeids"),
            fails: integers(node, "nodes_falsenodeids"),
            places: trees.iter().copied().zip(numbers.iter().copied()).zip(0..).collect(),
            modes,
            trees,
            numbers,
        };
        let count = trees.len();
        let lists = [
            numbers.len(),
            nodes.features.len(),
            nodes.thresholds.len(),
            nodes.holds.len(),
            nodes.fails.len(),
            nodes.modes.len(),
        ];
        if count == 0 || lists.iter().any(|len| *len != count) || nodes.places.len() != count {
            return self.refused("lists of nodes that do not fit each other, or without thresholds as 32-bit floats,");
        }
        Ok(nodes)
    }

    /// The trees, and the one test that all their nodes ask.
    fn trees(&self, node: &pb::NodeProto, prefix: &str) -> Result<(Vec<Tree>, Test), GuardError> {
        let nodes = self.tree_nodes(node)?;
        let mut kinds = nodes.modes.iter().flatten().copied();
        let test = kinds.next().unwrap_or(Test::LessOrEqual);
        if kinds.any(|kind| kind != test) {
            return self.refused("nodes of several modes");
        }
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        let (of_tree, of_node, targets, weights) = (
            integers(node, &name("treeids")),
            integers(node, &name("nodeids")),
            integers(node, &name("ids")),
            reals(node, &name("weights")),
        );
        if [of_node.len(), targets.len(), weights.len()].iter().any(|len| *len != of_tree.len()) {
            return self.refused("lists of leaves that do not fit each other");
        }
        let mut by_leaf: HashMap<(i64, i64), Vec<(usize, f32)>> = HashMap::new();
        for (((tree, leaf), target), weight) in of_tree.iter().zip(of_node).zip(targets).zip(weights) {
            by_leaf.entry((*tree, *leaf)).or_default().push((usize::try_from(*target).unwrap_or(usize::MAX), *weight));
        }
        let mut order: Vec<i64> = nodes.trees.to_vec();
        order.dedup();
        let mut all = Vec::with_capacity(order.len());
        for id in order {
            // the first node of a tree in the lists is its root
            let Some(root) = nodes.trees.iter().position(|tree| *tree == id) else { continue };
            let mut tree = Tree::default();
            let mut open = vec![(root, Vec::new())];
            let mut seen = 0;
            while let Some((at, way)) = open.pop() {
                seen += 1;
                if seen > nodes.trees.len() {
                    return self.refused("a tree with a cycle");
                }
                if nodes.modes[at].is_none() {
                    let weights = by_leaf.get(&(id, nodes.numbers[at])).cloned().unwrap_or_default();
                    tree.leaves.push(Leaf { way, weights });
                    continue;
                }
                let number = tree.tests.len();
                tree.tests.push((usize::try_from(nodes.features[at]).unwrap_or(usize::MAX), nodes.thresholds[at]));
                for (next, holds) in [(nodes.fails[at], false), (nodes.holds[at], true)] {
                    let Some(next) = nodes.places.get(&(id, next)) else {
                        return self.refused("a branch to a node that is not there");
                    };
                    let mut way = way.clone();
                    way.push((number, holds));
                    open.push((*next, way));
                }
            }
            all.push(tree);
        }
        Ok((all, test))
    }

    /// The sums of the weights of the leaves that are reached: `[batch, targets]`.
    fn ensemble(&mut self, node: &pb::NodeProto, prefix: &str, targets: usize) -> Result<String, GuardError> {
        let (trees, test) = self.trees(node, prefix)?;
        // powers of two, which blocks have anyway: so that trees and their tests are whole bits of a cell's number
        let most = |of: fn(&Tree) -> usize| trees.iter().map(of).max().unwrap_or(0).max(1).next_power_of_two();
        let (tests, leaves) = (most(|tree| tree.tests.len()), most(|tree| tree.leaves.len()));
        let features =
            trees.iter().flat_map(|tree| &tree.tests).map(|(feature, _)| feature.saturating_add(1)).max().unwrap_or(1);
        let size = |a: usize, b: usize| {
            trees.len().checked_mul(a).and_then(|n| n.checked_mul(b)).is_some_and(|n| n <= MAX_ELEMENTS)
        };
        if !size(tests, leaves) || !size(tests, features) || !size(leaves, targets) {
            return self.refused("trees that take more than 2^26 weights: use fewer or smaller ones;");
        }
        // every feature's thresholds are brought to one size, so that one table can tell all differences; factors are
        // powers of two and change no test
        let mut size_of = vec![0f32; features];
        trees
            .iter()
            .flat_map(|tree| &tree.tests)
            .for_each(|(feature, at)| size_of[*feature] = size_of[*feature].max(at.abs()));
        let factor = |feature: usize| {
            if size_of[feature] > ZERO { (-size_of[feature].log2().ceil()).clamp(-60.0, 60.0).exp2() } else { 1.0 }
        };
        let width = trees.len() * tests;
        let (mut picks, mut bounds) = (vec![0f32; features * width], vec![0f32; width]);
        let mut ways = vec![0f32; trees.len() * tests * leaves];
        // a leaf that is none is never reached
        let mut needed = vec![tests as f32 + 1.0; trees.len() * leaves];
        let mut values = vec![0f32; trees.len() * leaves * targets];
        for (t, tree) in trees.iter().enumerate() {
            for (n, (feature, bound)) in tree.tests.iter().enumerate() {
                picks[feature * width + t * tests + n] = factor(*feature);
                bounds[t * tests + n] = bound * factor(*feature);
            }
            for (l, leaf) in tree.leaves.iter().enumerate() {
                for (n, holds) in &leaf.way {
                    ways[(t * tests + n) * leaves + l] = if *holds { 1.0 } else { -1.0 };
                }
                needed[t * leaves + l] = leaf.way.iter().filter(|(_, holds)| *holds).count() as f32;
                for (target, weight) in &leaf.weights {
                    if *target >= targets {
                        return self.refused("weights of a class that is not there");
                    }
                    values[(t * leaves + l) * targets + target] += weight;
                }
            }
        }
        let x = self.cast(input(node, 0), DataType::Float);
        // the features after the last one that is tested have no weight, or are not read
        let given = self
            .shape(input(node, 0))
            .and_then(|shape| shape.last().copied())
            .filter(|given| (features..=2 * features).contains(given));
        picks.resize(given.unwrap_or(features) * width, 0.0);
        let picks = self.floats(&[given.unwrap_or(features), width], &picks);
        let kept = if given.is_some() { x } else { self.first_columns(&x, features) };
        let picked = self.node("MatMul", &[&kept, &picks], Vec::new());
        let bounds = self.floats(&[width], &bounds);
        let (operator, turned) = match test {
            Test::LessOrEqual => ("Greater", true),
            Test::Less => ("Less", false),
            Test::GreaterOrEqual => ("Less", true),
            Test::Greater => ("Greater", false),
            Test::Equal => ("Equal", false),
            Test::NotEqual => ("Equal", true),
        };
        let mut holds = self.node(operator, &[&picked, &bounds], Vec::new());
        if turned {
            holds = self.node("Not", &[&holds], Vec::new());
        }
        let holds = self.cast(&holds, DataType::Float);
        let (count, tests, leaves) = (trees.len() as i64, tests as i64, leaves as i64);
        let holds = self.reshaped(&holds, &[-1, count, 1, tests]);
        let ways = self.floats(&[trees.len(), tests as usize, leaves as usize], &ways);
        let sums = self.node("MatMul", &[&holds, &ways], Vec::new());
        let sums = self.reshaped(&sums, &[-1, count * leaves]);
        // whole numbers: the sum is never more than what is needed
        let short: Vec<f32> = needed.iter().map(|n| n - 0.5).collect();
        let short = self.floats(&[short.len()], &short);
        let reached = self.node("Greater", &[&sums, &short], Vec::new());
        let reached = self.cast(&reached, DataType::Float);
        let values = self.floats(&[(count * leaves) as usize, targets], &values);
        Ok(self.node("MatMul", &[&reached, &values], Vec::new()))
    }

    fn first_columns(&mut self, x: &str, columns: usize) -> String {
        let list: Vec<i64> = (0..columns as i64).collect();
        let list = self.ints(&list);
        self.node("Gather", &[x, &list], vec![super::int("axis", 1)])
    }

    fn with_base(&mut self, node: &pb::NodeProto, scores: String) -> String {
        let base = reals(node, "base_values");
        if base.is_empty() {
            return scores;
        }
        let base = self.floats(&[base.len()], base);
        self.node("Add", &[&scores, &base], Vec::new())
    }

    pub(super) fn tree_regressor(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let targets = usize::try_from(integer(node, "n_targets", 1)).unwrap_or(0).max(1);
        let mut scores = self.ensemble(node, "target", targets)?;
        match text(node, "aggregate_function", "SUM") {
            "SUM" => {}
            "AVERAGE" => {
                let mut trees = integers(node, "nodes_treeids").to_vec();
                trees.sort_unstable();
                trees.dedup();
                let share = self.number(1.0 / trees.len() as f32);
                scores = self.node("Mul", &[&scores, &share], Vec::new());
            }
            _ => return self.refused("the least or largest of its trees"),
        }
        let scores = self.with_base(node, scores);
        let scores = self.post_transform(node, &scores)?;
        self.output(node, 0, &scores);
        Ok(())
    }

    pub(super) fn tree_classifier(&mut self, node: &pb::NodeProto) -> Result<(), GuardError> {
        let (classes, labels) = self.classes(node);
        if strings(node, "classlabels_strings") > 0 && !labels.is_empty() {
            return self.refused("two lists of classes");
        }
        let ids = integers(node, "class_ids");
        let one = classes == 2 && ids.windows(2).all(|pair| pair[0] == pair[1]);
        let (index, scores) = if one {
            // one score for two classes: the second's
            let mut single = node.clone();
            if let Some(list) = single.attribute.iter_mut().find(|a| a.name == "class_ids") {
                list.ints.iter_mut().for_each(|id| *id = 0);
            }
            let scores = self.ensemble(&single, "class", 1)?;
            let base = reals(node, "base_values");
            let scores = match base {
                [] => scores,
                [base] | [_, base] => {
                    let base = self.number(*base);
                    self.node("Add", &[&scores, &base], Vec::new())
                }
                _ => return self.refused("more base values than classes"),
            };
            let probability = reals(node, "class_weights").iter().all(|weight| *weight >= 0.0);
            self.two_classes(node, &scores, if probability { 0.5 } else { 0.0 }, probability)?
        } else {
            let scores = self.ensemble(node, "class", classes)?;
            let scores = self.with_base(node, scores);
            (self.winner(&scores), self.post_transform(node, &scores)?)
        };
        let label = self.label(&index, &labels);
        self.output(node, 0, &label);
        self.output(node, 1, &scores);
        Ok(())
    }
}
